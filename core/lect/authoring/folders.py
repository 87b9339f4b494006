"""Which files of a folder are data, and how their names end."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from lect.data.paths import COMPRESSED

_LABELS = re.compile(
    r"(?i)(?:(?:labels?|class(?:es)?|categor(?:y|ies)|tags?)(?:[_-]?(?:list|names?|map|set))?|label2id|id2label)"
    r"\.(?:txt|json|tsv|csv)"
)
"""Names of files that list the labels there are."""


def readable_files(folder: Path) -> list[Path]:
    """The files in a folder and below that are not hidden, and neither papers nor lists of labels beside the data."""
    found = (file for file in sorted(folder.rglob("*")) if file.is_file())
    seen = [
        file
        for file in found
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and not re.match(r"(?i)(licen[cs]e|readme|copying|citation)\b", file.name)
    ]
    return [file for file in seen if not _LABELS.fullmatch(file.name)] or seen


def ending_in(folder: Path) -> str:
    """The ending that most of the files in a folder have, without that of compression; "" where there is no file."""
    endings = Counter(ending_of(file.name) for file in readable_files(folder))
    return endings.most_common(1)[0][0] if endings else ""


def ending_of(name: str) -> str:
    """The ending of a file's name, without that of its compression."""
    for more in COMPRESSED[1:]:
        name = name.lower().removesuffix(more)
    return Path(name).suffix
