"""New pieces, learned and spliced in, for every kind of tokenizer: what changes, what must not, what is refused."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from lect.errors import BackboneError, ComponentError
from lect.testing.tokenizers import tiny_tokenizer
from lect_vocabulary.learn import learn_pieces
from lect_vocabulary.pieces import BaseTokenizer, LearnedPieces, new_tokens, splice, surface

_WORDS = random.Random(0)
LETTERS = [chr(code) for code in range(0x7CA, 0x7EB)]
NKO_WORDS = ["".join(_WORDS.choices(LETTERS[:20], k=_WORDS.randint(2, 6))) for _ in range(60)]
NKO = [" ".join(_WORDS.choices(NKO_WORDS, k=4)) for _ in range(150)] + [" ".join(LETTERS)] * 2
BAMBARA = ["ka taa sugu la", "ka segin ka taa so", "musoba taara sugu kɔnɔ", "sugu ka bon kosɛbɛ"] * 20
MIXED = "the house of ߛߣߍ߬ and the city"


def wordpiece() -> str:
    """A tokenizer as BERT has it."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters), "house", "##ing"]
    backend = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return str(backend.to_str())


def base_of(kind: str) -> BaseTokenizer:
    source = wordpiece() if kind == "wordpiece" else tiny_tokenizer(kind).backend_tokenizer.to_str()
    return BaseTokenizer(source)


KINDS = ("unigram", "byte-level", "qwen", "sentencepiece", "wordpiece")
UNKNOWN = {"unigram": "<unk>", "sentencepiece": "<unk>", "wordpiece": "[UNK]"}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def extended(kind):
    """A tokenizer, its new pieces for N'Ko, and the spliced one."""
    base = base_of(kind)
    new = learn_pieces(base, NKO, 200, 16)
    return base, new, Tokenizer.from_str(splice(base, new))


def test_the_backbones_pieces_keep_their_ids_and_new_ones_come_behind(extended):
    base, new, own = extended
    assert 60 < len(new.pieces) <= 200
    for piece, index in {**base.vocabulary, **base.special}.items():
        assert own.token_to_id(piece) == index
    assert [own.token_to_id(piece) for piece in new.pieces] == list(range(base.size, base.size + len(new.pieces)))


def test_text_of_the_language_is_cut_into_fewer_pieces_none_of_them_unknown(kind, extended):
    base, _, own = extended
    unknown = base.tokenizer.token_to_id(UNKNOWN[kind]) if kind in UNKNOWN else None
    before = [index for text in NKO for index in base.tokenizer.encode(text, add_special_tokens=False).ids]
    after = [index for text in NKO for index in own.encode(text, add_special_tokens=False).ids]
    words = sum(len(text.split()) for text in NKO)
    assert unknown not in after
    # One piece a word would be 1; an unknown word of these was one piece before, too.
    assert len(after) < 2.5 * words
    assert len(after) < len(before) / 2 or unknown in before


@given(text=st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFé ,.0123456789 \t\n<s>東京", max_size=60))
def test_text_in_which_no_new_piece_occurs_is_cut_as_before(extended, text):
    base, _, own = extended
    now, then = own.encode(text), base.tokenizer.encode(text)
    assert (now.ids, now.offsets) == (then.ids, then.offsets)


@given(
    parts=st.lists(
        st.sampled_from(
            [*NKO_WORDS[:20], *LETTERS, "the", "house", "ﬁne", "Ｆ", " ", "  ", ",", "é", "e\u0301", "\n", "東"]
        ),
        max_size=12,
    )
)
def test_every_offset_slices_the_original_text(kind, extended, parts):
    """Tagging and question answering read their answers off the original text."""
    base, new, own = extended
    text = "".join(parts)
    encoding = own.encode(text, add_special_tokens=False)
    covered: set[int] = set()
    for index, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        assert 0 <= start <= end <= len(text)
        covered.update(range(start, end))
        if index >= base.size and kind not in ("byte-level", "qwen"):
            written = unicodedata.normalize("NFKC", text[start:end]).strip()
            assert written == surface(base, new.pieces[index - base.size]).strip()
    assert [start for start, _ in encoding.offsets] == sorted(start for start, _ in encoding.offsets)
    # What a normaliser joins to the character before it has that one's place.
    alone = [place for place, sign in enumerate(text) if not sign.isspace() and not unicodedata.combining(sign)]
    assert covered.issuperset(alone)


def test_one_text_may_mix_both_scripts(extended):
    base, _, own = extended
    learned = " ".join([NKO_WORDS[0], NKO_WORDS[1]])
    mixed = own.encode(f"the house {learned} and the city", add_special_tokens=False)
    assert any(index >= base.size for index in mixed.ids) and any(index < base.size for index in mixed.ids)
    new = [place for place, index in enumerate(mixed.ids) if index >= base.size]
    start, end = mixed.offsets[new[0]][0], mixed.offsets[new[-1]][1]
    assert f"the house {learned} and the city"[start:end].strip() == learned


def test_new_pieces_of_a_known_script_win_over_the_old_ones(kind):
    base = base_of(kind)
    new = learn_pieces(base, BAMBARA, 40, 16)
    own = Tokenizer.from_str(splice(base, new))
    before = sum(len(base.tokenizer.encode(text, add_special_tokens=False).ids) for text in set(BAMBARA))
    after = sum(len(own.encode(text, add_special_tokens=False).ids) for text in set(BAMBARA))
    assert after < 0.6 * before


def test_learning_is_the_same_in_every_run(kind):
    runs = [learn_pieces(base_of(kind), NKO, 80, 8) for _ in range(3)]
    assert all(run == runs[0] for run in runs)


def test_what_is_kept_says_the_same_and_is_small(extended):
    base, new, own = extended
    text = new.to_json()
    again = new_tokens(text)
    assert again == new
    assert Tokenizer.from_str(splice(base, again)).to_str() == own.to_str()
    assert len(text) < 40 * len(new.pieces) + 200
    assert new_tokens(own.to_str()) is None


def test_the_most_pieces_are_a_bound(kind):
    assert len(learn_pieces(base_of(kind), NKO, 7, 16).pieces) == 7


@pytest.mark.parametrize("learner", ["bpe", "unigram"])
def test_no_piece_is_longer_than_said(learner):
    base = base_of("unigram")
    assert max(len(piece) for piece in learn_pieces(base, NKO, 100, 3, learner).pieces) == 3


def test_pruned_unigrams_are_the_same_in_every_run():
    """Though the library's sums, and its places for rare characters, differ from run to run."""
    runs = [learn_pieces(base_of("unigram"), NKO, 60, 8, "unigram") for _ in range(4)]
    assert len(runs[0].pieces) > 50
    assert all(run == runs[0] for run in runs)


def test_unigrams_are_for_unigram_tokenizers():
    with pytest.raises(BackboneError, match="this backbone's is WordPiece; leave learner"):
        learn_pieces(base_of("wordpiece"), NKO, 7, 16, "unigram")


def test_a_score_of_a_new_piece_leaves_the_score_of_unknown_characters_alone():
    """It is counted from the lowest score of all."""
    base = base_of("unigram")
    new = learn_pieces(base, NKO, 120, 16)
    parsed = json.loads(splice(base, new))
    assert min(score for _, score in parsed["model"]["vocab"]) == base.lowest


def test_a_tokenizer_of_another_kind_is_refused():
    parsed = json.loads(wordpiece())
    parsed["model"]["type"] = "WordLevel"
    with pytest.raises(BackboneError, match="of kind Unigram, BPE, WordPiece, and this backbone's is WordLevel"):
        learn_pieces(BaseTokenizer(json.dumps(parsed)), NKO, 10, 16)


def test_pieces_of_another_tokenizer_are_refused():
    new = learn_pieces(base_of("byte-level"), NKO, 10, 16)
    with pytest.raises(ComponentError, match="for another tokenizer than this backbone's"):
        splice(base_of("sentencepiece"), new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lect_pieces": 2, "algorithm": "BPE", "base": "", "pieces": []}', "of version 2"),
        ('{"lect_pieces": 1', "cannot be read"),
        ('{"lect_pieces": 1, "algorithm": "BPE"}', "cannot be read"),
        ('{"lect_pieces": 1, "algorithm": "Unigram", "base": "", "pieces": ["a"], "scores": []}', "not whole"),
        ('{"lect_pieces": 1, "algorithm": "BPE", "base": "", "pieces": ["a", "a"]}', "not whole"),
    ],
)
def test_a_broken_list_is_refused(text, message):
    with pytest.raises(ComponentError, match=message):
        new_tokens(text)


def test_a_list_is_plain_data():
    new = LearnedPieces("BPE", "0", ("ab",), merges=(("a", "b"),))
    assert json.loads(new.to_json()) == {
        "lect_pieces": 1,
        "algorithm": "BPE",
        "base": "0",
        "pieces": ["ab"],
        "merges": [["a", "b"]],
    }
