"""BLEU and chrF++ as sacrebleu has them (Post 2018; Papineni et al. 2002; Popović 2017), from sums over rows.

Both are scores of sums of counts: a row's counts are sacrebleu's own for that row alone, and a score is sacrebleu's own
of the sums, so that resamples cost no counting anew. sacrebleu's test of significance does the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CHRF, BLEU = "chrf++", "bleu"


def translation_statistics(truth: str, predicted: str) -> dict[str, float]:
    """One row's counts, by the score they are for and their place."""
    found = {}
    for name, metric in _metrics().items():
        (counts,) = metric._extract_corpus_statistics([predicted], [[truth]])
        found |= {f"{name} {place}": float(count) for place, count in enumerate(counts)}
    return found


def translation_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """chrF++ and BLEU, 0 to 1."""
    import numpy as np

    scores = {}
    for name, metric in _metrics().items():
        places = [column for column in sums if column.startswith(f"{name} ")]
        table = np.stack([sums[f"{name} {place}"] for place in range(len(places))], axis=1)
        counts = table.round().astype(int).tolist()
        scores[name] = np.array([metric._compute_score_from_stats(row).score / 100 for row in counts])
    return scores


def signatures(truth: Sequence[Any]) -> dict[str, str]:
    """sacrebleu's signature of each score."""
    found = {}
    for name, metric in _metrics().items():
        # Known to sacrebleu once it has seen references.
        metric.corpus_score([""], [[""]])
        found[name] = str(metric.get_signature())
    return found


def _metrics() -> dict[str, Any]:
    from sacrebleu import metrics

    # `force`: no warning where a text looks tokenised.
    return {CHRF: metrics.CHRF(word_order=2), BLEU: metrics.BLEU(force=True)}
