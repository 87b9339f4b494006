"""What the data alone shows: labels by group, and words that keep company with labels."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lect.auditing.report import DataBias, TermCount
from lect.data.examples import Example


def data_bias(by: str, groups: Sequence[str], examples: Sequence[Example], terms: Sequence[str]) -> DataBias:
    """Counts over labelled rows.

    Args:
        groups: each row's group.
        terms: found as whole words, in any case.
    """
    labels = sorted({example.label or "" for example in examples})
    pairs = Counter((group, example.label or "") for group, example in zip(groups, examples, strict=True))
    counts = {group: {label: pairs[group, label] for label in labels} for group in sorted(set(groups))}
    totals = Counter(example.label or "" for example in examples)
    return DataBias(by, counts, balance(totals), association(counts), tuple(_term(t, examples, totals) for t in terms))


def balance(counts: Mapping[str, int]) -> float:
    """The entropy of the labels over that of equal shares; 1 of a single label, which has nothing to share with."""
    total = sum(counts.values())
    shares = [count / total for count in counts.values() if count]
    return 1.0 if len(counts) < 2 else -sum(share * math.log(share) for share in shares) / math.log(len(counts))


def association(counts: Mapping[str, Mapping[str, int]]) -> float:
    """Cramér's V with Bergsma's correction.

    Bergsma, W. (2013). A bias-correction for Cramér's V and Tschuprow's T. Journal of the Korean Statistical Society.
    """
    rows = [list(row.values()) for row in counts.values()]
    total = sum(map(sum, rows))
    height, width = len(rows), len(rows[0])
    if min(height, width) < 2 or total < 2:
        return 0.0
    columns = [sum(row[place] for row in rows) for place in range(width)]
    chi = sum(
        (cell - sum(row) * column / total) ** 2 / (sum(row) * column / total)
        for row in rows
        for cell, column in zip(row, columns, strict=True)
        if sum(row) and column
    )
    phi = max(0.0, chi / total - (height - 1) * (width - 1) / (total - 1))
    corrected = min(height - (height - 1) ** 2 / (total - 1), width - (width - 1) ** 2 / (total - 1)) - 1
    return math.sqrt(phi / corrected) if corrected > 0 else 0.0


def _term(term: str, examples: Sequence[Example], totals: Mapping[str, int]) -> TermCount:
    found = re.compile(rf"(?<!\w){re.escape(term)}(?!\w)", re.IGNORECASE)
    rows = Counter(example.label or "" for example in examples if found.search(example.text))
    count = sum(rows.values())
    lift = {
        label: (rows[label] / count) / (total / len(examples)) if count else 0.0
        for label, total in sorted(totals.items())
    }
    return TermCount(term, count, lift)
