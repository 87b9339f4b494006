"""What a language's part helps with, measured on translations that were held out from its training.

No labels are needed: a sentence should be found by its translation, and should get the answer that its translation
gets, whatever the question. Agreement with the translation is measured by questions made up of the translations
themselves: into which of k clusters of their vectors (spherical k-means, Dhillon and Modha 2001) a sentence falls.

What is held out is of the same kind as what was trained on, and flatters a part. So the least strength is taken that is
within one standard error of the best (Breiman et al. 1984, section 3.4.3), and none where the language is no worse off
without the part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine, Keys
from lect.errors import StackError
from lect.heads import Prediction
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


def measure_gate(
    engine: Engine,
    component: Component,
    beneath: Keys,
    vectors_of: Callable[[Sequence[str]], Tensor],
    pairs: Sequence[Example],
    known: Sequence[str],
    *,
    on: str = "held-out translations",
) -> tuple[GateEntry, ...]:
    """How strongly a component should act, for each kind of use; empty where too few pairs were held out.

    Args:
        engine: over the model that the component is attached to.
        beneath: the stack under it.
        vectors_of: the vectors of translations, *Shape:* ``(texts, width)``; a run has most of them already.
        pairs: sentences with translations that the component was not trained on.
        known: translations that it was trained on, of which clusters are made.
        on: what the entries call the pairs.
    """
    pairs = _looked_at(pairs)
    if len(pairs) < FEWEST:
        return ()
    translations = vectors_of([pair.translation or "" for pair in pairs])
    questions = _questions(vectors_of(known[:KNOWN]))
    retrieval: dict[float, Tensor] = {}
    agreement: dict[float, Tensor] = {}
    texts = [pair.text for pair in pairs]
    for strength, stack in _at_strengths(engine, component, beneath):
        vectors = engine.embed(texts, stack)
        retrieval[strength] = _retrieval(vectors, translations)
        agreement[strength] = _agreement(vectors, translations, questions)
    return (
        _entry("retrieval", retrieval, f"recall@1, both ways, of {on}"),
        _entry("classification", agreement, f"agreement with {on}"),
    )


@dataclass(frozen=True)
class Asked:
    """A task whose own answers to sentences and to their translations are compared.

    Args:
        keys: the stack that answers translations, of which the last key is the task that answers sentences, too.
    """

    keys: Keys
    use: Use


def measure_tasks(
    engine: Engine,
    component: Component,
    beneath: Keys,
    pairs: Sequence[Example],
    tasks: Mapping[str, Asked],
    *,
    on: str,
) -> tuple[GateEntry, ...]:
    """How strongly a component should act for single tasks, by how far a sentence gets the answer of its translation.

    Args:
        engine: over the model that the component and the tasks are attached to.
        beneath: the stack under the component.
        pairs: sentences with translations that the component was not trained on; `FEWEST` or more.
        tasks: by their keys.
        on: what the entries call the pairs.
    """
    pairs = _looked_at(pairs)
    translations = [Example(text=pair.translation or "", origin=pair.origin) for pair in pairs]
    sentences = [Example(text=pair.text, origin=pair.origin) for pair in pairs]
    wanted = {task: engine.predict(translations, asked.keys) for task, asked in tasks.items()}
    scores: dict[str, dict[float, Tensor]] = {task: {} for task in tasks}
    for strength, stack in _at_strengths(engine, component, beneath):
        for task, asked in tasks.items():
            found = engine.predict(sentences, (*stack, asked.keys[-1]))
            same = [agreement(one, other, asked.use) for one, other in zip(found, wanted[task], strict=True)]
            scores[task][strength] = 100.0 * torch.tensor(same)
    return tuple(
        _entry(asked.use, scores[task], f"agreement of {task} with {on}", task) for task, asked in tasks.items()
    )


def agreement(first: Prediction, second: Prediction, use: Use) -> float:
    """How far the answers to a sentence and to its translation agree, from 0 to 1.

    Labels are equal or not. Which words of two languages stand for each other is not known, so of tags those are
    compared that the sentence has at all, or of its entities the types: Dice's coefficient of the two bags.
    """
    if use != "tagging":
        return float(first.value == second.value)
    bags = [Counter(_marks(each)) for each in (first, second)]
    both = bags[0].total() + bags[1].total()
    return 2.0 * (bags[0] & bags[1]).total() / both if both else 1.0


def _marks(prediction: Prediction) -> Iterator[str]:
    """The types of a text's entities, the relations of its tree, or the tags of its words."""
    record = prediction.record
    if "entities" in record:
        return (entity["type"] for entity in record["entities"])
    return iter(record.get("relations", prediction.value))


def _looked_at(pairs: Sequence[Example]) -> list[Example]:
    return [pair for pair in pairs if pair.translation][:MOST]


def _entry(use: Use, scores: Mapping[float, Tensor], measure: str, task: str = "") -> GateEntry:
    """The entry of a use.

    Args:
        scores: by strength, of each row.
    """
    means = {strength: own.mean().item() for strength, own in scores.items()}
    best = max(means, key=lambda strength: means[strength])
    rows = len(scores[best])
    error = scores[best].std().item() / math.sqrt(rows)
    strength = min(each for each, mean in means.items() if mean >= means[best] - error)
    return GateEntry(
        use=use,
        task=task,
        strength=strength,
        measure=measure,
        score=round(means[strength], 2),
        without=round(means[0.0], 2),
        whole=round(means[1.0], 2),
        rows=rows,
    )


def _at_strengths(engine: Engine, component: Component, beneath: Keys) -> Iterator[tuple[float, Keys]]:
    """The stack without the component (0), with all of it, and with it at each strength."""
    model: RoutedModel = engine.model
    yield 0.0, beneath
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
            yield strength, (*beneath, key)
        finally:
            if key != component.key:
                model.detach(key)
                engine.encoder.forget(key)


def _retrieval(sentences: Tensor, translations: Tensor) -> Tensor:
    """Whether each finds its own among all, in percent, the mean of both directions. *Shape:* ``(rows,)``."""
    cosines = normalize(sentences, dim=-1) @ normalize(translations, dim=-1).T
    own = torch.arange(len(cosines))
    return torch.stack([100.0 * (cosines.argmax(dim) == own) for dim in (0, 1)]).mean(0)


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


def _agreement(sentences: Tensor, translations: Tensor, questions: Sequence[Tensor]) -> Tensor:
    """In how many clusterings each falls into the cluster of its translation, in percent. *Shape:* ``(rows,)``."""
    found = []
    for centres in questions:
        answers = [((each - centres[-1]) @ centres[:-1].T).argmax(1) for each in (sentences, translations)]
        found.append(100.0 * (answers[0] == answers[1]))
    return torch.stack(found).mean(0)
