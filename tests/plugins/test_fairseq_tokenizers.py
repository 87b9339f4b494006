"""Token ids are those of `sentencepiece`, or of GPT-2's BPE, looked up in fairseq's dictionary."""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path

import pytest
import sentencepiece
from fairseq_folders import LANGUAGES, SPECIAL, TEXTS, gpt2_folder, m2m_folder, mbart_folder, pieces_of, subwords
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from lect.backbones.charsmap import read_charsmap
from lect.host import Host
from lect.host.backbones import load_backbone
from lect_fairseq.dictionary import Vocabulary
from lect_fairseq.normalizer import build_normalizer
from lect_fairseq.sentencepiece import read_model
from lect_fairseq.tokenizer import sentencepiece_tokenizer

DATA = Path(os.environ.get("LECT_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "flores200"
NEEDS_DATA = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs {DATA}")


def reference(model: bytes, symbols: list[str], text: str) -> list[int]:
    """fairseq: SentencePiece's pieces, joined by spaces, split at spaces, each looked up in the dictionary."""
    processor = _processor(model)
    ids = {symbol: index for index, symbol in enumerate([*SPECIAL, *symbols])}
    return [ids.get(piece, 3) for piece in " ".join(processor.encode(text, out_type=str)).split()]


@lru_cache
def _processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


@lru_cache
def built(model: bytes, symbols: tuple[str, ...]) -> Tokenizer:
    file = Path(os.environ["PYTEST_TMP"]) / f"{abs(hash(model))}.model"
    file.write_bytes(model)
    vocabulary = Vocabulary((*SPECIAL, *symbols, "<mask>"), {})
    return sentencepiece_tokenizer(read_model(file), vocabulary, file).backend


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    os.environ["PYTEST_TMP"] = str(tmp_path_factory.mktemp("models"))


def ours(model: bytes, symbols: list[str], text: str) -> list[int]:
    return built(model, tuple(symbols)).encode(text, add_special_tokens=False).ids


@lru_cache
def large(kind: str) -> bytes:
    """A model of thirty languages' lines, whose alphabet leaves out what is rare."""
    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines(40), model_writer=written, vocab_size=3000, model_type=kind,
        normalization_rule_name="nmt_nfkc", character_coverage=0.999, hard_vocab_limit=False, minloglevel=2,
        num_threads=1,
    )  # fmt: skip
    return written.getvalue()


def lines(each: int):
    for file in sorted(DATA.glob("*/*.txt")) or sorted(path for path in DATA.rglob("*") if path.is_file()):
        with file.open(encoding="utf-8") as opened:
            yield from islice(opened, each)


@NEEDS_DATA
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_lines_of_thirty_languages(kind):
    model = large(kind)
    # In an order of its own, as dictionaries by frequency are.
    symbols = sorted(pieces_of(model), key=lambda piece: (len(piece), piece))
    read = [line.rstrip("\n") for line in lines(60)]
    assert len(read) > 1000
    wrong = [text for text in read if ours(model, symbols, text) != reference(model, symbols, text)]
    assert wrong == []


EDGES = [
    "", " ", "   ", "\t", "a", " a", "a ", "  a   b  ", "▁a", "a▁▁b", "\u3000全角\u3000", "ﬁne ½ ① Ａｂｃ", "e\u0301",
    "Tie\u0302\u0301ng Vie\u0323\u0302t", "ế", "\u1100\u1161\u11a8", "각", "ｶﾞ", "か\u3099", "\u200b\u200d\ufeff",
    "½\u0338", "ﻻ\u064b", "👩\u200d👩\u200d👧 ❤\ufe0f🏽", "🇮🇩🇮", "\x01\x02a\x03", "a\r\nb", "क\u093c", "ﷺ", "क्षत्रिय",
    "Å \u212b A\u030a", "漢字かな", "漢 字", "the 漢字 the", "…", "１２３", "x\u0301\u0302", "\u0344", "ǆ ǲ",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc", "identity", "nmt_nfkc_cf"])
def test_edges_of_unicode(kind, rule):
    model = subwords(kind, rule=rule)
    symbols = pieces_of(model)
    # Where the rule leaves SentencePiece's own mark for a space as it is, one at the start is taken for its own.
    texts = [text for text in EDGES if rule.startswith("nmt") or not text.startswith("▁")]
    wrong = [text for text in texts if ours(model, symbols, text) != reference(model, symbols, text)]
    assert wrong == []


CHARACTERS = st.one_of(
    st.sampled_from([character for text in (*TEXTS, *EDGES) for character in text]),
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
)


@given(st.text(CHARACTERS, max_size=20))
def test_any_text(text):
    model = subwords()
    symbols = pieces_of(model)
    assume_composes_alike(text)
    assert ours(model, symbols, text) == reference(model, symbols, text)


def assume_composes_alike(text: str) -> None:
    """Leave out marks that Unicode composes over another mark between, which SentencePiece does not do."""
    orders = [unicodedata.combining(character) for character in unicodedata.normalize("NFKD", text)]
    if any(0 < first < second for first, second in pairwise(orders)):
        theirs = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
        assume(theirs.normalize(unicodedata.normalize("NFC", text)) == theirs.normalize(text))


@given(st.text(CHARACTERS, max_size=12))
def test_normalisation_is_sentencepieces(text):
    assume_composes_alike(text)
    theirs = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, escape_whitespaces=False, remove_extra_whitespaces=True
    )
    assert normalizer().normalize_str(text) == theirs.normalize(text)


@lru_cache
def normalizer():
    file = Path(os.environ["PYTEST_TMP"]) / "normalizer.model"
    file.write_bytes(subwords())
    return build_normalizer(read_model(file).charsmap, collapses_spaces=True)


def test_the_table_of_replacements_is_read_whole(tmp_path):
    (tmp_path / "m.model").write_bytes(subwords())
    table = read_charsmap(read_model(tmp_path / "m.model").charsmap)
    assert (table["ﬁ"], table["\u200b"], table["\x01"], table["e\u0302\u0301"]) == ("fi", " ", "", "ế")
    assert len(table) > 20000


# ------------------------------------------------------------------------------------------------- in whole folders


@pytest.fixture(scope="module")
def host():
    return Host.load(only=("fairseq",))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))


def test_languages_and_mask_stand_where_fairseq_puts_them(host, tmp_path):
    tokenizer = load_backbone(str(mbart_folder(tmp_path / "mbart")[0]), host=host).tokenizer
    count = len(SPECIAL) + len(pieces_of(subwords()))
    assert tokenizer.convert_tokens_to_ids(LANGUAGES) == [count, count + 1, count + 2]
    assert tokenizer.mask_token_id == count + 3
    # Its task names Indonesian as the source, whose token stands behind the text.
    ids = tokenizer("the fox")["input_ids"]
    assert ids[-2:] == [2, count + 2] and ids[:-2] == reference(subwords(), pieces_of(subwords()), "the fox")


@pytest.mark.parametrize(
    ("codes", "kind", "known"),
    [
        (("af", "en", "id"), "unigram", ["__af__", "__en__", "__id__"]),
        (("ace_Latn", "eng_Latn", "ind_Latn"), "bpe", ["ace_Latn", "eng_Latn", "ind_Latn"]),
    ],
)
def test_languages_of_m2m_and_nllb_stand_in_front(codes, kind, known, host, tmp_path):
    tokenizer = load_backbone(str(m2m_folder(tmp_path / "mine", codes, kind)[0]), host=host).tokenizer
    count = len(SPECIAL) + len(pieces_of(subwords(kind))) + 2
    assert tokenizer.convert_tokens_to_ids(known) == [count, count + 1, count + 2]
    ids = tokenizer("the fox")["input_ids"]
    assert (ids[0], ids[-1]) == (count + 2, 2)
    # What only fills the dictionary up is never in a text.
    assert count - 2 not in tokenizer("madeupword0000")["input_ids"]


def test_gpt2s_tokens_have_the_dictionarys_ids(host, tmp_path):
    folder, _, gpt2 = gpt2_folder(tmp_path / "mine")
    symbols = [line.split()[0] for line in (folder / "dict.txt").read_text("utf-8").splitlines()]
    tokenizer = load_backbone(str(folder), host=host).tokenizer
    for text in (*TEXTS, *EDGES, "a\nb", "  two  spaces "):
        expected = [4 + symbols.index(str(number)) for number in gpt2.encode(text).ids]
        assert tokenizer(text)["input_ids"] == [0, *expected, 2], text
        assert tokenizer.decode(expected, skip_special_tokens=True) == text


def test_pieces_that_the_dictionary_lacks_are_the_unknown_token(host, tmp_path):
    from fairseq_folders import write_folder
    from fairseq_models import Roberta, checkpoint_of, filled, settings

    model = subwords()
    first = _processor(model).encode("the good", out_type=str)[0]
    symbols = [piece for piece in pieces_of(model) if piece != first]
    roberta = filled(Roberta(settings(), len(SPECIAL) + len(symbols) + 1))
    folder = write_folder(tmp_path / "mine", checkpoint_of(roberta), symbols, model)
    backbone = load_backbone(str(folder), host=host)
    ids = backbone.tokenizer("the good")["input_ids"]
    missing = backbone.tokenizer.convert_tokens_to_ids(first)
    assert reference(model, symbols, "the good")[0] == 3 and ids[1] == missing >= len(SPECIAL) + len(symbols) + 1
    table = backbone.model.get_input_embeddings().weight
    assert table[missing].equal(table[3])
