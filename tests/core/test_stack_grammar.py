"""The grammar of stacks: what parses, what it prints as, and what is said of the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.composition.stack import (
    Combination,
    Merge,
    Mixture,
    PathReference,
    Reference,
    Stack,
    Weighted,
    parse_combination,
    parse_stack,
)
from lect.errors import StackError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?", fullmatch=True)
REFERENCES = st.builds(Reference, st.sampled_from(["lang", "task"]), NAMES, st.none() | VERSIONS)
TAILS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])) | st.text('\\"+ ,()*=a/')
PATHS = st.builds(lambda start, tail: PathReference(start + tail), st.sampled_from(["./", "../", "/", "~"]), TAILS)
ATOMS = REFERENCES | PATHS
WEIGHTS = st.sampled_from([1.0, -1.0, 0.0, 0.5]) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
OPTIONS = st.dictionaries(
    WORDS, WORDS | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False), max_size=2
)


def members_of(parts):
    return st.lists(st.builds(Weighted, WEIGHTS, parts), min_size=1, max_size=3).map(tuple)


METHODS = st.sampled_from(["ties", "dare_ties"]) | WORDS.filter(lambda word: word not in ("avg", "mix", "fuse"))
MERGES = st.builds(Merge, st.just("linear"), members_of(ATOMS)) | st.builds(
    Merge, METHODS, members_of(ATOMS), OPTIONS.map(lambda options: tuple(options.items()))
)
MIXTURES = st.builds(
    Mixture,
    st.sampled_from(["avg", "mix"]),
    members_of(ATOMS | MERGES).filter(lambda members: abs(sum(member.weight for member in members)) > 1e-6),
)
TERMS = ATOMS | MERGES | MIXTURES
STACKS = st.builds(Stack, st.lists(TERMS | st.builds(Weighted, WEIGHTS, TERMS), max_size=4).map(tuple))
COMBINATIONS = st.builds(Combination, REFERENCES, MERGES)

TOKENS = ("lang:a", "task:b", "avg(", "mix(", "ties(", "(", ")", ",", " + ", " - ", "0.5*", "-1*", "density=0.5", "./p")


@given(STACKS)
def test_what_a_stack_prints_parses_to_the_same_stack(stack: Stack) -> None:
    assert parse_stack(str(stack)) == stack


@given(COMBINATIONS)
def test_what_a_combination_prints_parses_to_the_same_combination(combination: Combination) -> None:
    assert parse_combination(str(combination)) == combination


@given(st.text() | st.text('lang:task+@./~ "\\*()=-jv1') | st.lists(st.sampled_from(TOKENS)).map("".join))
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
        (" 0.70 *lang:jav+ 1*task:x", "0.7*lang:jav + task:x"),
        ("-2.*lang:jav + -0*lang:b", "-2*lang:jav + 0*lang:b"),
        ("avg( lang:a ,2*./b)", "avg(lang:a, 2*./b)"),
        ("mix(0.7*lang:jav,.3*lang:sun) + task:x", "mix(0.7*lang:jav, 0.3*lang:sun) + task:x"),
        ("( lang:a+lang:b -lang:c )", "(lang:a + lang:b - lang:c)"),
        ("(- lang:a - -1e-3*lang:b + -2*lang:c)", "(-lang:a + 0.001*lang:b - 2*lang:c)"),
        ("linear(lang:a, -0.5*lang:b)", "(lang:a - 0.5*lang:b)"),
        (
            "ties (lang:a, lang:b,density = 0.5, seed=0 ,majority_sign_method=total)",
            "ties(lang:a, lang:b, density=0.5, seed=0, majority_sign_method=total)",
        ),
        ("0.5*avg(lang:a, (lang:b - lang:c))", "0.5*avg(lang:a, (lang:b - lang:c))"),
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
        ("0.7 lang:jav", 'column 5: expected "*" after the weight "0.7", found "lang:jav"'),
        ("0.7*", "column 5: expected a part such as lang:jav, task:topic or ./folder, found the end"),
        ("lang:b + 1e999*lang:a", "column 10: the weight inf is no finite number; write one such as 0.7"),
        ("0.5*0.5*lang:a", "column 5: expected a part such as lang:jav"),
        ("-lang:a", 'column 1: expected a part such as lang:jav, task:topic or ./folder, found "-lang:a"'),
        ("avg(lang:a, lang:b", 'column 19: expected "," or ")" after "lang:b", found the end'),
        ("avg()", "column 5: expected a part such as lang:jav"),
        ("avg(lang:a lang:b)", 'column 12: expected "," or ")" after "lang:a", found "lang:b"'),
        ("avg(lang:a, -1*lang:b)", 'column 1: the weights of "avg" add up to 0, and a mean divides by their sum'),
        ("avg(lang:a, mix(lang:b))", 'column 13: "mix" cannot stand inside "avg"; write its parts out'),
        ("avg(lang:a, n=1)", 'column 13: "avg" has no options, found "n"'),
        ("(lang:a, lang:b)", 'column 8: expected "+", "-" or ")", found "," in the name "a"'),
        ("(lang:a * 2)", 'column 9: expected "+", "-" or ")" after "lang:a", found "*"'),
        ("(lang:a + (lang:b))", 'column 11: expected a single component, found "("; write what is in there as a'),
        ("(" * 10_000, 'column 2: expected a single component, found "("'),
        ("(lang:a-lang:b)", 'column 13: expected "+", "-" or ")", found ":" in the name "a-lang"; put a space'),
        ("ties(avg(lang:a))", 'column 6: expected a single component, found "avg"'),
        ("ties(lang:a, density=)", 'column 22: expected a number or a word as "density", found ")"'),
        ("ties(density=0.5, lang:a)", 'column 19: expected an option such as density=0.5, found "lang:a"'),
        ("ties(lang:a, k=1, k=2)", 'column 1: the option "k" is given twice'),
        ("ties(density=1)", 'column 1: "ties" has nothing to merge'),
        (
            "lang:x + fuse(lang:jav, lang:sun)",
            'column 10: "fuse" is learned, and this stack names no trained fusion; train a component with [[parts]] '
            'method = "fusion"',
        ),
        (
            "lang:a - lang:b",
            'column 8: expected "+" after "lang:a", found "-"; arithmetic on parameters stands in parentheses',
        ),
        ("lang:c = lang:a", 'column 8: expected "+" after "lang:c", found "="; a combination is written with lect'),
    ],
)
def test_mistakes_are_located(text: str, message: str) -> None:
    with pytest.raises(StackError) as caught:
        parse_stack(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("lang:ban=lang:jav + lang:mad - lang:ind", "lang:ban = lang:jav + lang:mad - lang:ind"),
        ("lang:ban@2.0 = (lang:jav)", "lang:ban@2.0 = lang:jav"),
        ("lang:ban = ties(lang:jav, ./x, density=0.5)", "lang:ban = ties(lang:jav, ./x, density=0.5)"),
    ],
)
def test_canonical_form_of_a_combination(text: str, canonical: str) -> None:
    assert str(parse_combination(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lang:ban", 'combination, column 9: expected "=" after "lang:ban", found the end'),
        ("./ban = lang:a", "combination, column 1: a path cannot be the result; name it by role and name"),
        ("lang:ban = ", "combination, column 12: expected a part such as"),
        ("lang:ban = avg(lang:a, lang:b)", 'combination, column 12: "avg" mixes outputs while a stack runs, and is no'),
        ("lang:ban = (lang:a) + lang:b", 'combination, column 21: expected the end, found "+"'),
        ("lang:ban = lang:a, lang:b", 'combination, column 18: expected "+" or the end, found ","'),
        ("lang:ban = lang:a lang:b", 'combination, column 19: expected "+", "-" or the end after "lang:a", found'),
    ],
)
def test_mistakes_in_combinations_are_located(text: str, message: str) -> None:
    with pytest.raises(StackError) as caught:
        parse_combination(text)
    assert message in str(caught.value)


def test_what_terms_are() -> None:
    jav, sun = Reference("lang", "jav"), Reference("lang", "sun")
    assert parse_stack("0.7*lang:jav") == Stack((Weighted(0.7, jav),))
    assert parse_stack("1.0*lang:jav") == Stack((Weighted(1, jav),)) != Stack((jav,))
    assert str(parse_stack("1.0*lang:jav + 1*task:x + 1*(lang:a)")) == "1*lang:jav + task:x + (lang:a)"
    average = Mixture("avg", (Weighted(3, jav), Weighted(1, sun)))
    assert parse_stack("avg(3*lang:jav, lang:sun)").parts == (average,)
    assert average.coefficients == (0.75, 0.25)
    assert Mixture("mix", average.members).coefficients == (3, 1)
    assert parse_stack("0.5*(lang:jav - lang:sun) + avg(lang:sun, ties(./x, k=1))").atoms == (
        jav, sun, sun, PathReference("./x"),
    )  # fmt: skip


def test_terms_made_by_hand_are_checked() -> None:
    jav = Weighted(1, Reference("lang", "jav"))
    merge, mixture = Merge("linear", (jav,)), Mixture("mix", (jav,))
    for make in (
        lambda: Weighted(float("nan"), jav.part),
        lambda: Merge("avg", (jav,)),
        lambda: Merge("a b", (jav,)),
        lambda: Merge("ties", ()),
        lambda: Merge("ties", (Weighted(1, merge),)),
        lambda: Merge("ties", (Weighted(1, mixture),)),
        lambda: Merge("ties", (jav,), (("density", float("inf")),)),
        lambda: Merge("ties", (jav,), (("density", "a b"),)),
        lambda: Mixture("sum", (jav,)),  # type: ignore[arg-type]
        lambda: Mixture("mix", ()),
        lambda: Mixture("mix", (Weighted(1, mixture),)),
    ):
        with pytest.raises(StackError):
            make()


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


@pytest.mark.processes
def test_parsing_needs_no_torch() -> None:
    program = (
        "import sys; from lect import parse_stack; parse_stack('lang:a + task:b@1.0'); print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
