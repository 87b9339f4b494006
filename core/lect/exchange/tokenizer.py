"""A whole tokenizer that a component brings: what of it may run here.

Components of today keep only the tokens that they add. Older and imported ones bring a whole ``tokenizer.json``, whose
steps may hold regular expressions that take for ever, replacements that grow without end, and tables that the library
dies of. Such a tokenizer extends the backbone's, so its steps are the backbone's own, or such as can do no harm.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lect.composition.panics import no_panic
from lect.errors import ComponentError

if TYPE_CHECKING:
    from lect.backbones import Backbone

TRUST = "LECT_TRUST_TOKENIZERS"
"""Set to 1, steps of any kind are run."""
_MOST_STEPS = 32
_HARMLESS: Mapping[str, frozenset[str]] = {
    "normalizer": frozenset(
        {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Strip", "StripAccents"}
    ),
    "pre_tokenizer": frozenset(
        {
            "BertPreTokenizer", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Split", "UnicodeScripts",
            "Whitespace", "WhitespaceSplit",
        }
    ),
    "post_processor": frozenset({"BertProcessing", "RobertaProcessing"}),
    "decoder": frozenset({"BPEDecoder", "ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "WordPiece"}),
}  # fmt: skip
"""By the tokenizer's field, steps that take a time and give a text in proportion to what they are given."""


def check_tokenizer(tokenizer_json: str, backbone: Backbone, where: str) -> None:
    """Refuse a whole tokenizer with steps that may do harm. A list of tokens is none, and is left to its method.

    Raises:
        ComponentError: says which step; or that it cannot be read, or numbers its tokens otherwise than it says.
    """
    values = json.loads(tokenizer_json)
    if not isinstance(values.get("model"), dict):
        return
    if os.environ.get(TRUST, "").strip() not in ("1", "true", "yes"):
        own = backbone.tokenizer.backend_tokenizer
        for field in _HARMLESS:
            _check_steps(values.get(field), field, _state(getattr(own, field)), where)
    with no_panic(where):
        from tokenizers import Tokenizer

        numbers = Tokenizer.from_str(tokenizer_json).get_vocab(with_added_tokens=True).values()
    if max(numbers, default=0) > _highest(values):
        raise ComponentError(
            "its tokenizer numbers tokens otherwise than its tokenizer.json says",
            where=where,
            fix="fetch or train the component again",
        )


def _check_steps(value: Any, field: str, own: Any, where: str) -> None:
    """The steps of a field: as the backbone's, or single ones that the backbone has, too, or that do no harm."""
    if value is None or value == own:
        return
    steps, theirs = list(_steps(value)), list(_steps(own))
    if len(steps) > _MOST_STEPS:
        _refuse(f"has {len(steps)} steps of its {field}", where)
    for step in steps:
        if step in theirs:
            # Once more than the backbone has it, it may grow what it has grown already.
            theirs.remove(step)
        elif not _is_harmless(step, field):
            kind = step.get("type") if isinstance(step, dict) else step
            _refuse(f"has a step of its {field} ({str(kind)[:40]!r}) that this backbone's does not have", where)


def _is_harmless(step: Any, field: str) -> bool:
    kind = step.get("type") if isinstance(step, dict) else None
    if not isinstance(kind, str) or kind not in _HARMLESS[field]:
        return False
    pattern = step.get("pattern")
    return pattern is None or (isinstance(pattern, dict) and set(pattern) == {"String"})


def _steps(value: Any, depth: int = 0) -> Iterator[Any]:
    """The single steps, without the sequences that hold them."""
    inner = next(
        (value[name] for name in ("normalizers", "pretokenizers", "processors", "decoders") if name in value), None
    ) if isinstance(value, dict) and value.get("type") == "Sequence" else None  # fmt: skip
    if isinstance(inner, list) and depth < 8:
        for step in inner:
            yield from _steps(step, depth + 1)
    elif value is not None:
        yield value


def _state(step: Any) -> Any:
    """A step of the library as its JSON has it."""
    return None if step is None else json.loads(step.__getstate__())


def _highest(values: Mapping[str, Any]) -> int:
    vocabulary = values["model"].get("vocab", ())
    own = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    return max([*own, *(entry["id"] for entry in values.get("added_tokens", ()))], default=-1)


def _refuse(what: str, where: str) -> None:
    raise ComponentError(
        f"its tokenizer {what}, and may run for ever",
        where=where,
        fix=f"if you trust who made it, set {TRUST}=1",
    )
