"""What the projections are called in the whole models that `peft` wraps: with a head, or with a half that writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect import DECODER
from lect_lora.patterns import values_by_path

if TYPE_CHECKING:
    from lect import Backbone

PREFIX = "base_model.model."
"""What `peft` puts before the names of a model's tensors."""
#: Their models with a language-model head hold both halves directly; those of other families inside a model.
_HALVES_AT_THE_TOP = ("t5", "mt5", "umt5")


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

        base = f"{_prefix_of(backbone)}."
        if backbone.kind != "encoder-decoder":
            # Decoders' models for questions call it "transformer", whatever others of their family call it.
            return cls(reading=first(("", base, "transformer."), ""))
        return cls(first(("encoder.", f"{base}encoder.", ""), ""), first(("decoder.", f"{base}decoder."), DECODER))

    @classmethod
    def of(cls, backbone: Backbone, *, headed: bool) -> ModelNames:
        """Where it lies in the model of `transformers` that is loaded for it: the bare one, or one with a head."""
        base = f"{_prefix_of(backbone)}." if headed else ""
        if backbone.kind != "encoder-decoder":
            return cls(base)
        if backbone.model.config.model_type in _HALVES_AT_THE_TOP:
            base = ""
        return cls(f"{base}encoder.", f"{base}decoder.")

    def whole(self, path: str) -> str:
        """The name of a module in the model, for its path in the backbone."""
        return self.writing + path.removeprefix(DECODER) if path.startswith(DECODER) else self.reading + path

    def plain(self, name: str) -> str:
        """A tensor's name as if the backbone were the whole model."""
        if not name.startswith(PREFIX):
            return name
        bare = name.removeprefix(PREFIX)
        if self.reading.endswith("encoder.") and bare.startswith(self.writing):
            return f"{PREFIX}{DECODER}{bare.removeprefix(self.writing)}"
        return PREFIX + bare.removeprefix(self.reading)


def patterns_by_path(
    values: Mapping[str, Any], kind: str, paths: Sequence[str], names: ModelNames, where: str
) -> dict[str, Any]:
    """The configuration with patterns that give each path what the folder's give its module in the whole model.

    They stay as they are where they mean the same in the backbone alone; else each path is named as a whole.

    Raises:
        RecipeError: a pattern cannot be used.
    """
    found = dict(values)
    for field, pattern in values.items():
        if field.endswith("_pattern") and isinstance(pattern, Mapping):
            whole, _ = values_by_path(pattern, kind, [names.whole(path) for path in paths], f"{where}, {field}")
            theirs = {path: whole[names.whole(path)] for path in paths if names.whole(path) in whole}
            ours, unmatched = values_by_path(pattern, kind, paths, f"{where}, {field}")
            if ours != theirs or unmatched:
                found[field] = theirs
            if not found[field]:
                del found[field]
    return found


def _prefix_of(backbone: Backbone) -> str:
    """What the backbone is called inside models with heads."""
    # Before version 5 of transformers, Gemma 3's bare model names none.
    return str(backbone.model.base_model_prefix) or "model"
