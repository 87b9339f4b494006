"""What cannot be mixed, merged or fused: refused with the reason and what would be right."""

from __future__ import annotations

import shutil

import pytest
from small_library import Bench

from lect import MethodSpec
from lect.composition.stack import parse_stack
from lect.errors import LectError
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry, HeadEntry, read_manifest
from lect.storage.members import member_entries, read_with_members
from lect.storage.store import read_component, write_component

OTHER = BackboneEntry(name="other", identity="other", fingerprint="b" * 64, hidden_size=32)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A library of all that is mixed here, written once."""
    bench = Bench(tmp_path_factory.mktemp("written"))
    for name in ("a", "b", "c"):
        bench.write(f"lang:{name}", "affine")
    bench.write("lang:last", "affine", {"last_layers": 1})
    bench.write("lang:wide", "lora", {"r": 2})
    bench.write("lang:dora", "dora", {"r": 2})
    bench.write("lang:dora2", "dora", {"r": 2})
    bench.write("lang:hra", "peft", {"type": "hra", "r": 2})
    bench.write("lang:foreign", "affine", manifest={"backbone": OTHER})
    bench.write("lang:nqo", "affine", manifest={"own_tokenizer": True})
    bench.write("lang:chr", "affine", manifest={"own_tokenizer": True})
    bench.write("task:adapt", "affine")
    head = HeadEntry(kind="classification", labels=("no", "yes"))
    bench.write("task:topic", "affine", manifest={"head": head})
    bench.write("task:mood", "affine", manifest={"head": head})
    bench.fuse("lang:fused", "lang:a", "lang:b")
    shutil.copytree(bench.folder / "task/adapt", bench.folder / "lang/misplaced")
    return bench.folder


@pytest.fixture
def bench(written, tmp_path):
    """The library in a folder of the test's own."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


def refusal(bench, text):
    with pytest.raises(LectError) as caught:
        bench.open(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason", "right"),
    [
        # heads
        ("0.5*task:topic", '"task:topic" has a head, and a weight has no meaning for answers', "leave it out"),
        ("avg(task:topic, task:adapt)", '"task:topic" has a head, and a mixture has no', "stand in the stack on its"),
        ("(task:topic + task:mood)", "has a head, and arithmetic on parameters has no meaning", "leave it out"),
        (
            "avg(lang:a, lang:b) + task:topic + task:mood",
            "it has two heads",
            'write "avg(lang:a, lang:b) + task:topic"',
        ),
        # vocabularies
        ("mix(lang:a, lang:nqo)", "a row is cut by one tokenizer", 'let "lang:nqo" stand in the stack on its own'),
        ("(lang:nqo - lang:a)", '"lang:nqo" has a vocabulary, and arithmetic', "on its own"),
        ("lang:nqo + lang:chr", "it has two vocabularies", 'write "lang:nqo" or "lang:chr"'),
        # roles
        ("avg(task:adapt, lang:a)", '"task:adapt" is of role "task"', 'write them in order: "lang:a + task:adapt"'),
        ("(lang:a + task:adapt)", '"task:adapt" of role "task"', '"lang:a + task:adapt"'),
        (
            "task:topic + avg(lang:a, lang:b)",
            'the language part "avg(lang:a, lang:b)" stands after the task part "task:topic"',
            'write "avg(lang:a, lang:b) + task:topic"',
        ),
        (
            "avg(lang:a, lang:misplaced)",
            '"lang:misplaced" is a component of role "task"',
            'where "task:misplaced" lies',
        ),
        ("0.5*lang:misplaced", '"lang:misplaced" is a component of role "task"', "move its folder"),
        # fingerprints
        ("avg(lang:a, lang:foreign)", "b" * 64, "name components of one backbone"),
        ("(lang:foreign + lang:a)", 'was trained on backbone "other"', "name components of one backbone"),
        ("avg(lang:a, lang:b) + lang:foreign", "b" * 64, "compose components of one backbone"),
        # the same one twice
        ("lang:a + avg(lang:a, lang:b)", "the component lang:a 1.0.0 stands in it twice", "name it once"),
        ("(lang:a - lang:a)", "stands in it twice", "name it once, with one weight"),
        ("0.5*lang:a + lang:a", "stands in it twice", 'write "0.5*lang:a"'),
        # unlike methods and configurations
        ("(lang:a + lang:wide)", 'is made by "affine" and "lang:wide" by "lora"', "mix(lang:a, lang:wide)"),
        ("(lang:a + lang:last)", '"lang:a" has last_layers = None and "lang:last" 1', "mix(lang:a, lang:last)"),
        ("(lang:dora + lang:dora2)", 'parts of the method "dora" cannot be merged', "mix(0.5*lang:a, 0.5*lang:b)"),
        ("(0.5*lang:hra)", 'parts of the method "hra" cannot be merged', "side by side"),
        ("(lang:a + lang:fused)", 'is made by "affine" and "lang:fused" by "fusion"', "mix("),
        ("(0.5*lang:fused)", '"lang:fused" is a fusion', "mix outputs instead"),
        # merges
        ("tise(lang:a, lang:b)", 'no plugin provides merge "tise"', 'did you mean "ties"?'),
        ("average(lang:a, lang:b)", 'no plugin provides merge "average"', 'did you mean "avg"?'),
        ("ties(lang:a, lang:b, densty=1)", 'unknown field "densty"', 'did you mean "density"?'),
        ("ties(lang:a, lang:b, density=1.5)", "ties.density", "less than or equal to 1"),
        ("avg(lang:a, lang:none)", 'there is no component "lang:none"', "did you mean"),
    ],
)
def test_refusals(bench, text, reason, right):
    message = refusal(bench, text)
    assert reason in message
    assert right in message


def test_a_fusion_of_unlike_methods_is_refused(bench):
    with pytest.raises(
        LectError, match=r'here: "lang:a" is made by "affine" and "lang:wide" by "lora"; name components'
    ):
        bench.fuse("lang:new", "lang:a", "lang:wide")


def test_a_fusion_of_unlike_places_is_refused(bench):
    with pytest.raises(LectError, match=r'"lang:a" acts at .* and "lang:last" does not, and a fusion attends'):
        bench.fuse("lang:new", "lang:a", "lang:last")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (("lang:a", "lang:foreign"), "b" * 64),
        (("lang:a", "lang:nqo"), "has a vocabulary, and a fusion has no meaning for tokens"),
        (("task:adapt", "task:topic"), "has a head, and a fusion has no meaning for answers"),
        (("lang:a", "task:adapt"), 'write them in order: "lang:a [+] task:adapt"'),
        (("task:adapt", "task:other"), '"lang:new" is a language, and "task:adapt" a task'),
        (("lang:a", "lang:new"), 'a component cannot stand on itself: "lang:new" over "lang:new"'),
    ],
)
def test_fusions_that_make_no_sense_are_refused(bench, members, message):
    bench.write("task:other", "affine")
    bench.write("lang:new", "affine")
    with pytest.raises(LectError, match=message):
        bench.fuse("lang:new", *members)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["lang:a"], "should be at least two components"),
        (["lang:a", "lang:a@1.0.0"], '"lang:a" is there twice'),
        (["lang:a", "./b"], "should be one component by role and name"),
        (["lang:a", "avg(lang:a, lang:b)"], "should be one component by role and name"),
        (["lang:a", "lng:b"], "should be a component such as lang:jav"),
    ],
)
def test_the_names_under_a_fusion_are_checked(bench, over, message):
    with pytest.raises(LectError, match=message):
        bench.host.configured(MethodSpec, "fusion", {"over": over}, "recipe.toml, parts[0]")


def test_a_fusion_over_itself_through_others_is_refused(bench):
    bench.fuse("lang:other", "lang:a", "lang:c")
    bench.fuse("lang:top", "lang:fused", "lang:other")
    with pytest.raises(LectError, match='"lang:fused" over "lang:top" over "lang:fused"'):
        bench.fuse("lang:fused", "lang:top", "lang:other")
    # Written by hand, it is seen when the stack is opened.
    rewrite(bench, "lang/fused", ("lang:top", "lang:other"))
    assert refusal(bench, "lang:fused").startswith(
        'a component cannot stand on itself: "lang:fused" over "lang:top" over "lang:fused"'
    )


def rewrite(bench, place, over):
    folder = bench.folder / place
    stored = read_component(folder)
    entries = member_entries({name: read_component(bench.folder / name.replace(":", "/")) for name in over})
    manifest = stored.manifest.model_copy(update={"members": entries})
    write_component(folder, manifest, stored.tensors, None, "")


def test_a_member_that_is_missing(bench):
    shutil.rmtree(bench.folder / "lang/b")
    message = refusal(bench, "lang:fused + task:topic")
    assert '"lang:fused" stands on "lang:b" 1.0.0, which cannot be read' in message
    assert 'there is no component "lang:b"' in message
    sha256 = read_manifest(bench.folder / "lang/fused/component.toml").members[1].weights
    assert message.endswith(f'put "lang:b" 1.0.0 there, with weights of SHA-256 {sha256}')


def test_a_member_that_was_trained_again(bench):
    bench.write("lang:b", "affine", seed=9)
    message = refusal(bench, "lang:fused")
    assert "and what is there has" in message
    assert message.endswith('put the former one there, or train "lang:fused" again')
    bench.write("lang:b", "affine", manifest={"version": "2.0"})
    message = refusal(bench, "lang:fused")
    assert '"lang:fused" stands on "lang:b" 1.0.0, and what is there is 2.0' in message


def test_a_member_in_the_version_that_is_recorded(bench):
    """As pulled: several versions side by side. The newest is not the one that the fusion was trained on."""
    (bench.folder / "lang/b").rename(bench.folder / "lang/b@1.0.0")
    bench.write("lang:b", "affine", seed=9, manifest={"version": "2.0"})
    (bench.folder / "lang/b").rename(bench.folder / "lang/b@2.0")
    library = Library((bench.folder,))
    assert library.find(parse_stack("lang:b").parts[0]).name == "b@2.0"
    stored = read_with_members(parse_stack("lang:fused").parts[0], library.find)
    assert stored.members["lang:b"].folder.name == "b@1.0.0"


def test_what_is_never_trained_must_be_the_same(bench):
    for name, seed in (("x", 1), ("y", 2)):
        bench.write(f"lang:{name}", "vera", {"r": 2, "projection_prng_key": seed}, seed=seed)
    message = refusal(bench, "(lang:x + lang:y)")
    assert "cannot be merged" in message
