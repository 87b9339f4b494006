"""The readers, as they are registered."""

from __future__ import annotations

from lect import ReaderSpec
from lect_heads.readers.choices import ChoicesConfig, read_choices
from lect_heads.readers.conll import ConllConfig, read_conll
from lect_heads.readers.conllu import ConlluConfig, read_conllu
from lect_heads.readers.spans import SpansConfig, read_spans
from lect_heads.readers.squad import SquadConfig, read_squad
from lect_heads.readers.triples import TriplesConfig, read_triples

READERS = (
    ReaderSpec("conll", "words and tags in columns, one word a line", ConllConfig, read_conll, (".conll",)),
    ReaderSpec("spans", "texts with spans: doccano, Label Studio, prodigy, MASSIVE", SpansConfig, read_spans),
    ReaderSpec(
        "conllu", "treebanks: CoNLL-U, CoNLL-U Plus, CoNLL-X", ConlluConfig, read_conllu, (".conllu", ".conllup")
    ),
    ReaderSpec("squad", "questions on contexts: SQuAD, TyDi QA, AfriQA", SquadConfig, read_squad),
    ReaderSpec("choices", "a premise and choices in JSON lines: COPA, XCOPA, Belebele", ChoicesConfig, read_choices),
    ReaderSpec("triples", "texts with what matches them and what does not", TriplesConfig, read_triples),
)
