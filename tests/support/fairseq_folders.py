"""Folders as fairseq leaves them: a checkpoint, a dictionary, a model of SentencePiece or GPT-2's files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from fairseq_models import M2M, MBART, EncoderDecoder, Roberta, checkpoint_of, filled, settings

TEXTS = (
    "the quick brown fox jumps over the lazy dog by the river in the morning",
    "Panganan ing kene enak banget lan regane murah tenan, matur nuwun sanget",
    "Съешь ещё этих мягких французских булок, да выпей же чаю сегодня утром",
    "kai kuma ka san cewa wannan abinci yana da dadi sosai a nan gari",
    "हिन्दी में एक क्षत्रिय वाक्य है और यह बहुत सुन्दर है मेरे मित्र",
    "một câu tiếng Việt có nhiều dấu để thử mọi thứ ở đây hôm nay",
    "a good fine day and a sad cold day, great happy warm bright awful dark grim",
)
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
LANGUAGES = ("ar_AR", "en_XX", "id_ID")


@lru_cache
def subwords(kind: str = "unigram", size: int = 160, rule: str = "nmt_nfkc") -> bytes:
    """A small model of SentencePiece."""
    import sentencepiece

    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 4), model_writer=written, vocab_size=size, model_type=kind,
        normalization_rule_name=rule, character_coverage=0.98, hard_vocab_limit=False, minloglevel=2, num_threads=1,
    )  # fmt: skip
    return written.getvalue()


def pieces_of(model: bytes) -> list[str]:
    """What a dictionary of this model lists: all of its pieces but the three special ones."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(index) for index in range(3, processor.get_piece_size())]


def write_folder(
    folder: Path,
    checkpoint: dict[str, Any],
    symbols: Iterable[str],
    model: bytes | None = None,
    name: str = "model.pt",
) -> Path:
    """A folder with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, folder / name)
    (folder / "dict.txt").write_text("".join(f"{symbol} 1\n" for symbol in symbols), encoding="utf-8")
    if model is not None:
        (folder / "sentencepiece.bpe.model").write_bytes(model)
    return folder


def xlmr_folder(folder: Path, *, changes: dict[str, Any] | None = None, **options: Any) -> tuple[Path, Roberta]:
    """XLM-R in small: SentencePiece's unigrams, and a mask behind the dictionary."""
    model = subwords()
    symbols = pieces_of(model)
    roberta = filled(Roberta(settings(**(changes or {})), len(SPECIAL) + len(symbols) + 1))
    return write_folder(folder, checkpoint_of(roberta, **options), symbols, model), roberta


def mbart_folder(folder: Path, *, as_config: bool = True) -> tuple[Path, EncoderDecoder]:
    """mBART in small: languages in brackets and a mask behind the dictionary."""
    model = subwords()
    symbols = pieces_of(model)
    mbart = filled(EncoderDecoder(settings(**MBART), len(SPECIAL) + len(symbols) + len(LANGUAGES) + 1))
    task = {"langs": ",".join(LANGUAGES), "source_lang": "id_ID", "target_lang": "en_XX"}
    checkpoint = checkpoint_of(mbart, as_config=as_config, **task)
    return write_folder(folder, checkpoint, symbols, model, "checkpoint_best.pt"), mbart


def m2m_folder(
    folder: Path, languages: Sequence[str] = ("af", "en", "id"), kind: str = "unigram"
) -> tuple[Path, EncoderDecoder]:
    """M2M-100 and NLLB in small: positions that are computed, languages behind the dictionary, listed in a file."""
    model = subwords(kind)
    symbols = [*pieces_of(model), "madeupword0000", "madeupword0001"]
    m2m = filled(EncoderDecoder(settings(**M2M), len(SPECIAL) + len(symbols) + len(languages)))
    write_folder(folder, checkpoint_of(m2m, as_config=False, source_lang=languages[-1]), symbols, model)
    (folder / "lang_dict.txt").write_text("\n".join(languages) + "\n", encoding="utf-8")
    return folder, m2m


def gpt2_folder(folder: Path) -> tuple[Path, Roberta, Any]:
    """RoBERTa in small: GPT-2's files, whose numbers are the dictionary's symbols in another order."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    reference = Tokenizer(models.BPE())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    reference.train_from_iterator(TEXTS, trainer)
    content = json.loads(reference.to_str())["model"]
    symbols = [str(number) for number in sorted(content["vocab"].values(), key=lambda number: (number * 7) % 341)]
    symbols += ["madeupword0000"]
    roberta = filled(Roberta(settings(), len(SPECIAL) + len(symbols) + 1))
    write_folder(folder, checkpoint_of(roberta, as_config=False), symbols)
    (folder / "encoder.json").write_text(json.dumps(content["vocab"]), encoding="utf-8")
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in content["merges"]]
    (folder / "vocab.bpe").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return folder, roberta, reference
