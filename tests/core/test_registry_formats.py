"""What comes from strangers: names, versions, registries, archives and weights, sound and not."""

from __future__ import annotations

import random
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from fuzzing import (
    MANIFEST,
    REGISTRY,
    a_tar,
    an_archive,
    mutated,
    try_archive,
    try_manifest,
    try_manifest_values,
    try_registry,
    try_registry_values,
    try_weights,
    weights_of,
    with_odd_values,
)
from hypothesis import example, given
from hypothesis import strategies as st

from lect.composition.stack import parse_combination, parse_stack
from lect.errors import ComponentError, RegistryError, StackError, UserError
from lect.registry.archive import unpack
from lect.registry.entries import entry_text, new_registry_text, with_field
from lect.registry.index import index_of
from lect.registry.model import parse_registry, signed_text
from lect.registry.paths import check_file_path
from lect.toml import parse_toml
from lect.versions import is_range, matches, newest
from lect.weight_files import check_weights

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize(
    "path",
    [
        "", "..", "../a", "a/../b", "/a", "a//b", "./a", "a\\b", "C:a", "~/a", ".hidden", "a/.git/config", "a\nb", "a ",
        "a.", "con", "CON.txt", "a/nul", "lpt1.x", "e\u0301", "\u202egnp", "x" * 241, "a/" * 9 + "b", "a\x00b",
        "a?", "\ud800",
    ],
)  # fmt: skip
def test_names_that_are_refused(path):
    with pytest.raises(UserError) as caught:
        check_file_path(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "path", ["component.toml", "weights.safetensors", "a/b-c_d.json", "\u07d2\u07de\u07cf.txt", "const", "x.con"]
)
def test_names_that_are_taken(path):
    assert check_file_path(path) == path


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.2.0", "1.2", True), ("1.2.1", "1.2", False), ("1.9", "^1.2", True), ("2.0", "^1.2", False),
        ("1.1", "^1.2", False),
        ("0.2.9", "^0.2.1", True), ("0.3", "^0.2.1", False), ("2.0.dev1", "^1", False), ("1.2.9", "~1.2", True),
        ("1.3", "~1.2", False), ("1.5", ">=1,<2", True), ("2.0", ">=1,<2", False), ("1.5", ">=1,!=1.5", False),
        ("1.4.5", "~=1.4.2", True), ("1.5", "~=1.4.2", False), ("3", None, True), ("0.0.3", "^0.0.3", True),
        ("0.0.4", "^0.0.3", False),
    ],
)  # fmt: skip
def test_ranges(version, wanted, fits):
    assert wanted is None or is_range(wanted)
    assert matches(version, wanted) is fits


@pytest.mark.parametrize("text", ["", "x", "^", "^x", ">=1,2", "1,", "~=1", "==1.*", "1!2", "1+a", "^1 ", "<>1"])
def test_what_is_no_range(text):
    assert not is_range(text)


def test_the_newest_is_a_release_where_there_is_one():
    assert newest(["1.0", "2.0rc1", "1.10", "1.9"]) == "1.10"
    assert newest(["2.0rc1", "2.0rc2"]) == "2.0rc2"
    assert newest(["1.0"], "^2") is None


def test_an_entry_is_read_as_it_was_written():
    [entry] = parse_registry(REGISTRY, where="x").components
    entry = entry.model_copy(update={"summary": 'a "quoted" \\ line', "signature": "two\nlines\n"})
    text = f"{new_registry_text()}\n{entry_text(entry)}"
    assert parse_registry(text, where="x").components == (entry,)
    withdrawn = with_field(text, entry, "yanked", "for a reason")
    assert parse_registry(withdrawn, where="x").components[0].yanked == "for a reason"
    assert with_field(withdrawn, entry, "yanked", None) == text


def test_what_is_signed_names_component_and_files():
    [entry] = parse_registry(REGISTRY, where="x").components
    assert signed_text(entry) == f"# lect component lang:mad@1.0.0\n{'b' * 64}  component.toml\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("schema = 1", "schema = 2"), "is of schema 2, and this lect reads schema 1; upgrade lect"),
        (("schema = 1", ""), "says no schema"),
        (('role = "lang"', 'role = "lang"\nkind = "x"'), 'component[0].kind: unknown field "kind"'),
        (("CC-BY-4.0", "free"), "component[0].licence"),
        (('["mad"]', '["maduerse"]'), "component[0].languages"),
        (("component.toml", "../component.toml"), "leaves its folder"),
        (("size = 3", "size = -1"), "component[0].files[0].size"),
        (("size = 3", "size = 99999999999999"), "component[0].files[0].size"),
        (("b" * 64, "B" * 64), "component[0].files[0].sha256"),
        (("size = 3", 'size = 3, "\\u001b[31m\\u202e\\n" = 1'), r'files[0].\x1b[31m\u202e\n: unknown field "\x1b[31m'),
        (
            ("files = [", f'files = [{{path = "component.toml/x", size = 1, sha256 = "{"c" * 64}"}}, '),
            "in the place of a folder",
        ),
        (("api = 1", "api = 0"), "plugin[0].api"),
        (('"lect-lora"', '"--index-url=http://evil"'), "plugin[0].distribution"),
    ],
)
def test_registries_that_are_refused(change, said):
    with pytest.raises(RegistryError) as caught:
        parse_registry(REGISTRY.replace(*change), where="registry.toml")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_one_version_is_listed_once():
    component = REGISTRY[REGISTRY.index("[[component]]") :]
    with pytest.raises(RegistryError, match=r"lang:mad@1\.0 is there twice"):
        parse_registry(f"{REGISTRY}\n{component.replace('1.0.0', '1.0')}", where="x")


@given(SEEDS)
def test_broken_registries(seed):
    try_registry(mutated(REGISTRY.encode(), random.Random(seed)))


@given(SEEDS)
def test_values_that_nobody_should_send(seed):
    generator = random.Random(seed)
    manifest, registry = (parse_toml(text, UserError, where="x") for text in (MANIFEST, REGISTRY))
    try_manifest_values(with_odd_values(manifest, generator))
    try_registry_values(with_odd_values(registry, generator))


@given(SEEDS)
def test_broken_manifests(seed):
    try_manifest(mutated(MANIFEST.encode(), random.Random(seed)))


_SHAPES = st.lists(st.integers(-1, 2**63) | st.integers(0, 4), max_size=4)
_ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "I64", "BOOL", "F8_E4M3", "X", ""]) | st.integers(),
        "shape": _SHAPES | st.text(max_size=3),
        "data_offsets": st.lists(st.integers(-1, 64) | st.just(2**63), max_size=3),
    }
)


@given(st.dictionaries(st.text(max_size=6), _ENTRIES | st.none(), max_size=3), st.binary(max_size=64))
@example({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))
@example({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}, b"")
@example({"__metadata__": "x"}, b"")
@example({"__metadata__": {"lect": "\ud800"}}, b"")
@example({"\udcff": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, b"")
@example({"__metadata__": {"lect": 2}}, b"")
def test_headers_of_weights(tmp_path, header, body):
    try_weights(weights_of(header, body), tmp_path)


def test_a_header_that_would_take_all_memory_is_not_read(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ComponentError, match="is not a safetensors file"):
        check_weights(file)


def test_a_header_that_says_something_twice(tmp_path):
    file = tmp_path / "weights.safetensors"
    tensor = b'"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    header = b"{" + tensor + b", " + tensor + b"}"
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    with pytest.raises(ComponentError, match="says something twice"):
        check_weights(file)


@given(SEEDS)
def test_broken_archives(tmp_path_factory, seed):
    folder = tmp_path_factory.getbasetemp() / "archives"
    folder.mkdir(exist_ok=True)
    if not (folder / "mad.lect.tar").exists():
        an_archive(folder)
    try_archive(mutated((folder / "mad.lect.tar").read_bytes(), random.Random(seed)), folder)


def _member(name, **values):
    header = tarfile.TarInfo(name)
    for field, value in values.items():
        setattr(header, field, value)
    return header


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([(_member("../evil"), b"x")], "leaves its folder"),
        ([(_member("/tmp/evil"), b"x")], "leaves its folder"),
        ([(_member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")], "something else than plain files"),
        ([(_member("a", type=tarfile.LNKTYPE, linkname="b"), b"")], "something else than plain files"),
        ([(_member("a", type=tarfile.CHRTYPE), b"")], "something else than plain files"),
        ([(_member("a", type=tarfile.DIRTYPE), b"")], "something else than plain files"),
        ([(_member("x" * 300), b"x")], "something else than plain files"),
        ([(_member("nul"), b"x")], "is the name of a device"),
        ([(_member("a"), b"x"), (_member("A"), b"x")], "twice, in capitals and not"),
        ([(_member("a"), b"x"), (_member("a/b"), b"x")], "or as file and folder"),
        ([(_member("A/b"), b"x"), (_member("a"), b"x")], "or as file and folder"),
        ([(_member(f"f{number}"), b"x") for number in range(65)], "holds more than 64 files"),
        ([], "is empty"),
        ([(_member("readme.txt"), b"x")], "there is no component.toml in it"),
    ],
)
def test_archives_that_are_refused(tmp_path, members, said):
    file = tmp_path / "evil.lect.tar"
    file.write_bytes(a_tar(*members))
    with pytest.raises(ComponentError) as caught:
        unpack(file, tmp_path / "components")
    assert said in str(caught.value)
    assert not list((tmp_path / "components").rglob("*"))


def test_an_archive_that_says_it_is_huge(tmp_path):
    header = _member("weights.safetensors")
    header.size = 2**40
    file = tmp_path / "evil.lect.tar"
    file.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ComponentError, match="is cut short"):
        unpack(file, tmp_path / "components")


@pytest.mark.parametrize(
    "text",
    [
        "0.5*lang:mad@>=1,<2 + task:x@^1",
        "avg(lang:a@>=1,<2, lang:b@~1.2) + task:c",
        "(lang:a@^1 - lang:b@1.0)",
        "lang:a@<2",
    ],
)
def test_ranges_in_stacks(text):
    assert parse_stack(str(parse_stack(text))) == parse_stack(text)
    versions = [atom.version for atom in parse_stack(text).atoms]
    assert [version for version in versions if version] == re.findall(r"@((?:[^\s,)]|,(?=[<>=!~]))+)", text)


@pytest.mark.parametrize("text", ["lang:a@>=1, <2", "lang:a@^", "lang:a@^x", "lang:a@1..2", "lang:a@"])
def test_ranges_that_no_stack_takes(text):
    with pytest.raises(StackError) as caught:
        parse_stack(text)
    assert "\n" not in str(caught.value)


def test_a_range_is_no_name_for_a_result():
    with pytest.raises(StackError, match="a range of versions cannot be the result"):
        parse_combination("lang:c@^1 = lang:a + lang:b")


def test_an_index_that_several_make_at_once_is_made_by_each(tmp_path, monkeypatch):
    content = b"schema = 1\n"
    for number in range(15):
        monkeypatch.setenv("LECT_CACHE", str(tmp_path / str(number)))
        with ThreadPoolExecutor(8) as threads:
            for made in [threads.submit(index_of, content, where="registry.toml") for _ in range(8)]:
                made.result()
