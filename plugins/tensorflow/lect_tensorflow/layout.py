"""Which files of a folder are a model of TensorFlow's."""

from __future__ import annotations

import re
from pathlib import Path

from lect import BackboneError

SETTINGS = "tensorflow_text.json"
CONFIGS = ("bert_config.json", "albert_config.json", "config.json")
_BESIDE = (SETTINGS, "tokenizer_config.json", "checkpoint", *CONFIGS)


def find_files(folder: Path) -> list[Path]:
    """The files that a model in this folder is made of; none where it holds no model of TensorFlow's."""
    graph = folder / "saved_model.pb"
    if graph.is_file():
        weights = [graph, *sorted((folder / "variables").glob("variables.*"))]
    else:
        weights = [*_checkpoints(folder), *sorted(folder.glob("*.data-?????-of-?????")), *_keras_files(folder)]
        if not any(file.suffix in (".index", ".h5", ".keras") for file in weights):
            return []
    beside = [folder / name for name in _BESIDE if (folder / name).is_file()]
    return [*weights, *beside, *vocabularies(folder)]


def vocabularies(folder: Path) -> list[Path]:
    """The files of tokens: lists of word pieces, and models of SentencePiece."""
    places = (folder, folder / "assets")
    lists = [file for place in places for file in sorted(place.glob("*vocab*.txt"))]
    return lists + [file for place in places for file in sorted(place.glob("*.model"))]


def find_weights(folder: Path) -> Path:
    """The index of a checkpoint, or a Keras file.

    Raises:
        BackboneError: there is none, or there are several and nothing says which.
    """
    if (folder / "saved_model.pb").is_file():
        index = folder / "variables" / "variables.index"
        if not index.is_file():
            raise BackboneError("the SavedModel has no variables", where=str(index), fix="copy the whole folder")
        return index
    found = [*_checkpoints(folder), *_keras_files(folder)]
    if len(found) == 1:
        return found[0]
    named = _latest(folder)
    chosen = [file for file in found if file.name == f"{named}.index"]
    if not chosen:
        names = ", ".join(file.name for file in found)
        raise BackboneError(
            f"it holds several models ({names})", where=str(folder), fix="leave one of them in the folder"
        )
    return chosen[0]


def _checkpoints(folder: Path) -> list[Path]:
    """Indices, also of checkpoints whose data are lacking, if they are called so."""
    return [
        file
        for file in sorted(folder.glob("*.index"))
        if "ckpt" in file.name or any(folder.glob(f"{file.stem}.data-*"))
    ]


def _keras_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.h5"), *folder.glob("*.keras")])


def _latest(folder: Path) -> str | None:
    """The checkpoint that ``checkpoint`` says is the last one."""
    try:
        text = (folder / "checkpoint").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r'^model_checkpoint_path: "([^"]*)"', text, re.MULTILINE)
    return Path(found[1]).name if found else None
