"""What the projections are called in the whole models that `peft` wraps: with a head, or with a half that writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peft.utils.other import get_pattern_key

from lect.backbones.anatomy import WRITER

if TYPE_CHECKING:
    from lect import Backbone

PREFIX = "base_model.model."
"""What `peft` puts before the names of a model's tensors."""
#: Their models with a language-model head hold both halves directly; those of other families inside a model.
_HALVES_AT_THE_TOP = ("t5", "mt5", "umt5")
#: Methods that look a pattern up in a way of their own: it must stand behind a dot.
_BEHIND_A_DOT = ("C3A", "FOURIERFT")


@dataclass(frozen=True)
class ModelNames:
    """Where the backbone lies in a model.

    Args:
        reading: what stands before the paths of the encoder, or of the decoder of a decoder-only model.
        writing: what stands before the paths of an encoder-decoder's second half.
    """

    reading: str = ""
    writing: str = "decoder."

    @classmethod
    def found(cls, names: Iterable[str], backbone: Backbone) -> ModelNames:
        """Where it lies in the model whose tensors have these names."""
        names = list(names)

        def first(candidates: Sequence[str], half: str) -> str:
            paths = [path.removeprefix(half) for path in backbone.anatomy.linears if path.startswith(half) or not half]
            starts = {path.split(".", 1)[0] for path in paths}
            for candidate in candidates:
                if any(name.startswith(tuple(f"{PREFIX}{candidate}{start}." for start in starts)) for name in names):
                    return candidate
            return candidates[0]

        base = f"{backbone.model.base_model_prefix}."
        if backbone.kind != "encoder-decoder":
            # Decoders' models for questions call it "transformer", whatever others of their family call it.
            return cls(reading=first(("", base, "transformer."), ""))
        return cls(first(("encoder.", f"{base}encoder.", ""), ""), first(("decoder.", f"{base}decoder."), WRITER))

    @classmethod
    def of(cls, backbone: Backbone, *, headed: bool) -> ModelNames:
        """Where it lies in the model of `transformers` that is loaded for it: the bare one, or one with a head."""
        base = f"{backbone.model.base_model_prefix}." if headed else ""
        if backbone.kind != "encoder-decoder":
            return cls(base)
        if backbone.model.config.model_type in _HALVES_AT_THE_TOP:
            base = ""
        return cls(f"{base}encoder.", f"{base}decoder.")

    def whole(self, path: str) -> str:
        """The name of a module in the model, for its path in the backbone."""
        return self.writing + path.removeprefix(WRITER) if path.startswith(WRITER) else self.reading + path

    def plain(self, name: str) -> str:
        """A tensor's name as if the backbone were the whole model."""
        if not name.startswith(PREFIX):
            return name
        bare = name.removeprefix(PREFIX)
        if self.reading.endswith("encoder.") and bare.startswith(self.writing):
            return f"{PREFIX}{WRITER}{bare.removeprefix(self.writing)}"
        return PREFIX + bare.removeprefix(self.reading)


def patterns_by_path(values: Mapping[str, Any], kind: str, paths: Sequence[str], names: ModelNames) -> dict[str, Any]:
    """The configuration with patterns that give each path what the folder's give its module in the whole model.

    They stay as they are where they mean the same in the backbone alone; else each path is named as a whole.
    """
    found = dict(values)
    for field, pattern in values.items():
        if field.endswith("_pattern") and isinstance(pattern, Mapping):
            theirs = {path: value_at(pattern, kind, names.whole(path)) for path in paths}
            used = {value_at({key: key for key in pattern}, kind, path) for path in paths}
            ours = {path: value_at(pattern, kind, path) for path in paths}
            if ours != theirs or used - {None} != pattern.keys():
                found[field] = {path: value for path, value in theirs.items() if value is not None}
            if not found[field]:
                del found[field]
    return found


def value_at(pattern: Mapping[str, Any], kind: str, module: str) -> Any:
    """What a pattern of `peft` (ranks, say) gives a module; None where it gives nothing."""
    if kind in _BEHIND_A_DOT:
        return pattern.get(next((key for key in pattern if re.match(rf".*\.{key}$", module)), module))
    return pattern.get(get_pattern_key(pattern.keys(), module))
