"""Models that TensorFlow itself wrote (tests/support/tensorflow_checkpoints.py), as backbones by their folders."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py  # importing it starts `uname`, which no quick test may
import numpy as np
import pytest
import torch

from lect import BackboneError, Host, UserError, load_backbone
from lect_tensorflow.bundle import Bundle, masked_checksum

GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow"
STATES = np.load(GOLDEN / "hidden_states.npz")
IDS = torch.tensor([[2, 7, 9, 30, 11, 3], [2, 5, 6, 3, 0, 0]])
TYPES = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]])


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    return Host.load()


def unpacked(name, folder):
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def google(tmp_path):
    return unpacked("google_bert", tmp_path / "google")


def refused(folder, host):
    with pytest.raises(BackboneError) as caught:
        load_backbone(str(folder), host=host)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", sorted(STATES.files))
def test_hidden_states_are_tensorflows(name, tmp_path, host):
    backbone = load_backbone(str(unpacked(name, tmp_path / name)), host=host)
    mask = IDS != 0
    with torch.no_grad():
        found = backbone.model(IDS, attention_mask=mask.long(), token_type_ids=TYPES).last_hidden_state
    assert (found - torch.tensor(STATES[name]))[mask].abs().max() < 1e-5
    assert backbone.tokenizer("Ab, Éfa")["input_ids"] == [2, 5, 32, 1, 9, 36, 31, 3]


def test_every_variable_is_named_or_used(google, host, tmp_path):
    from lect_tensorflow.convert import convert

    target = tmp_path / "out"
    target.mkdir()
    assert convert(google, target, lambda *_: None) == [
        "left out counters (1 variables)",
        "left out the head of masked words (5 variables)",
        "left out the head of sentence pairs (2 variables)",
        "left out the pooler (2 variables)",
    ]


def test_a_checkpoint_that_is_cut_short(google, host):
    data = google / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    assert "it is cut short" in refused(google, host)
    data.unlink()
    assert "it is not there" in refused(google, host)


@pytest.mark.parametrize("length", [0, 10, 500, -1])
def test_an_index_that_is_cut_short(length, google, host):
    index = google / "bert_model.ckpt.index"
    index.write_bytes(index.read_bytes()[:length])
    assert "it is no checkpoint of TensorFlow, or damaged" in refused(google, host)


def test_an_index_with_another_byte(google, host):
    index = google / "bert_model.ckpt.index"
    content = bytearray(index.read_bytes())
    content[100] ^= 1
    index.write_bytes(content)
    assert "its checksum is wrong" in refused(google, host)


@pytest.mark.parametrize("name", ["garden_h5", "garden_weights_h5", "garden_keras", "transformers"])
def test_a_keras_file_that_is_cut_short(name, tmp_path, host):
    folder = unpacked(name, tmp_path / name)
    file = next(file for file in folder.iterdir() if file.suffix in (".h5", ".keras"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "it is no Keras file, or damaged" in refused(folder, host)


def test_a_keras_file_that_becomes_much_larger_than_it_is(tmp_path, host):
    """What is packed in the archive, and what an HDF5 file says to hold and never wrote."""
    for name, suffix in (("garden_keras", ".keras"), ("garden_weights_h5", ".h5")):
        folder = unpacked(name, tmp_path / name)
        file = next(file for file in folder.iterdir() if file.suffix == suffix)
        if suffix == ".keras":
            with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("more", "w") as more:
                for _ in range(80):
                    more.write(bytes(2**20))
        else:
            with h5py.File(file, "a") as weights:
                weights.create_dataset("more", shape=(2**20, 2**20), dtype="float32", chunks=(2**10, 2**10))
        with pytest.raises(UserError, match=r"has [\d,]+ bytes and would unpack to [\d,]+; copy it again"):
            load_backbone(str(folder), host=host)


def replace_config(folder, **fields):
    path = folder / "bert_config.json"
    config = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"vocab_size": 50}, "it says vocab_size 50, and the variables have 41"),
        ({"num_hidden_layers": 3}, "it says num_hidden_layers 3, and the variables have 2"),
        ({"num_attention_heads": 3}, "8 hidden units cannot have 3 attention heads"),
        ({"num_attention_heads": None}, "nothing says num_attention_heads"),
        ({"hidden_act": "swish"}, 'the activation "swish" is not known'),
        ({"hidden_act": None}, "nothing says which activation it computes with"),
    ],
)
def test_a_configuration_that_does_not_fit(fields, what, google, host):
    replace_config(google, **fields)
    assert what in refused(google, host)


def test_a_vocabulary_that_does_not_fit(google, host):
    vocabulary = google / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text() + "more\n")
    assert "it has 42 tokens, and the model 41 embeddings" in refused(google, host)
    vocabulary.unlink()
    assert "it has no vocabulary" in refused(google, host)


def test_nothing_says_whether_capitals_are_folded(google, host):
    (google / "tensorflow_text.json").unlink()
    assert "nothing says whether its tokenizer folds capital letters" in refused(google, host)
    renamed = google.with_name("multi_cased_L-2_H-8")
    google.rename(renamed)
    tokenizer = load_backbone(str(renamed), host=host).tokenizer
    assert tokenizer.tokenize("ab A") == ["a", "##b", "[UNK]"]


def test_variables_without_a_place(google, host):
    index = google / "bert_model.ckpt.index"
    rename(index, b"bert/embeddings/word_embeddings", b"bert/embeddings/word_embeddingz")
    assert 'it holds "bert/embeddings/word_embeddingz", which has no place in BERT' in refused(google, host)


def rename(index, old, new):
    """Another name of the same length for a variable, with the block's checksum made right."""
    content = bytearray(index.read_bytes())
    shared = next(length for length in range(len(old), 0, -1) if content.count(old[-length:]) == 1)
    content = bytearray(bytes(content).replace(old[-shared:], new[-shared:]))
    size = next(
        size
        for size in range(1, len(content) - 5)
        if masked_checksum(index.read_bytes()[: size + 1])
        == int.from_bytes(index.read_bytes()[size + 1 : size + 5], "little")
    )
    content[size + 1 : size + 5] = masked_checksum(bytes(content[: size + 1])).to_bytes(4, "little")
    index.write_bytes(content)
    assert Bundle(index).entries


def test_several_checkpoints_and_which_is_the_last(tmp_path, host):
    folder = unpacked("garden_checkpoint", tmp_path / "several")
    for file in folder.glob("ckpt-1.*"):
        shutil.copy(file, folder / file.name.replace("ckpt-1", "ckpt-2"))
    assert load_backbone(str(folder), host=host).hidden_size == 8
    (folder / "checkpoint").unlink()
    assert "it holds several models (ckpt-1.index, ckpt-2.index)" in refused(folder, host)
