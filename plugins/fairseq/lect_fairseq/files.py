"""Which files of a folder are fairseq's: the checkpoint, the dictionary, and what cuts texts into subwords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lect import BackboneError

_CHECKPOINTS = ("model.pt", "checkpoint_best.pt", "checkpoint_last.pt")
_DICTIONARIES = ("dict.txt", "dictionary.txt")
_SUBWORDS = ("sentencepiece.bpe.model", "sentence.bpe.model", "spm.model")
_LANGUAGES = ("langs.txt", "lang_dict.txt", "ML50_langs.txt")
_SHARD = re.compile(r"(?P<stem>.+)-shard(?P<index>\d+)")
GPT2 = ("encoder.json", "vocab.bpe")


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of one model.

    Args:
        checkpoint: its parts in order; one, where it is whole.
        sentencepiece: SentencePiece's model, or None where `gpt2` are there.
        gpt2: GPT-2's table of tokens and its merges.
        languages: the file that lists languages in the order of their tokens, if there is one.
    """

    checkpoint: tuple[Path, ...]
    dictionary: Path
    sentencepiece: Path | None
    gpt2: tuple[Path, Path] | None
    languages: Path | None


def files_of(folder: Path) -> Sequence[Path]:
    """The files that a model is made of; none where the folder has no checkpoint of fairseq."""
    checkpoint = _checkpoint(folder)
    if not checkpoint:
        return ()
    found = [*checkpoint, _dictionary(folder), _sentencepiece(folder), _languages(folder)]
    found += [folder / name for name in GPT2 if (folder / name).is_file()]
    return [file for file in found if file is not None]


def find_files(folder: Path) -> CheckpointFiles:
    """The files of the model in a folder. Raises `BackboneError` where one is missing, or it is not clear which one."""
    checkpoint = _checkpoint(folder)
    if not checkpoint:
        raise BackboneError("it lacks model.pt", where=str(folder))
    dictionary = _dictionary(folder)
    if dictionary is None:
        raise BackboneError(
            "it lacks dict.txt, which says which token each embedding is of", where=str(folder), fix="put it there"
        )
    sentencepiece = _sentencepiece(folder)
    gpt2 = [folder / name for name in GPT2]
    if sentencepiece is None and not all(file.is_file() for file in gpt2):
        missing = next((file.name for file in gpt2 if not file.is_file()), "")
        if any(file.is_file() for file in gpt2):
            raise BackboneError(f"it lacks {missing}", where=str(folder), fix="put it there")
        raise BackboneError(
            "it has nothing that cuts texts into tokens",
            where=str(folder),
            fix="put sentencepiece.bpe.model there, or encoder.json and vocab.bpe",
        )
    return CheckpointFiles(
        checkpoint,
        dictionary,
        sentencepiece,
        (gpt2[0], gpt2[1]) if sentencepiece is None else None,
        _languages(folder),
    )


def _checkpoint(folder: Path) -> tuple[Path, ...]:
    named = [file for name in _CHECKPOINTS if (file := folder / name).is_file()]
    if named:
        return (named[0],)
    for name in _CHECKPOINTS:
        if shards := _shards(folder, name.removesuffix(".pt")):
            return shards
    alone = sorted(folder.glob("*.pt"))
    # Any program may have written a .pt; beside a dictionary it is fairseq's.
    return (alone[0],) if len(alone) == 1 and _dictionary(folder) is not None else ()


def _shards(folder: Path, stem: str) -> tuple[Path, ...]:
    found = {}
    for file in folder.glob(f"{stem}-shard*.pt"):
        if (matched := _SHARD.fullmatch(file.stem)) and matched["stem"] == stem:
            found[int(matched["index"])] = file
    return tuple(found[index] for index in sorted(found))


def _dictionary(folder: Path) -> Path | None:
    named = next((file for name in _DICTIONARIES if (file := folder / name).is_file()), None)
    if named is not None:
        return named
    # One for each language, all of them the same: multilingual models share one.
    others = sorted([*folder.glob("dict.*.txt"), *folder.glob("model_dict*.txt"), *folder.glob("dictionary*.txt")])
    return others[0] if others and len({file.read_bytes() for file in others}) == 1 else None


def _sentencepiece(folder: Path) -> Path | None:
    named = next((file for name in _SUBWORDS if (file := folder / name).is_file()), None)
    others = sorted(folder.glob("*.model"))
    return named or (others[0] if len(others) == 1 else None)


def _languages(folder: Path) -> Path | None:
    return next((file for name in _LANGUAGES if (file := folder / name).is_file()), None)
