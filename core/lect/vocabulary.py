"""Tokens that a backbone lacks: learned from a language's text; how a text is cut without them and with them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.api.rows import Rows, examples_of
from lect.data.lines import read_lines, without_end
from lect.data.tokenization import TextReport, report_on
from lect.errors import DataError
from lect.files import write_aside
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.host.reading import read_source, source_of
from lect.specs import TokenLearnerSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from lect.backbones import Backbone

_TABLES = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """Tokens that a text has and a backbone lacks.

    Args:
        backbone: the name of the one that they are for.
        tokens: as its tokenizer writes them, in the order of their ids.
        listed: what a component's part takes from a file, see `save`.
        tokenizer_json: the backbone's tokenizer with them, as the ``tokenizer.json`` of transformers.
        before, after: how the held-out text is cut without them and with them.
        seconds: what learning took.
    """

    backbone: str
    tokens: tuple[str, ...]
    listed: str
    tokenizer_json: str
    before: TextReport
    after: TextReport
    seconds: float

    def save(self, file: str | Path) -> None:
        """Write the list that a recipe takes: ``{"method": "vocabulary", "file": "nqo.json"}`` among its parts."""
        write_aside(Path(file), self.listed)

    def __repr__(self) -> str:
        before, after = self.before.whole, self.after.whole
        return (
            f"<{len(self.tokens):,} new tokens for {self.backbone}: tokens a word {before.pieces_per_word:.2f} → "
            f"{after.pieces_per_word:.2f}, unknown {before.unknown_share:.1%} → {after.unknown_share:.1%}>"
        )


def build(
    texts: Path | Sequence[Path] | Rows,
    file: str | Path | None = None,
    *,
    held_out: Path | Sequence[Path] | Rows | None = None,
    pieces: int = 4000,
    longest: int = 16,
    learner: str = "bpe",
    backbone: str = "e5-small",
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> Vocabulary:
    """Learn the tokens of a text that a backbone lacks; the same text gives the same tokens in every run.

    Args:
        texts: rows, of which the texts are taken, or files (`pathlib.Path`): plain text, one text a line, or tables.
        file: where the list is written that a recipe's part ``vocabulary`` takes.
        held_out: what is measured on and not learned from; by default the texts themselves.
        pieces: the most new tokens.
        longest: the most characters of one.
        learner: ``bpe``, or ``unigram`` for unigram tokenizers only.
        reader, options: of the files of `texts`, where they are no plain text.
        host: with the plugins to use; by default all that are installed.

    Raises:
        DataError: there is no text, or it has no token that the backbone lacks.
        BackboneError: the backbone's tokenizer cannot be extended.

    Example:
        >>> sentences = ["ߛߣߍ߬ ߞߎߘߊ", "ߛߣߍ߬ ߝߟߐ", "ߡߊ߲߬ߕߊ߬ ߞߎߘߊ"]
        >>> found = lect.vocabulary.build(sentences, "nqo.json", pieces=30)
        >>> found.before.whole.unknown_share > 0, found.after.whole.unknown_share
        (True, 0.0)
    """
    from tokenizers import Tokenizer

    host = host or Host.load()
    provided = host.provided(TokenLearnerSpec, learner)
    lines, name = texts_of(host, texts, reader, options)
    measured, about = (lines, name) if held_out is None else texts_of(host, held_out, None, None)
    loaded = load_backbone(backbone, host=host)
    started = time.perf_counter()
    with host.attributed(provided) as spec:
        learned = spec.learn(loaded, lines, pieces, longest)
    seconds = time.perf_counter() - started
    if not learned.tokens:
        raise DataError("has no piece that the backbone's tokenizer lacks", where=name)
    unknown = loaded.tokenizer.unk_token_id
    before, after = (
        report_on(f"{about}, {when}", measured, tokenizer, unknown)
        for when, tokenizer in (
            ("before", tokenizer_of(loaded)),
            ("after", Tokenizer.from_str(learned.tokenizer_json)),
        )
    )
    made = Vocabulary(loaded.name, learned.tokens, learned.listed, learned.tokenizer_json, before, after, seconds)
    if file is not None:
        made.save(file)
    return made


def report(
    texts: Path | Sequence[Path] | Rows,
    *,
    backbone: str = "e5-small",
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> TextReport:
    """How a backbone's tokenizer cuts a text: whether its language needs tokens of its own.

    Args:
        texts, reader, options, host: as `build` takes them.

    Raises:
        DataError: there is no text.

    Example:
        >>> lect.vocabulary.report(["ߛߣߍ߬ ߞߎߘߊ", "ߡߊ߲߬ߕߊ߬ ߞߎߘߊ"]).whole.unknown_share > 0.4
        True
    """
    host = host or Host.load()
    lines, name = texts_of(host, texts, reader, options)
    loaded = load_backbone(backbone, host=host)
    return report_on(name, lines, tokenizer_of(loaded), loaded.tokenizer.unk_token_id)


def texts_of(
    host: Host,
    given: Path | Sequence[Path] | Rows,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[list[str], str]:
    """The texts of files or rows, and what messages call them.

    Files go through a reader where one is named or a table is given, else line by line.

    Raises:
        DataError: a file cannot be read, is no text, or all of them are empty.
    """
    files = [given] if isinstance(given, Path) else given
    if not (isinstance(files, list | tuple) and files and all(isinstance(each, Path) for each in files)):
        texts = [example.text for example in examples_of(given)]  # type: ignore[arg-type]
        if not texts:
            raise DataError("no texts are given", fix='give some, such as ["a text"]')
        return texts, "rows"
    texts = []
    for file in files:
        if reader is not None or options or file.suffix.lower() in _TABLES:
            source = source_of(host, str(file), reader, dict(options or {}))
            texts += [example.text for example in read_source(host, source, Path(), str(file)).examples]
            continue
        texts += [without_end(line) for _, line in read_lines(file, str(file)) if line.strip()]
    # Corpora lie in folders that say more than their files' names.
    name = "/".join(files[0].parts[-2:]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    if not texts:
        raise DataError("holds no text", where=name, fix="name a file that does")
    return texts, name


def tokenizer_of(backbone: Backbone) -> Tokenizer:
    """A backbone's tokenizer, which neither shortens nor pads."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(backbone.tokenizer.backend_tokenizer.to_str())
    made.no_truncation()
    made.no_padding()
    return made
