"""A folder of TensorFlow's as one that `transformers` loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lect import BackboneError, Progress
from lect_tensorflow.encoder import Encoder, encoder_config
from lect_tensorflow.layout import CONFIGS, find_weights
from lect_tensorflow.tokenizer import build_tokenizer
from lect_tensorflow.variables import Variables, open_variables

_GELU, _GELU_BY_TANH = "gelu", "gelu_pytorch_tanh"


def convert(folder: Path, target: Path, progress: Progress) -> list[str]:
    """Write ``config.json``, ``model.safetensors`` and the tokenizer's files.

    Returns:
        A line for each kind of variables that was left out.

    Raises:
        BackboneError: what lies in the folder cannot be read, or is no encoder like BERT.
    """
    from safetensors.numpy import save_file

    doing = f"converting {folder.name}"
    progress(doing, 0.0)
    with open_variables(find_weights(folder)) as variables:
        encoder = Encoder(variables)
        stated, where = _stated(folder)
        config = encoder_config(encoder.shape, stated, _activation(folder, variables), where)
        tokenizer, beside = build_tokenizer(folder, variables, encoder.shape)
        tensors = encoder.tensors(config["num_hidden_layers"], lambda share: progress(doing, 0.8 * share))
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    for name, content in {"config.json": config, "tokenizer_config.json": beside}.items():
        (target / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    progress(doing, 1.0)
    return encoder.left_out


def _stated(folder: Path) -> tuple[Mapping[str, Any], str]:
    """The configuration that lies beside the variables, and where."""
    for name in CONFIGS:
        path = folder / name
        if path.is_file():
            try:
                stated = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise BackboneError(f"it cannot be read ({error})", where=str(path)) from error
            if not isinstance(stated, dict):
                raise BackboneError("it holds no settings", where=str(path))
            if stated.get("model_type", "bert") not in ("bert", "albert"):
                raise BackboneError(
                    f'models of type "{stated["model_type"]}" are not read from TensorFlow\'s files', where=str(path)
                )
            return stated, str(path)
    return {}, str(folder)


def _activation(folder: Path, variables: Variables) -> str | None:
    """What the layers compute with, by the graph of a SavedModel or the configuration of a Keras model.

    The graph is looked at and not run: gelu without an approximation is made of the error function.
    """
    if variables.keras.get("norm_first"):
        raise BackboneError("its layers normalise before they attend, which BERT does not", where=str(variables.path))
    graph = folder / "saved_model.pb"
    if graph.is_file():
        operations = graph.read_bytes()
        if any(_has(operations, name) for name in ("Erf", "Erfc")):
            return _GELU
        return "relu" if _has(operations, "Relu") else _GELU_BY_TANH
    # Keras's own gelu is not the approximation; a lambda may be any function.
    return {"gelu": _GELU, "relu": "relu"}.get(str(variables.keras.get("inner_activation")))


def _has(graph: bytes, operation: str) -> bool:
    """Whether a node is this operation: field 2 of a `NodeDef`."""
    return b"\x12" + bytes([len(operation)]) + operation.encode() in graph
