"""What a language's part helps with, measured at the end of its training on translations that were held out.

No labels are needed: a sentence should be found by its translation, and should get the answer that its translation
gets, whatever the question. Agreement with the translation is measured by questions made up of the translations
themselves: into which of k clusters of their vectors (spherical k-means, Dhillon and Modha 2001) a sentence falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine, Keys
from lect.errors import StackError
from lect.literals import Use
from lect.storage.assemble import weighted
from lect.storage.manifest import GateEntry

STRENGTHS = (1.0, 0.75, 0.5, 0.25)
FEWEST = 40
"""So many pairs are needed, as a strength chosen of fewer would be chosen by chance."""
MOST = 500
"""More are not looked at: a hundred sentences more cost seconds, and change a share by half a point."""
KNOWN = 2000
"""Of so many training translations clusters are made."""
CLUSTERS = (4, 8, 16)
SEEDS = 3
MEASURES: Mapping[Use, str] = {
    "retrieval": "recall@1, both ways, of held-out translations",
    "classification": "agreement with held-out translations",
}


def measure_gate(
    engine: Engine, component: Component, beneath: Keys, target: Keys, pairs: Sequence[Example], known: Sequence[str]
) -> tuple[GateEntry, ...]:
    """How strongly a component should act, for each kind of use; empty where too few pairs were held out.

    Args:
        engine: over the model that the component is attached to.
        beneath: the stack under it.
        target: the stack of translations.
        pairs: sentences with translations that the component was not trained on.
        known: translations that it was trained on, of which clusters are made.
    """
    pairs = [pair for pair in pairs if pair.translation][:MOST]
    if len(pairs) < FEWEST:
        return ()
    translations = engine.embed([pair.translation or "" for pair in pairs], target)
    questions = _questions(engine.embed(known[:KNOWN], target))
    scores: dict[float, dict[Use, float]] = {}
    for strength, vectors in _vectors(engine, component, beneath, [pair.text for pair in pairs]):
        scores[strength] = {
            "retrieval": _retrieval(vectors, translations),
            "classification": _agreement(vectors, translations, questions),
        }
    return tuple(_entry(use, {strength: own[use] for strength, own in scores.items()}, len(pairs)) for use in MEASURES)


def _entry(use: Use, scores: Mapping[float, float], rows: int) -> GateEntry:
    # Of equal ones the strongest: that is what the component was trained as.
    strength = max(scores, key=lambda each: (round(scores[each], 4), each))
    return GateEntry(
        use=use,
        strength=strength,
        measure=MEASURES[use],
        score=round(scores[strength], 2),
        without=round(scores[0.0], 2),
        whole=round(scores[1.0], 2),
        rows=rows,
    )


def _vectors(engine: Engine, component: Component, beneath: Keys, texts: Sequence[str]) -> list[tuple[float, Tensor]]:
    """The sentences' vectors at each strength, and without the component (0)."""
    model: RoutedModel = engine.model
    found = [(0.0, engine.embed(texts, beneath))]
    for strength in STRENGTHS:
        key = component.key
        if strength != 1:
            key = f"{strength} of {component.key}"
            try:
                model.attach(weighted(key, strength, [component]))
            except StackError:
                # Some components act whole or not at all.
                break
        try:
            found.append((strength, engine.embed(texts, (*beneath, key))))
        finally:
            if key != component.key:
                model.detach(key)
                engine.encoder.forget(key)
    return found


def _retrieval(sentences: Tensor, translations: Tensor) -> float:
    """The share, in percent, that find their own among all, the mean of both directions."""
    cosines = normalize(sentences, dim=-1) @ normalize(translations, dim=-1).T
    own = torch.arange(len(cosines))
    ways = [(cosines.argmax(dim) == own).float().mean().item() for dim in (0, 1)]
    return 100 * sum(ways) / 2


def _questions(vectors: Tensor) -> list[Tensor]:
    """Centres of clusters, *Shape:* each ``(clusters, width)``, relative to the mean vector, which is the last row."""
    mean = vectors.mean(0, keepdim=True)
    unit = normalize(vectors - mean, dim=-1)
    found = []
    for clusters in CLUSTERS:
        for seed in range(SEEDS):
            drawn = torch.randperm(len(unit), generator=torch.Generator().manual_seed(seed))[:clusters]
            centres = unit[drawn]
            for _ in range(20):
                nearest = (unit @ centres.T).argmax(1)
                sums = torch.zeros_like(centres).index_add_(0, nearest, unit)
                # An empty cluster stays where it is.
                centres = normalize(torch.where(sums.any(1, keepdim=True), sums, centres), dim=-1)
            found.append(torch.cat([centres, mean]))
    return found


def _agreement(sentences: Tensor, translations: Tensor, questions: Sequence[Tensor]) -> float:
    """The share, in percent, that fall into the cluster of their translation, the mean over all clusterings."""
    shares = []
    for centres in questions:
        answers = [((each - centres[-1]) @ centres[:-1].T).argmax(1) for each in (sentences, translations)]
        shares.append((answers[0] == answers[1]).float().mean().item())
    return 100 * sum(shares) / len(shares)
