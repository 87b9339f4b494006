"""An explanation of one answer, ready to be shown or written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lect.locales import find_locale
from lect.visible import one_screen, visible

SCHEMA = 1


@dataclass(frozen=True)
class Token:
    """A token of the text, as the stack's tokenizer cut it.

    Args:
        start, end: where it stands in the text; both 0 for special tokens.
    """

    token: str
    start: int
    end: int
    attribution: float
    rollout: float | None = None


@dataclass(frozen=True)
class Explained:
    """The stack, or the stack without a part.

    Args:
        answer: "" for a stack without a head.
        probability: of `answer`.
        score: what is shared out: the target's logit, or the cosine.
        baseline: the same of the text with every token masked.
        words: one number a word of the explanation.
        gap: the sum of all tokens' attributions less (score - baseline).
        rollout: the share of each word in the sentence vector by attention; empty where it was not asked for.
    """

    label: str
    answer: str
    probability: float
    target_probability: float
    score: float
    baseline: float
    words: tuple[float, ...]
    tokens: tuple[Token, ...]
    gap: float
    scores: Mapping[str, float] = field(default_factory=dict)
    rollout: tuple[float, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a stack answers what it does.

    Args:
        target: the label whose logit is shared out; of stacks without a head the text that `text` is compared with.
        words: the words of the text and where they stand.
        variants: the whole stack first.
        maps: attention by layer, heads averaged, over tokens of the whole stack; empty where not asked for.
    """

    text: str
    stack: str
    backbone: str
    target: str
    kind: str
    words: tuple[tuple[str, int, int], ...]
    variants: tuple[Explained, ...]
    maps: tuple[tuple[tuple[float, ...], ...], ...] = ()

    def changes(self, variant: Explained) -> tuple[float, ...]:
        """What each word contributes to the whole stack's score beyond what it does to the variant's."""
        return tuple(own - other for own, other in zip(self.variants[0].words, variant.words, strict=True))

    def to_json(self) -> str:
        """The explanation as a JSON object: ``schema`` (1) and these fields; later ones may be added.

        Of every variant but the first ``changes`` says, word by word, what the whole stack adds to it.
        """
        values = {"schema": SCHEMA, **asdict(self)}
        for variant in values["variants"]:
            # As they have been called there since schema 1.
            variant["pieces"] = [{"piece": token.pop("token"), **token} for token in variant.pop("tokens")]
        for given, variant in zip(values["variants"][1:], self.variants[1:], strict=True):
            given["changes"] = self.changes(variant)
        return json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False)

    def to_html(self, locale: str | None = None) -> str:
        """The explanation as one page that needs nothing else.

        Args:
            locale: of its reader, such as ``fr``; by default as the environment says.

        Raises:
            UserError: there is no catalogue of messages for it.
        """
        from lect.explain.render import page

        return visible(page(self, find_locale(locale)))

    def _repr_html_(self) -> str:
        from lect.explain.render import page

        return visible(page(self, find_locale(), inside=True))

    def __repr__(self) -> str:
        return one_screen(self)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from lect.explain.render import renderables

        yield from renderables(self, in_colour=console.color_system is not None)
