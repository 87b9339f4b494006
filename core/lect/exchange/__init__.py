"""What components and folders of other libraries are between the two, for plugins that register a format.

Importing this package imports no torch, so that plugins can look at folders quickly.
"""

from lect.exchange.contents import (
    LABELS_MADE_UP,
    Contents,
    ForeignFolder,
    HeadContents,
    PartContents,
    check_unpacked_size,
    read_json,
    read_tensor,
    read_tensors,
    word_head_of,
    write_json,
)
from lect.exchange.patterns import matches
from lect.validation import validate_model
from lect.weight_files import check_weights

__all__ = [
    "LABELS_MADE_UP",
    "Contents",
    "ForeignFolder",
    "HeadContents",
    "PartContents",
    "check_unpacked_size",
    "check_weights",
    "matches",
    "read_json",
    "read_tensor",
    "read_tensors",
    "validate_model",
    "word_head_of",
    "write_json",
]
