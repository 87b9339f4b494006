"""The heads of models of `transformers` in AdapterHub folders, as the heads that `adapters` makes of them.

The table follows ``STATIC_TO_FLEX_HEAD_MAP`` of adapters 1.3.0 (adapters/head_utils.py), for families that lect knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_Head = tuple[Mapping[str, Any], Mapping[str, int]]
"""The configuration of a head of `adapters`, and the model's layers → their places in the sequence that it is."""

_POOLED: _Head = ({"layers": 1, "activation_function": None, "use_pooler": True}, {"classifier": 1})
_ONE_LAYER: _Head = ({"layers": 1, "activation_function": None}, {"classifier": 1})
_SCORE: _Head = ({"layers": 1, "activation_function": None, "bias": False}, {"score": 1})
_ANSWERS: _Head = ({"layers": 1, "activation_function": None}, {"qa_outputs": 1})


def _two_layers(hidden: str, output: str, activation: str) -> _Head:
    return {"layers": 2, "activation_function": activation, "use_pooler": False}, {hidden: 1, output: 4}


_ROBERTA = _two_layers("classifier.dense", "classifier.out_proj", "tanh")
_DISTILBERT = _two_layers("pre_classifier", "classifier", "relu")
_DEBERTA = _two_layers("pooler.dense", "classifier", "gelu")
_BART = _two_layers("classification_head.dense", "classification_head.out_proj", "tanh")
_LLAMA: _Head = ({**_SCORE[0], "dropout_prob": 0}, _SCORE[1])
_WITH_SCORE: _Head = (_ONE_LAYER[0], {"score": 1})

_HEADS: Mapping[str, Mapping[str, _Head]] = {
    "ForSequenceClassification": {
        "Bert": _POOLED,
        "Deberta": _DEBERTA,
        "DebertaV2": _DEBERTA,
        "DistilBert": _DISTILBERT,
        "Electra": _two_layers("classifier.dense", "classifier.out_proj", "gelu"),
        "GPT2": _SCORE,
        "Llama": _LLAMA,
        "MBart": _BART,
        "MT5": _BART,
        "Mistral": _LLAMA,
        "Roberta": _ROBERTA,
        "T5": _BART,
        "XLMRoberta": _ROBERTA,
    },
    "ForMultipleChoice": {
        "Bert": _POOLED,
        "DebertaV2": _DEBERTA,
        "DistilBert": _DISTILBERT,
        "Electra": _two_layers("sequence_summary.summary", "classifier", "gelu"),
        "Roberta": _POOLED,
        "XLMRoberta": _POOLED,
    },
    "ForTokenClassification": {
        **dict.fromkeys(
            ("Bert", "Deberta", "DebertaV2", "DistilBert", "Electra", "GPT2", "Roberta", "XLMRoberta"), _ONE_LAYER
        ),
        **dict.fromkeys(("Llama", "Mistral"), _WITH_SCORE),
    },
    "ForQuestionAnswering": dict.fromkeys(
        ("Bert", "Deberta", "DebertaV2", "DistilBert", "Electra", "GPT2", "Llama", "MBart", "MT5", "Mistral", "Roberta",
         "T5", "XLMRoberta"), _ANSWERS
    ),
}  # fmt: skip
"""The end of a class's name → its beginning → its head."""
_TYPES = {
    "ForSequenceClassification": "classification",
    "ForMultipleChoice": "multiple_choice",
    "ForTokenClassification": "tagging",
    "ForQuestionAnswering": "question_answering",
}
#: Heads that predict tokens, which no head of ours is: what they are is enough.
_OF_TOKENS = {
    "ForMaskedLM": "masked_lm",
    "ForCausalLM": "causal_lm",
    "LMHeadModel": "causal_lm",
    "ForConditionalGeneration": "seq2seq_lm",
}


def head_of_class(model_class: str, label2id: Any, num_labels: Any) -> _Head | None:
    """The head that `adapters` makes of this class's own, and its layers' places; None for a class not known."""
    for ending, head_type in _OF_TOKENS.items():
        if model_class.endswith(ending):
            return {"head_type": head_type}, {}
    for ending, by_family in _HEADS.items():
        head = by_family.get(model_class.removesuffix(ending)) if model_class.endswith(ending) else None
        if head is not None:
            config, places = head
            # As adapters does where a folder names no labels.
            labels = {"LABEL_0": 0, "LABEL_1": 1} if label2id is None else label2id
            outputs = "num_choices" if ending == "ForMultipleChoice" else "num_labels"
            return {
                **config,
                "head_type": _TYPES[ending],
                outputs: num_labels or len(labels),
                "label2id": labels,
            }, places
    return None
