"""What lies beside an ONNX graph: the configuration that other libraries read, and a card that says how it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lect.engine.open import OpenStack

FILE = "model.onnx"
_CLASSES = {
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}
_PROBLEMS = {
    "classification": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
"""By a head's kind, what `transformers` calls the problem."""


def folder_config(opened: OpenStack, task: str, tokenizer: Mapping[str, Any]) -> dict[str, Any]:
    """The ``config.json``: the backbone's own, the head's labels, and in its table ``lect`` what the stack is.

    Args:
        task: what the hub calls the head's task.
        tokenizer: the stack's whole one, as JSON.
    """
    backbone, head = opened.backbone, opened.head
    config: dict[str, Any] = backbone.model.config.to_diff_dict()
    name = type(backbone.model).__name__.removesuffix("Model").removesuffix("Encoder")
    config["architectures"] = [f"{name}{_CLASSES.get(task, 'Model')}"]
    config["model_type"] = backbone.model.config.model_type
    config["vocab_size"] = max(_ids_of(tokenizer)) + 1
    own: dict[str, Any] = {
        "stack": str(opened.stack),
        "components": {each.manifest.key: each.manifest.version for each in opened.stored},
        "backbone": backbone.identity,
        "prefix": backbone.prefix,
        "max_length": backbone.max_length,
    }
    if head is None:
        own["pooling"] = backbone.pooling
    else:
        stated = next(each.manifest.head for each in opened.stored if each.manifest.head is not None)
        own["head"] = {"kind": stated.kind, **stated.config}
        if head.labels:
            config["id2label"] = dict(enumerate(head.labels))
            config["label2id"] = {label: index for index, label in enumerate(head.labels)}
        elif stated.kind == "regression":
            config["num_labels"] = 1
        if stated.kind in _PROBLEMS:
            config["problem_type"] = _PROBLEMS[stated.kind]
    config["lect"] = own
    return config


def folder_card(opened: OpenStack, task: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The ``README.md``, with a program that uses the folder through `tokenizers` and `onnxruntime` alone."""
    backbone = opened.backbone
    lines = [
        f"# {opened.stack or backbone.name}",
        "",
        f"The stack `{opened.stack or 'without components'}` of lect on `{backbone.identity}`, as one ONNX graph.",
        "",
        *(f"- `{each.manifest.key}` {each.manifest.version}: {each.manifest.licence or 'no licence is stated'}"
          for each in opened.stored),
        f"- `{backbone.identity}`: {backbone.licence or 'see there for its licence'}",
        "",
        f"It takes {', '.join(f'`{name}`' for name in inputs)} (rows × tokens, int64; any number of rows, up to "
        f"{backbone.max_length} tokens) and gives {', '.join(f'`{name}`' for name in outputs)} (float32). "
        f"`tokenizer.json` cuts and pads texts as it needs them"
        + (f', each with "{backbone.prefix}" in front.' if backbone.prefix else "."),
        "",
        "```python",
        *_program(opened, task),
        "```",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _program(opened: OpenStack, task: str) -> list[str]:
    prefix = opened.backbone.prefix
    text = f"{json.dumps(prefix)} + text" if prefix else "text"
    labels = opened.head is not None and bool(opened.head.labels)
    pairs = task == "question-answering"
    given = '[("Who came?", "Ada came.")]' if pairs else '["a text", "another"]'
    return [
        *(["import json", ""] if labels else []),
        "import numpy as np",
        "import onnxruntime",
        "from tokenizers import Tokenizer",
        "",
        f'session = onnxruntime.InferenceSession("{FILE}")',
        'tokenizer = Tokenizer.from_file("tokenizer.json")',
        *(['labels = json.load(open("config.json", encoding="utf-8"))["id2label"]'] if labels else []),
        f"texts = {given}",
        f"rows = tokenizer.encode_batch([{text} for text in texts])" if not pairs
        else "rows = tokenizer.encode_batch(texts)",
        "given = {",
        '    "input_ids": [row.ids for row in rows],',
        '    "attention_mask": [row.attention_mask for row in rows],',
        '    "token_type_ids": [row.type_ids for row in rows],',
        "}",
        "given = {each.name: np.array(given[each.name], dtype=np.int64) for each in session.get_inputs()}",
        *_reading(opened, task, labels),
    ]  # fmt: skip


def _reading(opened: OpenStack, task: str, labels: bool) -> list[str]:
    """The lines that make answers of outputs."""
    run = "session.run(None, given)"
    if opened.head is None:
        return [f"states, vectors = {run}", "print(vectors.shape)"]
    if opened.head.embeds:
        return [f"(vectors,) = {run}", "print(vectors.shape)"]
    if task == "question-answering":
        return [f"starts, ends = {run}", "print(starts.argmax(-1), ends.argmax(-1))  # tokens of the answer"]
    if not labels:
        return [f"(logits,) = {run}", "print(logits.squeeze(-1))"]
    if task == "token-classification":
        return [
            f"(logits,) = {run}",
            "for row, best in zip(rows, logits.argmax(-1), strict=True):",
            "    print([(token, labels[str(index)]) for token, index in zip(row.tokens, best, strict=True)])",
        ]
    if opened.head_kind == "multi-label":
        return [
            f"(logits,) = {run}",
            "print([[labels[str(index)] for index in np.flatnonzero(row > 0)] for row in logits])",
        ]
    return [f"(logits,) = {run}", "print([labels[str(index)] for index in logits.argmax(-1)])"]


def _ids_of(tokenizer: Mapping[str, Any]) -> list[int]:
    vocabulary = tokenizer["model"].get("vocab", ())
    own = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    return [*own, *(entry["id"] for entry in tokenizer.get("added_tokens", ()))]
