"""Inputs that nobody should send, and what must hold for each of them: a refusal in one line, or a whole result."""

from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
from pathlib import Path

from lect.components.manifest import manifest_of
from lect.components.store import write_component
from lect.components.weights import check_weights
from lect.errors import ComponentError, RegistryError, UserError
from lect.registry.archive import pack, unpack
from lect.registry.model import parse_registry
from lect.registry.paths import check_file_path
from lect.toml import parse_toml

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
PIECES = (
    b"\x00", b"\xff", b"..", b"/", b"\\", b"[[", b"]]", b"{", b"}", b"=", b'"', b'"""', b"'", b"\n", b"#", b"nan",
    b"inf", b"-1", b"9" * 400, b"0x" + b"f" * 80, b"1e999", b"\xe2\x80\xae", b"a" * 5000, b"[" * 200, b"a." * 80,
    b"true",
    b"schema", b"2", b"files", b"yanked", b"con", b"1979-05-27", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9",
    b"@", b":",
)  # fmt: skip


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
                data[place:place] = generator.choice(PIECES)
            case 4:
                data[place:other] = generator.choice(PIECES)
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

    from lect.components.manifest import Manifest

    manifest = Manifest.model_validate(parse_toml(MANIFEST, ComponentError, where="x"))
    component = write_component(folder / "lang/mad", manifest, {"full.a": torch.ones(3)}, None, "---\n---\n")
    return pack(component, folder / "mad.lect.tar").file.read_bytes()


def weights_of(header: object, body: bytes) -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def a_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive with these members, whatever they are."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for header, content in members:
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return stream.getvalue()
