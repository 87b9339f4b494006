"""Questions whose answers' offsets are of little use, and the rules by which answers are compared."""

from __future__ import annotations

import json
import re
import string
import sys
import unicodedata
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lect.composition.encode import RowEncoder, StackTokenizer
from lect.composition.model import RoutedModel
from lect.data.dataset import Source
from lect.data.examples import Example, Span
from lect.errors import DataError
from lect.host import Host
from lect.host.reading import read_source
from lect.testing.backbones import tiny_backbone
from lect_heads.answering import QuestionAnsweringHead
from lect_heads.configs import QuestionAnsweringConfig
from lect_heads.metrics.squad import Accepted, exact_match, f1, rule_of, signatures

HOST = Host.load()
CONTEXT = unicodedata.normalize("NFD", "Çok güzel: école") + " in Café 👩‍👩‍👧 Paris is हिन्दी fine. Lyon"


@pytest.fixture
def read(tmp_path):
    def read(*answers, context=CONTEXT, **config):
        asked = [{"id": str(number), "question": "where?", **each} for number, each in enumerate(answers)]
        (tmp_path / "data.json").write_text(json.dumps([{"context": context, "qas": asked}]), encoding="utf-8")
        return read_source(HOST, Source("squad", {"path": "data.json", **config}), tmp_path, "data")

    return read


def answer(text, *start):
    return {"answers": [{"text": text, **({"answer_start": start[0]} if start else {})}]}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ((str(CONTEXT.index("Paris")),), ""),
        ((float(CONTEXT.index("Paris")),), ""),
        ((len(CONTEXT[: CONTEXT.index("Paris")].encode()),), "1 answer stood elsewhere than said and was moved"),
        ((None,), "1 answer had no usable offset and was found by its text"),
        ((), "1 answer had no usable offset and was found by its text"),
        ((-1,), "1 answer had no usable offset and was found by its text"),
        ((True,), "1 answer had no usable offset and was found by its text"),
        ((9999,), "1 answer stood elsewhere than said and was moved"),
    ],
)
def test_an_answer_is_found_whatever_its_offset_is(read, start, said):
    data = read(answer("Paris", *start))
    (example,) = data.examples
    assert example.answers == (Span("Paris", CONTEXT.index("Paris")),)
    assert data.remarks == ((f"data.json: {said}",) if said else ())


@pytest.mark.parametrize("text", ["école", "Çok güzel", "paris", "HI"])
def test_an_answer_in_another_unicode_form_or_case_is_the_one_in_the_context(read, text):
    wanted = unicodedata.normalize("NFC", text)
    context = f"{CONTEXT} hi"
    (example,) = read(answer(wanted, 0), context=context).examples
    (span,) = example.answers
    assert context[span.start :].startswith(span.text)
    assert unicodedata.normalize("NFC", span.text).casefold() == wanted.casefold()
    assert exact_match(Accepted((span.text,)), wanted) == 1


def test_every_question_stays_with_its_key_and_what_cannot_be_placed_is_scored_by_its_text(read):
    several = {"answers": {"text": ["nowhere", "Lyon"], "answer_start": [3, None]}}
    data = read(answer("yes", -1), several, answer(""), {"answers": []}, {"is_impossible": True}, {"answers": None})
    assert [each.key for each in data.examples] == ["0", "1", "2", "3", "4", "5"]
    assert [each.answers for each in data.examples] == [
        (Span("yes", None),),
        (Span("nowhere", None), Span("Lyon", CONTEXT.index("Lyon"))),
        *((), (), ()),
        None,
    ]
    assert data.remarks == (
        "data.json: 1 answer had no usable offset and was found by its text; 2 answers cannot be placed in their "
        "contexts: they are scored by their texts, and not learned from",
    )
    refused = pytest.raises(DataError, match='question 0: the answer "yes" has no usable offset')
    with refused:
        read(answer("yes", -1), offsets="refuse")


def test_what_is_not_placed_is_not_learned_from(read):
    backbone = tiny_backbone("xlm-roberta")
    model = RoutedModel(backbone)
    torch.manual_seed(0)
    head = QuestionAnsweringHead(QuestionAnsweringConfig(), backbone, ()).eval()
    where, nowhere, none = (
        Example("the house is old", question="what?", answers=spans)
        for spans in ((Span("house", 4),), (Span("yes", None),), ())
    )

    def loss(*examples):
        layout = head.layout(examples, StackTokenizer(RowEncoder(model), ()))
        torch.manual_seed(1)
        logits = torch.randn(1, max(len(row.ids) for row in layout.rows), 2).expand(len(layout.rows), -1, -1)
        return float(head.loss(logits, head.targets(examples, layout)))

    assert loss(nowhere) == 0
    assert loss(where, nowhere) == pytest.approx(loss(where))
    assert loss(none) != 0
    assert head.references([nowhere]) == [Accepted(("yes",))]
    with pytest.raises(DataError, match="the question has no answers, so that it can be asked and not scored"):
        head.references([Example("x", question="y")])


# ------------------------------------------------------------ the scripts, as they were published, written down again

PUNCTUATION = {chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P")}
MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "\\sال^|ال",
}


def mlqa_words(text, language):
    kept = "".join(letter for letter in text.lower() if letter not in PUNCTUATION.union(string.punctuation))
    kept = re.sub(MLQA_ARTICLES[language], " ", kept) if language in MLQA_ARTICLES else kept
    if language == "zh":
        kept = re.sub("([\u4e00-\u9fa5])", r" \1 ", kept)
    return kept.split()


def script_f1(gold, given_words):
    same = sum((Counter(gold) & Counter(given_words)).values())
    if not gold or not given_words:
        return float(gold == given_words)
    return 2 * same / (len(gold) + len(given_words))


SAYINGS = {
    "es": ["el", "La", "casa", "¿unos", "perros?", "vela"],
    "vi": ["của", "những", "nhà", "là,", "xanh"],
    "de": ["Der", "die", "Häuser", "eines", "„Dorfes“", "derart"],
    "ar": ["البيت", "الكبير،", "بيت", "خيال"],
    "hi": ["घर", "बड़ा।", "एक"],
    "zh": ["北京", "大学", "。", "the", "IBM公司"],
}


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(SAYINGS)))
def test_answers_in_mlqas_languages_score_as_its_script_scores_them(data, language):
    phrase = st.lists(st.sampled_from(SAYINGS[language]), min_size=1, max_size=4).map(" ".join)
    gold, told = data.draw(phrase), data.draw(phrase)
    accepted = Accepted((gold,), language)
    words, given_words = mlqa_words(gold, language), mlqa_words(told, language)
    if not words:
        return
    assert f1(accepted, told) == pytest.approx(script_f1(words, given_words))
    assert exact_match(accepted, told) == (words == given_words)


def test_without_a_language_answers_score_as_squads_script_scores_them():
    for language in (None, "en"):
        assert exact_match(Accepted(("The cat",), language), "a cat.") == 1
        # Its script knows no punctuation but that of ASCII.
        assert exact_match(Accepted(("cat",), language), "cat–") == 0
    assert exact_match(Accepted(("The cat",), "sw"), "cat") == 0
    assert exact_match(Accepted((unicodedata.normalize("NFD", "école"),)), "école") == 1


def test_the_rule_is_said():
    assert rule_of(None) == (
        "the rules of SQuAD 2.0's script (no language is stated: as English; without case, ASCII punctuation and a, "
        "an, the)"
    )
    assert signatures([Accepted(("x",), "de"), Accepted(("x",), "de")]) == {
        "f1": "and exact match by the rules of MLQA's script for de (without case, punctuation and its articles)"
    }
    assert rule_of("sw") == "MLQA's rules without any articles for sw (without case and punctuation)"
