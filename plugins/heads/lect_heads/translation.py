"""Translation: a text in one language, written in another by a decoder or an encoder-decoder.

A decoder goes on from a prompt that holds the text (few parameters learn to do so from few translations: Xu et al.
2024, section 3.2); an encoder-decoder reads the text as it is, and is told the languages by their tokens, where it has
such tokens.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lect import DataError, Decoding, GenerationHead, GenerationRequest, RecipeError
from lect.languages import display_name

if TYPE_CHECKING:
    from lect import Backbone, Example
    from lect_heads.configs import TranslationConfig

FOR_DECODERS = "Translate from {source} to {target}.\n{source}: {text}\n{target}:"
_KNOWN = ("text", "source", "target")


class TranslationHead(GenerationHead):
    """Demands each text's translation.

    Raises:
        RecipeError: the backbone cannot write; the prompt has no place for the text, names what is not known, or a
            language that the head was not told.
    """

    def __init__(self, config: TranslationConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        if not backbone.generates:
            raise RecipeError(
                f'"{backbone.name}" reads texts and cannot write translations',
                where="head.kind",
                fix='set backbone.name to a decoder, such as "smollm2-135m", or to an encoder-decoder, such as '
                '"google/mt5-small"',
            )
        self._config = config
        self.decoding = Decoding(config.longest, config.beams, config.length_penalty)
        prompt = config.prompt or (FOR_DECODERS if backbone.kind == "decoder" else "{text}")
        names = {"source": _name(config.source, "source"), "target": _name(config.target, "target")}
        self._before, self._after = _around_text(prompt, names)

    def request(self, example: Example) -> GenerationRequest:
        """The text in its prompt; on one line, as its translation will be."""
        text = " ".join(example.text.split())
        config = self._config
        return GenerationRequest(text, self._before, self._after, config.source_code, config.target_code)

    def target(self, example: Example) -> str:
        if example.translation is None:
            raise DataError(
                "the row has no translation", where=example.origin, fix='name its column with translation = "…"'
            )
        return " ".join(example.translation.split())


def _name(tag: str | None, field: str) -> str | None:
    if tag is None:
        return None
    try:
        return display_name(tag)
    except DataError as error:
        raise RecipeError(error.what, where=f"head.{field}", fix=error.fix) from None


def _around_text(prompt: str, names: dict[str, str | None]) -> tuple[str, str]:
    """What stands before the text and behind it, languages named."""
    where = "head.prompt"
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(prompt) if field is not None]
    except ValueError as error:
        raise RecipeError(
            f"the prompt cannot be read ({error})", where=where, fix="write braces as {{ and }}"
        ) from None
    for field in fields:
        if field not in _KNOWN:
            fix = "use {text}, {source} and {target}, and write braces as {{ and }}"
            raise RecipeError(f'the prompt names "{field}", which is not known', where=where, fix=fix)
        if field != "text" and names[field] is None:
            raise RecipeError(
                f"the prompt names the {field} language, which is not said",
                where=f"head.{field}",
                fix='say it by its tag, such as "id", or write a prompt of your own',
            )
    if fields.count("text") != 1:
        raise RecipeError("the prompt needs one place for the text", where=where, fix="write {text} there")
    # A mark that no prompt holds: the text itself is never formatted.
    before, _, after = prompt.format(text="\0", **names).partition("\0")
    return before, after
