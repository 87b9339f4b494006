"""Which components are near a language that has none: by descent, place and script, and by texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lect.errors import StackError
from lect.languages.relations import Facts, facts_of, family_likeness, place_likeness, script_likeness
from lect.languages.tags import is_tag, normalise

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.storage.library import Library
    from lect.storage.manifest import Manifest

COLUMNS = ("family", "place", "script", "pieces", "vectors")
"""What likeness is measured by, each 0 to 1 (vectors -1 to 1); the score is the mean of those that are known."""
_AUTO = re.compile(r"(?<![\w:.-])lang:auto(?![\w@.-])")


@dataclass(frozen=True)
class Suggestion:
    """A component, and how near its language is.

    Args:
        language: the nearest of its languages.
        likeness: by column, what is known.
    """

    key: str
    language: str
    manifest: Manifest
    likeness: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The mean of what is known; 1 for the language itself."""
        return sum(self.likeness.values()) / len(self.likeness) if self.likeness else 0.0


def suggest(
    language: str,
    library: Library,
    *,
    texts: Sequence[str] = (),
    samples: Mapping[str, Sequence[str]] | None = None,
    backbone: Backbone | None = None,
) -> tuple[Suggestion, ...]:
    """The library's language components, the nearest first.

    Args:
        texts: in the language.
        samples: texts in the languages of components, by the components' keys or their languages' tags.
        backbone: what texts are compared on; only where there are texts and samples.

    Raises:
        DataError: the language is none.
    """
    wanted, facts = normalise(language), facts_of(language)
    found = []
    for listing in library.all():
        manifest = listing.manifest
        if listing.role != "lang" or manifest is None or listing.shadowed:
            continue
        sides = [(tag, _likeness(wanted, facts, tag)) for tag in languages_of(manifest)]
        if not sides:
            continue
        tag, likeness = max(sides, key=lambda side: sum(side[1].values()) / max(1, len(side[1])))
        sample = (samples or {}).get(listing.key) or (samples or {}).get(tag)
        if texts and sample and backbone is not None:
            likeness = {
                **likeness,
                "pieces": token_likeness(backbone, texts, sample),
                "vectors": vector_likeness(backbone, texts, sample),
            }
        found.append(Suggestion(listing.key, tag, manifest, likeness))
    return tuple(sorted(found, key=lambda suggestion: (-suggestion.score, suggestion.key)))


def token_likeness(backbone: Backbone, first: Sequence[str], second: Sequence[str]) -> float:
    """How much of two texts is the same tokens in the same shares: the sum of the smaller shares, 0 to 1."""
    tokenizer = backbone.tokenizer.backend_tokenizer
    shares = []
    for texts in (first, second):
        counts: Counter[int] = Counter()
        for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
            counts.update(encoding.ids)
        total = counts.total()
        shares.append({token: count / total for token, count in counts.items()} if total else {})
    return sum(min(share, shares[1].get(token, 0.0)) for token, share in shares[0].items())


def vector_likeness(backbone: Backbone, first: Sequence[str], second: Sequence[str], most: int = 64) -> float:
    """The cosine between the mean sentence vectors of two texts, on the bare backbone, each of `most` lines at most."""
    from torch.nn.functional import cosine_similarity

    from lect.composition.model import RoutedModel
    from lect.engine.engine import Engine

    engine = Engine(RoutedModel(backbone).eval())
    means = [engine.embed(texts[:most]).mean(0) for texts in (first, second)]
    return float(cosine_similarity(means[0], means[1], dim=0))


def is_automatic(stack: str) -> bool:
    """Whether the stack has ``lang:auto`` in it."""
    return _AUTO.search(stack) is not None


def put_for_auto(stack: str, component: str) -> str:
    """The stack with a component in the place of ``lang:auto``."""
    return _AUTO.sub(component, stack)


def languages_of(manifest: Manifest) -> tuple[str, ...]:
    """The languages that a component says it is of; of a language component also the one that it is called after."""
    if manifest.languages:
        return manifest.languages
    return (normalise(manifest.name),) if manifest.role == "lang" and is_tag(manifest.name) else ()


def resolve_auto(
    stack: str, language: str | None, library: Library, nearest: int = 1
) -> tuple[str, tuple[Suggestion, ...]]:
    """The stack with the nearest components in the place of ``lang:auto``, and which they are.

    Several are mixed by their outputs in equal shares. Only components that go with the rest of the stack count.

    Raises:
        StackError: no language is named, or no component is near it.
    """
    if not is_automatic(stack):
        return stack, ()
    where = f'stack "{stack}"'
    if language is None:
        raise StackError(
            "lang:auto needs to know the language of the texts", where=where, fix="add --language bjn, say"
        )
    others = _others(stack, library)
    chosen = [
        suggestion
        for suggestion in suggest(language, library)
        if all(suggestion.manifest.backbone.goes_with(other.backbone) for other in others)
        and (nearest == 1 or not suggestion.manifest.own_tokenizer)
        and suggestion.score > 0
    ][:nearest]
    if not chosen:
        raise StackError(
            f'no component of the library is near "{language}"', where=where, fix="see lect languages suggest"
        )
    keys = [suggestion.key for suggestion in chosen]
    taken = keys[0] if len(keys) == 1 else f"avg({', '.join(keys)})"
    return put_for_auto(stack, taken), tuple(chosen)


def _others(stack: str, library: Library) -> list[Manifest]:
    from lect.composition.stack import parse_stack
    from lect.storage.store import read_folder_manifest

    atoms = [atom for atom in parse_stack(stack).atoms if str(atom) != "lang:auto"]
    return [read_folder_manifest(library.find(atom)) for atom in atoms]


def _likeness(wanted: str, facts: Facts, tag: str) -> dict[str, float]:
    if normalise(tag) == wanted:
        return {"family": 1.0, "place": 1.0, "script": 1.0}
    other = facts_of(tag)
    measured = {
        "family": family_likeness(facts, other),
        "place": place_likeness(facts, other),
        "script": script_likeness(facts, other),
    }
    return {name: value for name, value in measured.items() if value is not None}
