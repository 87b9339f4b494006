"""Readers of the heads' files: what they read, what they repair and say, what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import logged

from lect.data.dataset import Source, digest
from lect.data.examples import Example, Span
from lect.errors import DataError
from lect.host import Host
from lect.host.reading import read_source

DATA = Path(__file__).parents[3] / "shared/data"
HOST = Host.load()


@pytest.fixture
def read(tmp_path):
    def read(reader, content, /, needs=(), **config):
        (tmp_path / "data.txt").write_bytes(content.encode("utf-8"))
        return read_source(HOST, Source(reader, {"path": "data.txt", **config}), tmp_path, "data", needs).examples

    return read


def test_columns_with_comments_documents_and_blank_lines(read):
    text = "-DOCSTART- O\n\n\n# id = 1\n1\tJane\tB-PER\t-\tx\n2\t#tag\tO\t-\tx\n\n# just one\n1\tRome\tB-LOC\t-\tx\n"
    first, second = read("conll", text, words=1, tags=2, language="eng")
    assert (first.text, first.words, first.tags) == ("Jane #tag", ("Jane", "#tag"), ("B-PER", "O"))
    assert (first.places, first.language, first.origin) == (((0, 4), (5, 9)), "en", "data.txt, line 5")
    assert second.words == ("Rome",)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_sentences_are_read_than_asked_for(read, limit):
    assert len(read("conll", "See O\n\nParis B-LOC\n\nnow O\n", limit=limit)) == limit


def test_words_that_begin_with_a_hash_are_words(read):
    (example,) = read("conll", "# O\nhash I-X\n#tag O\n")
    assert example.words == ("#", "hash", "#tag")


def test_words_that_say_key_equals_value_are_words_and_no_break_spaces_are_part_of_them(read):
    first, second = read("conll", "Buy O\n#promo=50 O\nParis B-LOC\n\nSee O\n#win=now B-MISC\nNew\u00a0York B-LOC\n")
    assert first.words == ("Buy", "#promo=50", "Paris")
    assert (second.words, second.tags) == (("See", "#win=now", "New\u00a0York"), ("O", "B-MISC", "B-LOC"))
    assert second.lines == (5, 6, 7)
    with pytest.raises(DataError, match=r'line 2: the line has one column.*or say with comments = "#"'):
        read("conll", "See O\n#tag\nnow O\n")
    assert read("conll", "See O\n#tag\nnow O\n", comments="#")[0].words == ("See", "now")
    assert read("conll", "# a = b\nSee O\n", comments="#")[0].words == ("See",)
    assert read("conll", "% a b\nSee O\n", comments="%")[0].words == ("See",)
    assert len(read("conll", "#begin document (x); part 000\nSee O\n\n#end document\n")) == 1
    (example,) = read("conll", "# sent_id = s1\n# text = See now .\nSee O\nnow O\n", key="sent_id")
    assert (example.words, example.key) == (("See", "now"), "s1")
    with pytest.raises(DataError, match=r'no comment "sent_id"'):
        read("conll", "See O\n", key="sent_id")


def test_files_of_words_alone_give_sentences_without_tags(read):
    first, second = read("conll", "See\n#tag\n\nRome\n")
    assert (first.words, first.tags, second.words) == (("See", "#tag"), None, ("Rome",))
    assert read("conll", "See _\nRome _\n")[0].tags is None
    assert read("conll", "See VB\nRome NP\n", tags="")[0].tags is None
    with pytest.raises(DataError, match=r"data.txt, line 4: the line has one column, and words and tags are two"):
        read("conll", "\n\n\nSee\n", needs=("words", "tags"))
    with pytest.raises(DataError, match=r'data.txt, line 1: the tag is "_"'):
        read("conll", "See _\n", needs=("tags",))


def test_prefixes_of_wikiann_are_no_part_of_words(read):
    text = "en:Jane\tB-PER\nen:spoke\tO\n\nen::\tO\nen:re:x\tO\n"
    first, second = read("conll", text)
    assert (first.text, second.words) == ("Jane spoke", (":", "re:x"))
    assert read("conll", text, prefix="")[0].words == ("en:Jane", "en:spoke")
    # Not every word has it, or there is too little to tell by.
    assert read("conll", "re:x O\nJane O\nspoke O\n")[0].words[0] == "re:x"
    assert read("conll", "re:x O\n")[0].words == ("re:x",)


def test_files_of_germeval_with_their_sources_and_nested_columns(read):
    text = "#\tn-tv.de vom 26.02.2005 [2005-02-26] \n1\tTU\tB-ORG\tO\n2\tBerlin\tI-ORG\tB-LOC\n\n#\tx\n1\tJa\tO\tO\n"
    outer, last = read("conll", text, tags=2)
    assert (outer.words, outer.tags, last.words) == (("TU", "Berlin"), ("B-ORG", "I-ORG"), ("Ja",))
    assert read("conll", text, tags=3)[0].tags == ("O", "B-LOC")
    # A first column of numbers is one of words where the numbers do not count them.
    assert read("conll", "1\tx\tO\n3\ty\tO\n")[0].words == ("1", "3")


def test_a_file_without_blank_lines_is_said(read, caplog):
    (example,) = read("conll", "x O\n" * 300)
    assert len(example.words) == 300
    assert "data.txt: 300 words are read as one sentence; put a blank line between sentences" in logged(caplog)
    read("conll", "x O\n\n" * 300)
    assert logged(caplog) == ""


def test_columns_by_name_and_kinds_of_entities(read):
    text = "# global.columns = ID FORM NE\n1 Jane B-PER\n2 Doe I-PER\n3 today B-DATE\n"
    (example,) = read("conll", text, words="FORM", tags="NE", types=["P"], rename={"PER": "P"})
    assert example.tags == ("B-P", "I-P", "O")
    (example,) = read("conll", "Jane B-PER", columns=["w", "t"], words="w", tags="t", spaces=False)
    assert example.tags == ("B-PER",)


@pytest.mark.parametrize(
    ("text", "config", "message"),
    [
        ("Jane O\nDoe\n", {}, "data.txt, line 2: the line has one column, and words and tags are two; add the tag"),
        ("Jane O\n", {"tags": 4}, "data.txt, line 1: 2 columns, and tags should be column 4; set tags"),
        ("Jane O\n", {"tags": "ne", "columns": ["w", "n"]}, 'data.txt, line 1: no column is called "ne"'),
        ("\n\n", {}, "data.txt: the file is empty"),
        ("Jane O\nDoe\tO\n", {}, "data.txt, line 1: the line has one column"),
        ("Jane\tO\nDoe\t\n", {}, "data.txt, line 2: the tag is empty; fill it in"),
        ("Jane O\nDoe B-\u200bPER\n", {}, 'line 2: the tag "B-<ZERO WIDTH SPACE>PER" holds what cannot be seen'),
        ("Jane O\n\nDoe O\nx 0\n", {"types": ["PER"]}, 'line 4: "0" is no tag of an entity; that is a zero: did you'),
        ("-DOCSTART- O\n", {}, "data.txt: the file has no sentences"),
        ("x O\n", {"path": "dota.txt"}, '; did you mean "data.txt"?'),
    ],
)
def test_columns_that_are_wrong_are_refused_with_their_line(read, text, config, message):
    with pytest.raises(DataError) as caught:
        read("conll", text, **config)
    assert message in str(caught.value)


TREE = """# sent_id = 1
# text = Rumahnya besar, du.
1-2\tRumahnya\t_\t_\t_\t_\t_\t_\t_\t_
1\trumah\trumah\tNOUN\tNN\t_\t3\tnsubj\t_\t_
2\tnya\tdia\tPRON\tPR\t_\t1\tnmod:poss\t_\t_
2.1\tempty\t_\t_\t_\t_\t_\t_\t_\t_
3\tbesar\tbesar\tADJ\tJJ\t_\t0\troot\t_\tSpaceAfter=No
4\t,\t,\tPUNCT\t,\t_\t3\tpunct\t_\t_
5-6\tdu\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
5\tde\tde\tADP\tIN\t_\t6\tcase\t_\t_
6\tle\tle\tDET\tDT\t_\t3\tobl\t_\t_
7\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

"""


def test_words_written_as_one_have_places_of_their_own_and_empty_nodes_are_none(read):
    (example,) = read("conllu", TREE)
    assert example.text == "Rumahnya besar, du."
    assert example.words == ("rumah", "nya", "besar", ",", "de", "le", ".")
    assert [example.text[start:end] for start, end in example.places] == ["Rumah", "nya", "besar", ",", "d", "u", "."]
    assert example.tags == ("NOUN", "PRON", "ADJ", "PUNCT", "ADP", "DET", "PUNCT")
    assert example.heads == (3, 1, 0, 3, 6, 3, 3)
    assert example.relations[:2] == ("nsubj", "nmod:poss")
    assert read("conllu", TREE, tags="xpos")[0].tags[0] == "NN"
    # Without its line of text it is put together.
    (again,) = read("conllu", TREE.replace("# text = Rumahnya besar, du.\n", ""))
    assert (again.text, again.places) == (example.text, example.places)
    assert read("conllu", TREE * 3, limit=2)[1].words == example.words


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tSpaceAfter=No\n4", "\n4", "data.txt, line 7: 9 columns, and CoNLL-U has ten; put tabs between them"),
        ("\n4\t", "\n5\t", "data.txt, line 8: word 5 where word 4 is due; number them anew"),
        ("\n4\t", "\nfour\t", 'data.txt, line 8: "four" is no number of a word'),
        ("3\tnsubj", "8\tnsubj", "data.txt, line 4: the head is word 8 of 7; correct the head"),
        ("0\troot", "1\troot", "data.txt, line 4: the heads go round in a circle; correct the heads"),
        ("0\troot", "x\troot", 'data.txt, line 7: "x" is no number of a head'),
        ("5-6", "5-9", "data.txt, line 9: a range of words goes past the sentence"),
    ],
)
def test_trees_that_are_wrong_are_refused_with_their_line(read, old, new, message):
    assert old in TREE
    with pytest.raises(DataError) as caught:
        read("conllu", TREE.replace(old, new, 1))
    assert message in str(caught.value)


def test_a_treebank_without_text_tags_or_trees_says_so(read):
    row = "{0}\t{1}\t_\t{2}\t_\t_\t{3}\troot\t_\t_\n"
    bare = row.format(1, "_", "X", 0) + row.format(2, "_", "X", 1)
    with pytest.raises(DataError, match=r'data.txt, line 1: every form of the sentence is "_"'):
        read("conllu", bare)
    assert read("conllu", row.format(1, "_", "X", 0))[0].words == ("_",)
    untagged = "# text = a b\n" + row.format(1, "a", "X", 0) + row.format(2, "b", "_", 1)
    (example,) = read("conllu", untagged)
    assert (example.tags, example.heads) == (None, (0, 1))
    with pytest.raises(DataError, match=r'data.txt, line 3: the fourth column \(UPOS\) is "_"; fill it in'):
        read("conllu", untagged, needs=("words", "tags"))
    with pytest.raises(DataError, match=r'line 2: the fifth column \(XPOS\) is "_"'):
        read("conllu", untagged, tags="xpos", needs=("tags",))
    with pytest.raises(DataError, match=r'line 1: the seventh column \(HEAD\) is "_"'):
        read("conllu", row.format(1, "a", "X", "_"), needs=("heads",))
    with pytest.raises(DataError, match=r"line 2: the column UPOS is empty"):
        read("conllu", row.format(1, "a", "X", 0) + row.format(2, "b", "", 1))


def test_long_sentences_are_left_out_and_counted_and_keys_are_comments(read, caplog):
    (example,) = read("conllu", "# sent_id = 7\n1\ta\t_\tX\t_\t_\t0\troot\t_\t_\n\n" + TREE, longest=3, key="sent_id")
    assert example.key == "7"
    assert "1 row of more than 3 words left out" in logged(caplog)


def test_conll_x_and_conllu_plus(read):
    rows = ["1\ta\t_\tNN\tN\t_\t2\tdep", "2\tb\t_\tVB\tV\t_\t0\troot"]
    (example,) = read("conllu", "\n".join(rows))
    assert (example.words, example.tags, example.heads) == (("a", "b"), ("NN", "VB"), (2, 0))
    assert read("conllu", "\n".join(f"{row}\t_\t_" for row in rows))[0].relations == ("dep", "root")
    (blind,) = read("conllu", "\n".join("\t".join(row.split("\t")[:6]) for row in rows))
    assert (blind.tags, blind.heads) == (("NN", "VB"), None)
    plus = "# global.columns = ID FORM UPOS HEAD DEPREL X:NE\n1\ta\tNOUN\t0\troot\tB\n2\t#b\tX\t1\tdep\tO\n"
    (example,) = read("conllu", plus)
    assert (example.words, example.tags, example.heads) == (("a", "#b"), ("NOUN", "X"), (0, 1))
    with pytest.raises(DataError, match=r"line 2: 5 columns, and global.columns names 6"):
        read("conllu", plus.replace("\tB\n", "\n"))
    with pytest.raises(DataError, match="line 1: no column is called FORM"):
        read("conllu", "# global.columns = ID WORD\n1\ta\n")


SQUAD = """{"data": [{"paragraphs": [{"context": "Budi lives in Rome. Rome is old.", "qas": [
 {"id": 1, "question": "Where?", "answers": [
   {"text": "Rome", "answer_start": 14}, {"text": "Rome", "answer_start": 15}]},
 {"id": 2, "question": "Who?", "answers": [{"text": "Budi", "answer_start": -1}]},
 {"id": 3, "question": "Why?", "is_impossible": true, "answers": []}]}]}]}"""


def test_questions_of_squad_with_offsets_repaired_dropped_and_said(read, caplog):
    first, second, impossible = read("squad", SQUAD, language="en")
    assert first.text == "Budi lives in Rome. Rome is old." and first.question == "Where?"
    assert first.answers == (Span("Rome", 14), Span("Rome", 14))
    assert (first.origin, first.key) == ("data.txt, entry 1, question 1", "1")
    assert second.answers == (Span("Budi", 0),)
    assert impossible.answers == ()
    assert logged(caplog) == (
        "warning: data.txt: 1 answer stood elsewhere than said and was moved; 1 answer had no usable offset and was "
        "found by its text\n"
    )
    assert [each.answers for each in read("squad", SQUAD, offsets="drop")] == [(Span("Rome", 14),), ()]
    assert "1 question without any other answer was left out" in logged(caplog)
    with pytest.raises(DataError, match=r'data.txt, entry 1, question 1: the answer "Rome" does not stand at 15'):
        read("squad", SQUAD, offsets="refuse")


def test_questions_in_json_lines_and_in_a_flat_list(read, caplog):
    line = '{"context": "x y", "q": "a?", "pivot": {"text": ["y"], "answer_start": [2]}}\n'
    empty = '{"context": null, "q": "a?", "pivot": {"text": ["y"], "answer_start": []}}\n'
    first, second = read("squad", line + empty + line, question="q", answers="pivot")
    assert first.answers == second.answers == (Span("y", 2),)
    assert "1 question without a context was left out" in logged(caplog)
    flat = '[{"context": "x y", "qas": [{"question": "a?", "answers": [{"text": "y", "answer_start": 2}]}]}]'
    assert read("squad", flat)[0].answers == (Span("y", 2),)
    # As SQuAD's own files are: one line, longer than any text is.
    assert len(read("squad", flat.replace("x y", "x y" + " y" * 6_000_000))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "data.txt, entry 1: a paragraph without a context"),
        ('{"data": 3}', 'data.txt: "data" is no list'),
        ('{"data": [}', "data.txt, line 1: not JSON"),
        ('{"context": "x"}\n{"context": "y"}', 'data.txt, line 1: no question in "question"'),
        ('[{"context": "x", "qas": [{"question": "y", "answers": [{}]}]}]', "question 1: an answer without a text"),
        ('{"data": [], "data": []}', 'data.txt: an object has the key "data" twice'),
        (
            '{"context": "x", "question": "y"}\n{"context": "x", "question": "y", "question": "z"}',
            'data.txt, line 2: an object has the key "question" twice',
        ),
    ],
)
def test_questions_that_are_wrong_are_refused_with_their_place(read, text, message):
    with pytest.raises(DataError) as caught:
        read("squad", text)
    assert message in str(caught.value)


@given(context=st.text("ab ", min_size=4, max_size=40), data=st.data())
def test_a_repaired_answer_always_stands_where_it_is_said_to(tmp_path_factory, context, data):
    import json

    folder = tmp_path_factory.mktemp("squad")
    start = data.draw(st.integers(0, len(context) - 1))
    text = context[start : start + data.draw(st.integers(1, 5))]
    shift = data.draw(st.integers(-3, 3))
    answers = [{"text": text, "answer_start": start + shift}]
    lines = [{"context": f"x{context}", "question": "?", "answers": answers}]
    (folder / "data.json").write_text(json.dumps([{"context": each["context"], "qas": [each]} for each in lines]))
    try:
        found = read_source(HOST, Source("squad", {"path": "data.json"}), folder, "data").examples
    except DataError as error:
        assert "no examples" in str(error)
        return
    for example in found:
        for span in example.answers:
            # Without an offset, and in two places, it stands nowhere for sure.
            assert span.start is not None or example.text.count(span.text) > 1
            assert span.start is None or example.text[span.start : span.start + len(span.text)] == span.text


def test_choices(read):
    line = '{"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 1, "idx": 0}\n'
    (example,) = read("choices", line)
    assert (example.text, example.choices, example.question, example.label) == ("p", ("a", "b"), "cause", "1")
    listed = '{"p": "x", "l": "0", "c": ["a", "b", "c"]}'
    (example,) = read("choices", listed, text="p", label="l", choices="c")
    assert (example.choices, example.question) == (("a", "b", "c"), None)
    with pytest.raises(DataError, match=r"data.txt, line 1: there are not two choices"):
        read("choices", '{"premise": "p", "choice1": "a", "label": 0}')


def test_choices_of_belebele_and_choices_counted_from_any_number(read):
    line = (
        '{"link": "x", "question_number": 1, "flores_passage": "Cats purr.", "question": "Who purrs?", '
        '"mc_answer1": "Dogs", "mc_answer2": "Cats", '
        '"mc_answer3": "Cows", "mc_answer4": "Pigs", "correct_answer_num": "2"}\n'
    )
    (example,) = read("choices", line, key="link")
    assert (example.text, example.question, example.label, example.key) == ("Cats purr.", "Who purrs?", "1", "x")
    assert example.choices == ("Dogs", "Cats", "Cows", "Pigs")
    (example,) = read("choices", '{"premise": "p", "a": "x", "b": "y", "label": 2}', choices=["a", "b"], first_label=1)
    assert (example.choices, example.label) == (("x", "y"), "1")
    with pytest.raises(DataError, match=r'line 1: "0" is no number of a choice from 1 on; set first_label'):
        read("choices", line.replace('"2"', '"0"'))
    assert read("choices", line.replace("correct_", ""))[0].label is None


def test_the_hash_of_rows_without_new_fields_is_what_it_was_and_new_fields_change_it():
    assert digest([Example("a", label="b")]) == "61f99b1f2f85e75298be079a9b6eb8440097fa296e691e7980fb49ff3a85ab45"
    assert digest([Example("a", words=("a",))]) != digest([Example("a")])
    assert digest([Example("a", answers=())]) != digest([Example("a")])


@pytest.mark.skipif(not DATA.exists(), reason=f"no data sets at {DATA}")
@pytest.mark.parametrize(
    ("reader", "path", "config", "rows"),
    [
        ("conll", "wikigold/eng/train.conll", {}, 1696),
        ("conll", "masakhaner2/bam/test.txt", {}, 1274),
        ("conll", "uner/slk/sk_snk-ud-test.iob2", {"words": 1, "tags": 2}, 1061),
        ("conllu", "ud/ind/id_csui-ud-test.conllu", {}, 374),
        ("conllu", "ud/jav/jv_csui-ud-test.conllu", {}, 1000),
        ("squad", "tydiqa-id/ind/test.json", {}, 423),
        ("squad", "amqa/amh/dev_data.json", {}, 600),
        (
            "squad",
            "afriqa/hau/gold_span_passages.afriqa.hau.en.dev.json",
            {"question": "question_lang", "answers": "answer_pivot"},
            222,
        ),
        ("choices", "xcopa/sw/test.sw.jsonl", {}, 500),
    ],
)
def test_real_files(reader, path, config, rows):
    examples = read_source(HOST, Source(reader, {"path": path, **config}), DATA, "data").examples
    assert len(examples) == rows
    for example in examples:
        for word, (start, end) in zip(example.words or (), example.places or (), strict=True):
            assert 0 <= start < end <= len(example.text) and (reader != "conll" or example.text[start:end] == word)
        for span in example.answers or ():
            assert span.start is None or example.text[span.start : span.start + len(span.text)] == span.text
