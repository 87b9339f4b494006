"""The metrics, as they are registered."""

from __future__ import annotations

from typing import Literal

from lect import MetricSpec, SummedMetric
from lect_heads.metrics import numbers, sequences, squad, translation, trees

_THREE = ("precision", "recall", "f1")
_HIGHER: Literal["higher"] = "higher"

METRICS = (
    MetricSpec(
        "tagging",
        "precision, recall and F1 of whole entities: micro, macro and per type",
        SummedMetric(sequences.entity_statistics, sequences.entity_scores),
        main="f1",
        scores=dict.fromkeys((*_THREE, *(f"macro_{name}" for name in _THREE)), _HIGHER),
    ),
    MetricSpec(
        "token",
        "the share of words with the right tag, and F1 of each tag",
        SummedMetric(sequences.word_statistics, sequences.word_scores),
        main="accuracy",
        scores=dict.fromkeys(("accuracy", "macro_f1", "f1"), _HIGHER),
    ),
    MetricSpec(
        "tagging-tokens",
        "beside the scores of entities: the share of words with the right tag, and F1 of each tag",
        SummedMetric(sequences.word_statistics, sequences.token_scores),
        main="token_accuracy",
        scores=dict.fromkeys(("token_accuracy", "token_macro_f1", "token_f1"), _HIGHER),
    ),
    MetricSpec(
        "squad",
        "F1 over words and exact match of answers, by SQuAD's rules",
        SummedMetric(squad.squad_statistics, squad.squad_scores),
        main="f1",
        signatures=squad.signatures,
        scores=dict.fromkeys(
            ("f1", "exact", *(f"{kind}_{name}" for kind in squad.KINDS for name in ("exact", "f1"))), _HIGHER
        ),
    ),
    MetricSpec(
        "multiple-choice",
        "the share of right choices",
        SummedMetric(numbers.choice_statistics, numbers.choice_scores),
        main="accuracy",
        scores={"accuracy": _HIGHER},
    ),
    MetricSpec(
        "parsing",
        "LAS, UAS and CLAS by the rules of CoNLL 2018, and right parts of speech",
        SummedMetric(trees.parsing_statistics, trees.parsing_scores),
        main="las",
        scores=dict.fromkeys(("las", "uas", "clas", "upos"), _HIGHER),
    ),
    MetricSpec(
        "regression",
        "Pearson's and Spearman's correlation; the mean absolute error, smaller being better",
        numbers.regression_scores,
        main="pearson",
        scores={"pearson": _HIGHER, "spearman": _HIGHER, "mae": "lower"},
    ),
    MetricSpec(
        "multi-label",
        "precision, recall and F1 of labels: micro, macro and each; rows wholly right",
        SummedMetric(numbers.label_set_statistics, numbers.label_set_scores),
        main="micro_f1",
        scores=dict.fromkeys(
            ("exact", *_THREE, *(f"{average}_{name}" for average in ("micro", "macro") for name in _THREE)), _HIGHER
        ),
    ),
    MetricSpec(
        "translation",
        "chrF++ and BLEU, by sacrebleu",
        SummedMetric(translation.translation_statistics, translation.translation_scores),
        main="chrf++",
        signatures=translation.signatures,
        scores=dict.fromkeys((translation.CHRF, translation.BLEU), _HIGHER),
    ),
)
