"""Registers the heads, their metrics, and the readers of their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lect import HeadSpec, MetricSpec, ReaderSpec, hookimpl

if TYPE_CHECKING:
    from lect import Backbone, Example, Head

# Builders import what they need: specs are made whenever lect looks for plugins.


def _classification(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.pooled import ClassificationHead

    return ClassificationHead(config, backbone, labels)


def _multi_label(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.pooled import MultiLabelHead

    return MultiLabelHead(config, backbone, labels)


def _regression(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.pooled import RegressionHead

    return RegressionHead(config, backbone, labels)


def _tagging(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.tagging import EntityHead

    return EntityHead(config, backbone, labels)


def _pos(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.tagging import WordHead

    return WordHead(config, backbone, labels)


def _question_answering(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.answering import QuestionAnsweringHead

    return QuestionAnsweringHead(config, backbone, labels)


def _choice(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.choice import ChoiceHead

    return ChoiceHead(config, backbone, labels)


def _retrieval(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.retrieval import RetrievalHead

    return RetrievalHead(config, backbone)


def _parsing(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.parsing import ParsingHead

    return ParsingHead(config, backbone, labels)


def _translation(config: Any, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.translation import TranslationHead

    return TranslationHead(config, backbone, labels)


def _label_sets(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    from lect_heads.pooled import labels_of

    return sorted({label for example in examples for label in labels_of(example, config.separator)})


def _entity_tags(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    from lect_heads.tagging import entity_labels

    return entity_labels(examples, config.scheme)


def _word_tags(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    from lect_heads.tagging import tags_of

    return sorted({tag for example in examples for tag in tags_of(example)})


def _numbers(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    from lect_heads.pooled import value_of

    for example in examples:
        value_of(example)
    return ()


def _none(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    return ()


def _tree_labels(config: Any, examples: Sequence[Example]) -> Sequence[str]:
    from lect_heads.parsing import tree_labels

    return tree_labels(examples, config.tags)


@hookimpl
def lect_register_heads() -> Iterable[HeadSpec]:
    """Answers about a text or pair of texts, about each of its words, about a stretch of it, about several texts."""
    from lect_heads import configs

    return (
        HeadSpec(
            name="classification",
            summary="one label a text or pair of texts: sentiment, topic, inference",
            config=configs.ClassificationConfig,
            build=_classification,
            metrics=("classification",),
            pipeline_tag="text-classification",
        ),
        HeadSpec(
            name="multi-label",
            summary="any number of labels a text or pair of texts",
            config=configs.MultiLabelConfig,
            build=_multi_label,
            metrics=("multi-label",),
            needs=(),
            labels=_label_sets,
            pipeline_tag="text-classification",
        ),
        HeadSpec(
            name="regression",
            summary="a number for a text or pair of texts: similarity, strength",
            config=configs.RegressionConfig,
            build=_regression,
            metrics=("regression",),
            needs=(),
            labels=_numbers,
            pipeline_tag="text-classification",
        ),
        HeadSpec(
            name="tagging",
            summary="entities in a text: a tag a word, in BIO or a kindred scheme",
            config=configs.TaggingConfig,
            build=_tagging,
            metrics=("tagging", "tagging-tokens"),
            needs=("words", "tags"),
            labels=_entity_tags,
            pipeline_tag="token-classification",
            use="tagging",
        ),
        HeadSpec(
            name="pos",
            summary="one tag a word: parts of speech",
            config=configs.PosConfig,
            build=_pos,
            metrics=("token",),
            needs=("words", "tags"),
            labels=_word_tags,
            pipeline_tag="token-classification",
            use="tagging",
        ),
        HeadSpec(
            name="qa",
            summary="the stretch of a context that answers a question, or none",
            config=configs.QuestionAnsweringConfig,
            build=_question_answering,
            metrics=("squad",),
            needs=("question", "answers"),
            labels=_none,
            pipeline_tag="question-answering",
            use="tagging",
        ),
        HeadSpec(
            name="multiple-choice",
            summary="the best of several texts that go with one",
            config=configs.ChoiceConfig,
            build=_choice,
            metrics=("multiple-choice",),
            needs=("choices", "label"),
            labels=_none,
            pipeline_tag="multiple-choice",
        ),
        HeadSpec(
            name="retrieval",
            summary="a vector a text: search, matching, mining",
            config=configs.RetrievalConfig,
            build=_retrieval,
            metrics=("ranking",),
            needs=("text_pair",),
            labels=_none,
            pipeline_tag="sentence-similarity",
            use="retrieval",
        ),
        HeadSpec(
            name="parsing",
            summary="a dependency tree, with parts of speech",
            config=configs.ParsingConfig,
            build=_parsing,
            metrics=("parsing",),
            needs=("words", "heads", "relations"),
            labels=_tree_labels,
            pipeline_tag="token-classification",
            use="tagging",
        ),
        HeadSpec(
            name="translation",
            summary="the text in another language, written by a decoder or an encoder-decoder",
            config=configs.TranslationConfig,
            build=_translation,
            metrics=("translation",),
            needs=("translation",),
            labels=_none,
            use=None,
            generates=True,
            pipeline_tag="translation",
        ),
    )


@hookimpl
def lect_register_metrics() -> Iterable[MetricSpec]:
    """Scores of those answers."""
    from lect_heads.metrics.specs import METRICS

    return METRICS


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """Columns of words and tags, treebanks, questions on contexts, choices."""
    from lect_heads.readers.specs import READERS

    return READERS
