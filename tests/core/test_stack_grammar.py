"""The grammar of stacks: what parses, what it prints as, and what is said of the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lect.composition.stack import PathReference, Reference, Stack, parse_stack
from lect.errors import StackError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?", fullmatch=True)
REFERENCES = st.builds(Reference, st.sampled_from(["lang", "task"]), NAMES, st.none() | VERSIONS)
TAILS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])) | st.text('\\"+ ,()*=a/')
PATHS = st.builds(lambda start, tail: PathReference(start + tail), st.sampled_from(["./", "../", "/", "~"]), TAILS)
STACKS = st.builds(Stack, st.lists(REFERENCES | PATHS, max_size=4).map(tuple))


@settings(deadline=None)
@given(STACKS)
def test_what_a_stack_prints_parses_to_the_same_stack(stack: Stack) -> None:
    assert parse_stack(str(stack)) == stack


@settings(deadline=None)
@given(st.text() | st.text('lang:task+@./~ "\\*()=-jv1'))
def test_any_text_is_a_stack_or_refused_in_one_line(text: str) -> None:
    try:
        stack = parse_stack(text)
    except StackError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("stack, column ")
        assert str(error).isprintable() or not text.isprintable()
    else:
        assert parse_stack(str(stack)) == stack


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \n", ""),
        ("lang:jav+task:sentiment", "lang:jav + task:sentiment"),
        ("  lang:ff-Adlm   +\ttask:a.b_c-d@1.0.0rc1 ", "lang:ff-Adlm + task:a.b_c-d@1.0.0rc1"),
        ("./components/lang/jav", "./components/lang/jav"),
        ('"./my part" + ~/x + ../y + /z', '"./my part" + ~/x + ../y + /z'),
        ('"./plain"', "./plain"),
        (r'"./a\"b\\c"', r'"./a\"b\\c"'),
        (r"./a\b", r"./a\b"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_stack(text)) == canonical


def test_parts_are_what_was_written() -> None:
    assert parse_stack('lang:jav@2.0 + "./a + b"') == Stack((Reference("lang", "jav", "2.0"), PathReference("./a + b")))
    assert parse_stack("") == Stack()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lng:jav", 'column 1: expected a role, "lang" or "task", found "lng"; did you mean "lang"?'),
        ("lang:a + tsk:b", 'column 10: expected a role, "lang" or "task", found "tsk"; did you mean "task"?'),
        ("jav", 'column 1: expected a part such as lang:jav, task:topic or ./folder, found "jav"; write "lang:jav"'),
        ("lang:", 'column 6: expected a name right after "lang:", found the end'),
        ("lang: jav", 'column 6: expected a name right after "lang:", found " "'),
        ("lang:jav +", "column 11: expected a part such as lang:jav, task:topic or ./folder, found the end"),
        ("+ lang:jav", 'column 1: expected a part such as lang:jav, task:topic or ./folder, found "+"'),
        ("lang:a + + lang:b", 'column 10: expected a part such as lang:jav, task:topic or ./folder, found "+"'),
        ("lang:jav task:x", 'column 10: expected "+" after "lang:jav", found "task:x"'),
        ("lang:jäv", 'column 7: expected "+" or the end, found "ä" in the name "j"'),
        ("lang:jav@", "column 10: expected a version such as 1.0.0, found the end"),
        ("lang:jav@new", 'column 10: expected a version such as 1.0.0, found "new"'),
        ("./my part", 'column 6: expected "+" after "./my", found "part"'),
        ("./a(b)", 'column 4: expected "+" or the end, found "(" in a path; put the path in double quotes'),
        ('lang:a + "./b', "column 10: a quotation mark is not closed"),
        ('"b c"', 'column 1: "b c" is no path; write "./b c"'),
        ('"./x"y', 'column 6: expected "+" or the end, found "y" after a path in quotes'),
        ("0.7*lang:jav", 'column 1: expected a part such as lang:jav, task:topic or ./folder, found "0.7*lang:jav"'),
        ("avg(lang:a, lang:b)", "column 1: expected a part"),
        ("lang:a - lang:b", 'column 8: expected "+" after "lang:a", found "-"'),
        ("lang:c = lang:a", 'column 8: expected "+" after "lang:c", found "="'),
    ],
)
def test_mistakes_are_located(text: str, message: str) -> None:
    with pytest.raises(StackError) as caught:
        parse_stack(text)
    assert message in str(caught.value)


def test_control_characters_never_reach_the_message() -> None:
    for text in ("./a\x1b[31mb", "lang:\x1b[31m", "\x1b[31m", '"\x1b'):
        with pytest.raises(StackError) as caught:
            parse_stack(text)
        assert "\x1b" not in str(caught.value)


def test_a_stack_without_one_of_its_parts() -> None:
    stack = parse_stack("lang:a + lang:b + task:c")
    assert [str(stack.without(index)) for index in range(3)] == [
        "lang:b + task:c",
        "lang:a + task:c",
        "lang:a + lang:b",
    ]
    assert str(stack.without(-1)) == "lang:a + lang:b"
    assert parse_stack("lang:a").without(0) == Stack()
    with pytest.raises(IndexError):
        stack.without(3)


def test_references_made_by_hand_are_checked() -> None:
    for make in (
        lambda: Reference("adverb", "x"),  # type: ignore[arg-type]
        lambda: Reference("lang", "../x"),
        lambda: Reference("lang", "x\n"),
        lambda: Reference("lang", "x", "latest"),
        lambda: PathReference("x"),
        lambda: PathReference("./x\ny"),
    ):
        with pytest.raises(StackError):
            make()


def test_a_path_of_an_unknown_user_is_refused() -> None:
    with pytest.raises(StackError, match="no such home folder"):
        _ = PathReference("~no-such-user-here/x").folder


def test_parsing_needs_no_torch() -> None:
    program = (
        "import sys; from lect import parse_stack; parse_stack('lang:a + task:b@1.0'); print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
