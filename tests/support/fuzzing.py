"""Inputs that nobody should send, and what must hold for each of them: a refusal in one line, or a whole result."""

from __future__ import annotations

import copy
import datetime
import io
import json
import math
import random
import re
import tarfile
import tempfile
from pathlib import Path

from lect.errors import ComponentError, RegistryError, UserError
from lect.registry.archive import pack, unpack
from lect.registry.entries import entry_text
from lect.registry.lock import read_lock, write_lock
from lect.registry.model import parse_registry, registry_of
from lect.registry.paths import check_file_path
from lect.storage.manifest import manifest_of, manifest_text
from lect.storage.store import write_component
from lect.toml import parse_toml
from lect.weight_files import check_weights

REGISTRY = """schema = 1
[[plugin]]
name = "lora"
distribution = "lect-lora"
version = "0.1.0"
api = 1
licence = "Apache-2.0"

[[component]]
name = "mad"
version = "1.0.0"
role = "lang"
languages = ["mad"]
licence = "CC-BY-4.0"
backbone = {name = "tiny", identity = "org/tiny", fingerprint = "AAAA", hidden_size = 8}
files = [{path = "component.toml", size = 3, sha256 = "BBBB"}]
""".replace("AAAA", "a" * 64).replace("BBBB", "b" * 64)
MANIFEST = """schema = 1
name = "mad"
version = "1.0.0"
role = "lang"
languages = ["mad"]
licence = "CC-BY-4.0"
[backbone]
name = "tiny"
identity = "org/tiny"
fingerprint = "AAAA"
hidden_size = 8
[[parts]]
method = "full"
[parts.config]
[[results]]
metric = "f1"
value = 0.5
dataset = "x"
""".replace("AAAA", "a" * 64)
TOKENS = (
    b"\x00", b"\xff", b"..", b"/", b"\\", b"[[", b"]]", b"{", b"}", b"=", b'"', b'"""', b"'", b"\n", b"#", b"nan",
    b"inf", b"-1", b"9" * 400, b"0x" + b"f" * 80, b"1e999", b"\xe2\x80\xae", b"a" * 5000, b"[" * 200, b"a." * 80,
    b"true",
    b"schema", b"2", b"files", b"yanked", b"con", b"1979-05-27", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9",
    b"@", b":",
)  # fmt: skip

ODD_NAMES = (
    "..", "../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:evil", "con", "nul.txt", ".ssh/evil", "~/evil",
    "evil ", "evil.", "EVIL", "\u202egnp", "e\u0301", "x" * 300, "a/" * 200, "evil\n", "\udcff", "component.toml",
    "Component.toml", "weights.safetensors", "README.md", "weights.safetensors/evil", "", ".",
)  # fmt: skip
ODD_VALUES = (
    *ODD_NAMES, True, False, -1, 0, 1, 2, 2**31, 2**63 - 1, -(2**63), 0.0, -0.0, math.inf, math.nan, 1e308, 0.5, [], {},
    [[]], [{}], {"": ""}, {"a": [{"b": {}}]}, ["mad", "mad"], ["x"] * 3000, datetime.date(1979, 5, 27), "MIT AND",
    "LicenseRef-x", "MIT OR " * 200 + "MIT", "mad", "zz-Zzzz-ZZ-x-" + "y" * 200, "1.0.0", "1!1", "1." * 500 + "1",
    "lang:mad@^1", "lang:a + " * 300 + "task:b", "((((((((lang:a))))))))", "a" * 64, "\x1b[31m", "| a | b |",
    "<script>", "(((",
)  # fmt: skip


def with_odd_values(values, generator: random.Random):
    """A copy in which some values are others, gone, doubled, swapped, or under another name."""
    values = copy.deepcopy(values)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        places = list(_places(values))
        if not places:
            break
        holder, key = generator.choice(places)
        match generator.randint(0, 5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[str(generator.choice(ODD_VALUES))] = holder[key]
            case 1:
                holder.append(copy.deepcopy(holder[key]))
            case 2:
                other, name = generator.choice(places)
                if isinstance(other, list) is isinstance(name, int) and (isinstance(other, dict) or name < len(other)):
                    holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else other[name])
            case _:
                holder[key] = copy.deepcopy(generator.choice(ODD_VALUES))
    return values


def _places(values):
    for key, value in list(values.items() if isinstance(values, dict) else enumerate(values)):
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)


def mutated(content: bytes, generator: random.Random) -> bytes:
    """The content with some bytes flipped, cut, doubled, moved or replaced by what often breaks parsers."""
    data = bytearray(content)
    for _ in range(generator.randint(1, 6)):
        place = generator.randint(0, len(data))
        other = generator.randint(place, min(len(data), place + generator.choice((1, 4, 40, 400))))
        match generator.randint(0, 5):
            case 0 if data:
                data[min(place, len(data) - 1)] ^= 1 << generator.randint(0, 7)
            case 1:
                del data[place:other]
            case 2:
                data[place:place] = data[place:other] * generator.randint(1, 3)
            case 3:
                data[place:place] = generator.choice(TOKENS)
            case 4:
                data[place:other] = generator.choice(TOKENS)
            case _:
                del data[generator.randint(0, len(data)) :]
    return bytes(data)


def refused_in_one_line(action, errors=UserError) -> bool:
    """Whether an input was refused; anything but a refusal in one line is a fault."""
    try:
        action()
    except errors as error:
        assert "\n" not in str(error), repr(str(error))
        assert str(error).isprintable(), repr(str(error))
        return True
    return False


def try_registry(content: bytes) -> bool:
    """A registry is whole, or refused."""
    text = content.decode("utf-8", "replace")

    def read():
        registry = parse_registry(text, where="registry.toml")
        for entry in registry.components:
            assert ".." not in entry.place
            for file in entry.files:
                check_file_path(file.path)

    return refused_in_one_line(read, RegistryError)


def try_manifest(content: bytes) -> bool:
    """A manifest is whole, or refused."""
    text = content.decode("utf-8", "replace")
    where = "component.toml"
    return refused_in_one_line(
        lambda: manifest_of(parse_toml(text, ComponentError, where=where), where=where), ComponentError
    )


def try_manifest_values(values) -> bool:
    """Values are no manifest, or one that is read as it was written, and has a card that the hub reads."""
    from huggingface_hub import ModelCard

    from lect.storage.card import render_card

    def read():
        manifest = manifest_of(values, where="component.toml")
        text = manifest_text(manifest)
        again = manifest_of(parse_toml(text, ComponentError, where="component.toml"), where="component.toml")
        assert again == manifest
        card = render_card(manifest)
        assert ModelCard(card).data.to_dict()["library_name"] == "lect"
        assert "<script>" not in _outside_code(card.split("---\n", 2)[2])

    return refused_in_one_line(read, ComponentError)


def _outside_code(markdown: str) -> str:
    body = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", body)


def try_registry_values(values) -> bool:
    """Values are no registry, or one whose entries are read as they were written."""

    def read():
        registry = registry_of(values, where="registry.toml")
        text = "schema = 1\n\n" + "\n".join(entry_text(entry) for entry in registry.components)
        assert parse_registry(text, where="registry.toml").components == registry.components
        for entry in registry.components:
            assert not Path(entry.place).is_absolute()
            assert ".." not in Path(entry.place).parts

    return refused_in_one_line(read, RegistryError)


def try_lock(content: bytes, folder: Path) -> bool:
    """A lock is refused, or read as it is written again."""
    file, again = folder / "lect.lock", folder / "again.lock"
    file.write_bytes(content)

    def read():
        lock = read_lock(file)
        write_lock(lock, again)
        assert read_lock(again) == lock

    return refused_in_one_line(read, RegistryError)


def try_card(content: bytes, folder: Path) -> bool:
    """A card is sound, or it is said what is wrong with it, in lines that can be shown."""
    from lect.storage.card_check import card_problems

    (folder / "README.md").write_bytes(content)
    manifest = manifest_of(parse_toml(MANIFEST, ComponentError, where="x"), where="x")
    problems = list(card_problems(manifest, folder))
    assert all(problem.isprintable() and len(problem) < 1000 for problem in problems)
    return bool(problems)


def try_weights(content: bytes, folder: Path) -> bool:
    """A safetensors file is refused, or torch reads it and finds the tensors that were announced."""
    from safetensors.torch import load_file

    file = folder / "weights.safetensors"
    file.write_bytes(content)
    names = None

    def read():
        nonlocal names
        names = check_weights(file)

    refused = refused_in_one_line(read, ComponentError)
    if not refused:
        assert set(load_file(file)) == set(names or ())
    return refused


def try_archive(content: bytes, folder: Path) -> bool:
    """An archive is refused, or a component lies where it should; nothing lies anywhere else."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name)
        (root / "in.lect.tar").write_bytes(content)
        components = root / "components"
        refused = refused_in_one_line(lambda: unpack(root / "in.lect.tar", components))
        assert sorted(path.name for path in root.iterdir()) in (["components", "in.lect.tar"], ["in.lect.tar"])
        whole = [path.parent for path in root.rglob("*") if path.name == "component.toml"]
        assert len(whole) == (0 if refused else 1)
        assert not list(root.rglob(".*"))
        return refused


def an_archive(folder: Path) -> bytes:
    """A small component's archive."""
    import torch

    from lect.storage.manifest import Manifest

    manifest = Manifest.model_validate(parse_toml(MANIFEST, ComponentError, where="x"))
    component = write_component(folder / "lang/mad", manifest, {"full.a": torch.ones(3)}, None, "---\n---\n")
    return pack(component, folder / "mad.lect.tar").file.read_bytes()


def a_lock(folder: Path) -> bytes:
    """The lock of a small component."""
    from lect.registry.lock import Lock, LockedComponent

    [entry] = parse_registry(REGISTRY, where="x").components
    lock = Lock(stack="lang:mad@1.0.0", component=(LockedComponent(source="https://example.org/", entry=entry),))
    write_lock(lock, folder / "lect.lock")
    return (folder / "lect.lock").read_bytes()


def a_card() -> bytes:
    """The card of a small component."""
    from lect.storage.card import render_card

    return render_card(manifest_of(parse_toml(MANIFEST, ComponentError, where="x"), where="x")).encode()


def odd_archive(archive: bytes, generator: random.Random) -> bytes:
    """An archive's files, and others that should not be there, some under names or of kinds that nobody should send."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = [(header, opened.extractfile(header).read()) for header in opened]
    for _ in range(generator.randint(0, 3)):
        header = tarfile.TarInfo(generator.choice(ODD_NAMES))
        header.type = generator.choice(
            (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE,
             tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z")
        )  # fmt: skip
        header.linkname = generator.choice(("", "/etc/passwd", "../../evil", "component.toml"))
        header.mode = generator.choice((0, 0o644, 0o7777))
        members.insert(generator.randint(0, len(members)), (header, generator.choice((b"", b"x", b"schema = 1\n"))))
    if generator.random() < 0.3:
        header, _ = generator.choice(members)
        header.name = generator.choice(ODD_NAMES)
    if generator.random() < 0.2:
        members.append(generator.choice(members))
    form = generator.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    return a_tar(*members, form=form)


def weights_of(header: object, body: bytes) -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(header, default=str).encode()
    return len(text).to_bytes(8, "little") + text + body


def a_tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.DEFAULT_FORMAT) -> bytes:
    """An archive with these members, whatever they are."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, errors="surrogateescape") as archive:
        for header, content in members:
            header.size = len(content)
            try:
                archive.addfile(header, io.BytesIO(content))
            except ValueError:
                # The older form has no room for a name like this one.
                continue
    return stream.getvalue()
