"""Writes tests/golden/fairseq: checkpoints and prepared data by fairseq itself, and what its modules compute.

fairseq does not install beside lect. In an environment of its own, with torch, sentencepiece, cython, hydra-core,
omegaconf, sacrebleu, bitarray and the source distribution of a fairseq that runs on Python 3.11: fairseq-fixed 0.12.3.1
of PyPI, unpacked, with ``np.compat.long`` read as ``np.int64``, after ``python setup.py build_ext --inplace``.

    PYTHONPATH=path/to/fairseq_fixed-0.12.3.1 python tests/golden/make_fairseq.py tests/golden/fairseq

It takes a minute. The checkpoints are those of fairseq-train after one step on a few lines, without the optimiser's
state (--no-save-optimizer-state); the data are those of fairseq-preprocess.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import sentencepiece
import torch
from fairseq import checkpoint_utils

LINES = {
    "en": ["a good fine day", "the quick brown fox jumps", "cold and dark night", "happy warm bright morning"],
    "id": ["hari yang baik", "rubah cokelat cepat melompat", "malam dingin dan gelap", "pagi cerah dan hangat"],
}
SMALL = [
    "--optimizer", "adam", "--lr", "0.01", "--max-update", "1", "--cpu", "--no-save-optimizer-state", "--seed", "3",
    "--dataset-impl", "mmap", "--no-epoch-checkpoints", "--disable-validation",
    "--dropout", "0.1", "--num-workers", "0", "--no-progress-bar",
]  # fmt: skip
ENCODER = [
    "--encoder-layers", "1", "--encoder-embed-dim", "8", "--encoder-ffn-embed-dim", "12",
    "--encoder-attention-heads", "4",
]  # fmt: skip
HALVES = [
    *ENCODER, "--decoder-layers", "1", "--decoder-embed-dim", "8", "--decoder-ffn-embed-dim", "12",
    "--decoder-attention-heads", "2", "--encoder-normalize-before", "--decoder-normalize-before",
    "--share-all-embeddings", "--max-source-positions", "40", "--max-target-positions", "40",
]  # fmt: skip
MODELS = {
    "xlmr": (
        "mono", ["--task", "multilingual_masked_lm", "--criterion", "masked_lm", "--arch", "roberta_base",
                 "--tokens-per-sample", "40", "--batch-size", "2", "--sample-break-mode", "eos", *ENCODER],
    ),
    "xlmr-xl": (
        "mono", ["--task", "multilingual_masked_lm", "--criterion", "masked_lm", "--arch", "roberta_prenorm",
                 "--tokens-per-sample", "40", "--batch-size", "2", "--sample-break-mode", "eos", *ENCODER],
    ),
    "mbart": (
        "pairs", ["--task", "translation_multi_simple_epoch", "--langs", "ar,en,id", "--lang-pairs", "id-en",
                  "--encoder-langtok", "src", "--decoder-langtok", "--lang-tok-style", "mbart", "--criterion",
                  "cross_entropy", "--arch", "mbart_large", "--batch-size", "2", "--sampling-method", "temperature",
                  "--layernorm-embedding", "--encoder-learned-pos", "--decoder-learned-pos", *HALVES],
    ),
    "m2m": (
        "pairs", ["--task", "translation_multi_simple_epoch", "--langs", "af,en,id", "--lang-pairs", "id-en",
                  "--encoder-langtok", "src", "--decoder-langtok", "--criterion", "cross_entropy", "--arch",
                  "transformer_wmt_en_de_big", "--batch-size", "2", "--sampling-method", "temperature", *HALVES],
    ),
}  # fmt: skip
PAD = 1


def run(*arguments: object) -> None:
    module, *rest = map(str, arguments)
    subprocess.run([sys.executable, "-m", f"fairseq_cli.{module}", *rest], check=True)


def prepare(work: Path) -> None:
    (work / "raw").mkdir(parents=True)
    lines = [line for own in LINES.values() for line in own]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 4), model_prefix=str(work / "spm"), vocab_size=70, model_type="unigram",
        normalization_rule_name="identity", hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=str(work / "spm.model"))
    pieces = [processor.id_to_piece(index) for index in range(3, processor.get_piece_size())]
    (work / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    for language, own in LINES.items():
        cut = [" ".join(processor.encode(line, out_type=str)) for line in own]
        (work / f"raw/train.{language}").write_text("\n".join(cut) + "\n", encoding="utf-8")
    common = ["--srcdict", work / "dict.txt", "--workers", "1", "--dataset-impl", "mmap"]
    pairs = ["-s", "id", "-t", "en", "--tgtdict", work / "dict.txt"]
    run("preprocess", *pairs, "--trainpref", work / "raw/train", "--destdir", work / "pairs", *common)
    for language in LINES:
        run("preprocess", "--only-source", "--trainpref", work / f"raw/train.{language}",
            "--destdir", work / f"mono/{language}", *common)  # fmt: skip
    shutil.copy(work / "dict.txt", work / "mono/dict.txt")


def compute(name: str, file: Path) -> dict[str, object]:
    """What fairseq's own modules give for padded rows of tokens."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        models, _ = checkpoint_utils.load_model_ensemble([str(file)])
    model = models[0].eval()
    generator = torch.Generator().manual_seed(1)
    count = (
        model.encoder.sentence_encoder.embed_tokens.num_embeddings
        if name.startswith("xlmr")
        else (model.encoder.embed_tokens.num_embeddings)
    )
    tokens = torch.randint(4, count, (2, 7), generator=generator)
    tokens[1, 4:] = PAD
    found: dict[str, object] = {"tokens": tokens.tolist()}
    with torch.no_grad():
        if name.startswith("xlmr"):
            found["states"] = model(tokens, features_only=True)[0].tolist()
            return found
        target = torch.randint(4, count, (2, 5), generator=generator)
        target[0, 4:] = PAD
        read = model.encoder(tokens)
        found["target"] = target.tolist()
        found["states"] = read["encoder_out"][0].transpose(0, 1).tolist()
        found["decoder_states"] = model.decoder(target, encoder_out=read, features_only=True)[0].tolist()
    return found


def main(target: Path) -> None:
    work = target.with_name("fairseq-work")
    shutil.rmtree(work, ignore_errors=True)
    prepare(work)
    shutil.rmtree(target, ignore_errors=True)
    for name, (data, options) in MODELS.items():
        folder = target / name
        folder.mkdir(parents=True)
        run("train", work / data, "--save-dir", work / name, *SMALL, *options)
        checkpoint = next(iter(sorted((work / name).glob("checkpoint*.pt"))))
        shutil.copy(checkpoint, folder / "model.pt")
        shutil.copy(work / "dict.txt", folder / "dict.txt")
        shutil.copy(work / "spm.model", folder / "sentencepiece.bpe.model")
        text = json.dumps(compute(name, folder / "model.pt"))
        (folder / "expected.json").write_text(text + "\n", encoding="utf-8")
    (target / "data").mkdir()
    for file in sorted((work / "pairs").glob("*")):
        if file.suffix in (".bin", ".idx") or file.name.startswith("dict."):
            shutil.copy(file, target / "data" / file.name)
    (target / "data/lines.json").write_text(json.dumps(LINES) + "\n", encoding="utf-8")
    shutil.rmtree(work)
    files = sorted(file for file in target.rglob("*") if file.is_file())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(target)}\n" for file in files]
    (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
