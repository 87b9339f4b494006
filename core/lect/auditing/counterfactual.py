"""Answers to texts that differ in nothing but the group they speak of.

Garg, S. et al. (2019). Counterfactual Fairness in Text Classification through Robustness. AIES.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lect.auditing.file import CounterfactualTable
from lect.auditing.report import Change, Counterfactual, GroupChange
from lect.heads import Prediction

_EXAMPLES = 5
_RESAMPLES = 2000


@dataclass(frozen=True)
class Filled:
    """A template with the words of a group in its slots."""

    template: int
    group: str
    text: str


def fill(templates: Sequence[str], table: CounterfactualTable) -> list[Filled]:
    """Every template with every group's words; words of several slots go together by their place."""
    found = []
    for index, template in enumerate(templates):
        for group in table.groups:
            count = len(next(iter(table.substitutions.values()))[group])
            for place in range(count):
                words = {slot: groups[group][place] for slot, groups in table.substitutions.items()}
                found.append(Filled(index, group, template.format(**words)))
    return found


def counterfactual(
    table: CounterfactualTable,
    templates: Sequence[str],
    stack: str,
    predict: Callable[[Sequence[str]], Sequence[Prediction]],
    *,
    seed: int = 0,
) -> Counterfactual:
    """How answers and probabilities change from the reference to each other group.

    Args:
        predict: a stack's answer to each text.
    """
    texts = fill(templates, table)
    answers = dict(zip(texts, predict([each.text for each in texts]), strict=True))
    labels = sorted({label for answer in answers.values() for label in answer.scores})
    reference, *others = table.groups
    by_place: dict[tuple[int, str], list[Filled]] = {}
    for each in texts:
        by_place.setdefault((each.template, each.group), []).append(each)
    groups = []
    for group in others:
        pairs = [
            pair
            for index in range(len(templates))
            for pair in itertools.product(by_place[index, reference], by_place[index, group])
        ]
        flipped = [(one, two) for one, two in pairs if answers[one].value != answers[two].value]
        shown = tuple((one.text, answers[one].value, two.text, answers[two].value) for one, two in flipped[:_EXAMPLES])
        means = {
            name: np.array(
                [
                    [
                        np.mean([answers[each].scores.get(label, 0.0) for each in by_place[index, name]])
                        for label in labels
                    ]
                    for index in range(len(templates))
                ]
            )
            for name in (reference, group)
        }
        differences = means[group] - means[reference]
        rows = np.random.default_rng(seed).integers(len(templates), size=(_RESAMPLES, len(templates)))
        low, high = np.quantile(differences[rows].mean(axis=1), [0.025, 0.975], axis=0)
        changes = tuple(
            Change(label, float(value), float(low[place]), float(high[place]))
            for place, (label, value) in enumerate(zip(labels, differences.mean(axis=0), strict=True))
        )
        groups.append(GroupChange(group, len(pairs), len(flipped), changes, shown))
    return Counterfactual(table.name, stack, len(templates), reference, tuple(groups))
