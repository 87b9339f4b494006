"""The metrics, as they are registered."""

from __future__ import annotations

from lect import MetricSpec, SummedMetric
from lect_heads.metrics import numbers, sequences, squad, translation, trees

METRICS = (
    MetricSpec(
        "tagging",
        "precision, recall and F1 of whole entities: micro, macro and per type",
        SummedMetric(sequences.entity_statistics, sequences.entity_scores),
        main="f1",
    ),
    MetricSpec(
        "token",
        "the share of words with the right tag, and F1 of each tag",
        SummedMetric(sequences.word_statistics, sequences.word_scores),
        main="accuracy",
    ),
    MetricSpec(
        "squad",
        "F1 over words and exact match of answers, by SQuAD's rules",
        SummedMetric(squad.squad_statistics, squad.squad_scores),
        main="f1",
    ),
    MetricSpec(
        "multiple-choice",
        "the share of right choices",
        SummedMetric(numbers.choice_statistics, numbers.choice_scores),
        main="accuracy",
    ),
    MetricSpec(
        "parsing",
        "LAS, UAS and CLAS by the rules of CoNLL 2018, and right parts of speech",
        SummedMetric(trees.parsing_statistics, trees.parsing_scores),
        main="las",
    ),
    MetricSpec(
        "regression",
        "Pearson's and Spearman's correlation; the mean absolute error, smaller being better",
        numbers.regression_scores,
        main="pearson",
    ),
    MetricSpec(
        "multi-label",
        "precision, recall and F1 of labels: micro, macro and each; rows wholly right",
        SummedMetric(numbers.label_set_statistics, numbers.label_set_scores),
        main="micro_f1",
    ),
    MetricSpec(
        "translation",
        "chrF++ and BLEU, by sacrebleu",
        SummedMetric(translation.translation_statistics, translation.translation_scores),
        main="chrf++",
        signatures=translation.signatures,
    ),
)
