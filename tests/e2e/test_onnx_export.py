"""Stacks as ONNX graphs: onnxruntime and `tokenizers` alone give what lect gives."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lect
from lect.testing.backbones import save_tiny_backbone

needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason='onnxruntime is absent: pip install "lect[onnx]"'
)

NKO = ["ߛߣߍ߬ ߞߎߘߊ", "ߛߣߍ߬ ߝߟߐ", "ߡߊ߲߬ߕߊ߬ ߞߎߘߊ", "ߡߊ߲߬ߕߊ߬ ߝߟߐ"]
TEXTS = [
    "a great and happy day",
    "the grim cold",
    "warm and bright ߛߣߍ߬ ߞߎߘߊ",
    "sad, dark day the awful house of the 12 ways",
]
BOTTLENECK = {"method": "bottleneck", "preset": "seq_bn_inv"}
LORA = {"method": "lora", "r": 4, "target_modules": "all-linear"}
VOCABULARY = {"method": "vocabulary", "pieces": 20, "initialise": "mean"}
TRAINING = {"steps": 3, "precision": "float32", "learning_rate": 0.05}
WORDS = [{"text": "Ada came to Oslo", "words": ["Ada", "came", "to", "Oslo"], "tags": ["B-PER", "O", "O", "B-LOC"]}] * 4
ANSWERS = [
    {"text": "Ada came to Oslo", "question": "Who came ?", "answers": [{"text": "Ada", "start": 0}]},
    {"text": "Bo went to Rome", "question": "Who went ?", "answers": [{"text": "Bo", "start": 0}]},
] * 2


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """A function that trains a component on a tiny backbone of a family."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))

    def teach(key, family, rows, parts, **tables):
        if not Path(family).exists():
            save_tiny_backbone(Path(family), family, generates=family == "llama")
        role, name = key.split(":")
        about = {"name": name, "role": role, "languages": ["nqo"], "licence": "CC0-1.0"}
        recipe = {"component": about, "backbone": {"name": family}, "parts": parts, "training": TRAINING, **tables}
        return lect.train(recipe, rows)

    return teach


def run_graph(folder, texts):
    """The outputs by name, and the rows, made of texts by the folder's own files."""
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    rows = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(texts)
    given = {
        "input_ids": [row.ids for row in rows],
        "attention_mask": [row.attention_mask for row in rows],
        "token_type_ids": [row.type_ids for row in rows],
    }
    feeds = {each.name: np.array(given[each.name], dtype=np.int64) for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True)), rows


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@needs_onnx
@pytest.mark.slow
def test_a_language_of_its_own_tokens_and_a_task_are_one_graph(taught, tmp_path, monkeypatch, capsys):
    pairs = [{"text": text, "translation": TEXTS[0]} for text in NKO * 3]
    taught("lang:nqo", "xlm-roberta", pairs, [VOCABULARY, BOTTLENECK], objective={"name": "alignment"})
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, ["good", "bad"] * 2, strict=True)]
    taught("task:mood", "xlm-roberta", rows, [LORA], head={"kind": "classification"}, objective={"name": "supervised"})
    from lect.commands.app import app

    stack = "lang:nqo + task:mood"
    done = CliRunner().invoke(app, ["export", stack, "mood", "--to", "onnx", "--json"])
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["inputs"] == ["input_ids", "attention_mask"] and facts["outputs"] == ["logits"]
    assert facts["labels"] == ["bad", "good"] and facts["difference"] < 1e-4
    with lect.load(stack) as model:
        # Any number of rows, of any length.
        for texts in (TEXTS, TEXTS[:1], [" ".join(TEXTS)] * 7):
            found, _ = run_graph(tmp_path / "mood", texts)
            expected = [[each.scores[label] for label in model.labels] for each in model.predict(texts)]
            assert np.abs(softmax(found["logits"]) - expected).max() < 1e-4
    config = json.loads((tmp_path / "mood" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "bad", "1": "good"}
    assert config["architectures"] == ["XLMRobertaForSequenceClassification"]
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tmp_path / "mood")
    assert loaded.unk_token_id not in loaded(NKO[0])["input_ids"] and len(loaded) == config["vocab_size"]
    program = re.search(
        r"```python\n(.*?)```", (tmp_path / "mood" / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    with monkeypatch.context() as folder:
        folder.chdir(tmp_path / "mood")
        capsys.readouterr()
        exec(compile(program[1], "README.md", "exec"), {})
    assert re.findall(r"^(?:import|from) (\w+)", program[1], re.MULTILINE) == [
        "json",
        "numpy",
        "onnxruntime",
        "tokenizers",
    ]
    assert re.fullmatch(r"\['(good|bad)', '(good|bad)'\]\n", capsys.readouterr().out)

    again = CliRunner().invoke(app, ["export", stack, "mood", "--to", "onnx"])
    assert again.exit_code == 1 and "the folder holds something already" in again.stderr

    exported = lect.export("lang:nqo", "vectors", to="onnx")
    assert exported.outputs == ("last_hidden_state", "sentence_embedding")
    with lect.load("lang:nqo") as model:
        found, _ = run_graph(tmp_path / "vectors", [*TEXTS, *NKO])
        assert np.abs(found["sentence_embedding"] - model.embed([*TEXTS, *NKO])).max() < 1e-4


@needs_onnx
@pytest.mark.slow
def test_words_are_tagged(taught, tmp_path):
    taught(
        "task:ner", "deberta-v2", WORDS, [BOTTLENECK, LORA], head={"kind": "tagging"}, objective={"name": "supervised"}
    )
    assert lect.export("task:ner", "ner", to="onnx").outputs == ("logits",)
    found, rows = run_graph(tmp_path / "ner", [WORDS[0]["text"]])
    labels = json.loads((tmp_path / "ner" / "config.json").read_text(encoding="utf-8"))["id2label"]
    with lect.load("task:ner") as model:
        (prediction,) = model.predict(WORDS[:1])
    firsts = first_tokens(rows[0], WORDS[0]["text"])
    assert [labels[str(found["logits"][0, token].argmax())] for token in firsts] == list(prediction.value)


def first_tokens(row, text):
    """The first token of each word between spaces."""
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    return [next(i for i, (a, b) in enumerate(row.offsets) if a <= start < b) for start in starts]


@needs_onnx
@pytest.mark.slow
def test_spans_are_found(taught, tmp_path):
    taught("task:qa", "bert", ANSWERS, [BOTTLENECK], head={"kind": "qa"}, objective={"name": "supervised"})
    assert lect.export("task:qa", "qa", to="onnx").outputs == ("start_logits", "end_logits")
    row = ANSWERS[0]
    found, rows = run_graph(tmp_path / "qa", [(row["question"], row["text"])])
    with lect.load("task:qa") as model:
        (prediction,) = model.predict([row])
    pairs = [
        (found["start_logits"][0, a] + found["end_logits"][0, b], a, b)
        for a in range(len(rows[0].ids))
        for b in range(a, len(rows[0].ids))
        if rows[0].sequence_ids[a] == rows[0].sequence_ids[b] == 1
    ]
    _, a, b = max(pairs)
    answer = row["text"][rows[0].offsets[a][0] : rows[0].offsets[b][1]]
    assert prediction.value == answer.strip()


@needs_onnx
@pytest.mark.slow
def test_labels_numbers_and_vectors_of_other_heads(taught, tmp_path):
    """Heads for several labels, for a number and for vectors give in onnxruntime what they give here."""
    several = [
        {"text": text, "labels": labels} for text, labels in zip(TEXTS, [["a"], ["b"], ["a", "b"], []], strict=True)
    ]
    numbers = [{"text": text, "value": value} for text, value in zip(TEXTS, [0.0, 1.0, 2.0, 3.0], strict=True)]
    pairs = [{"text": text, "text_pair": text[:9]} for text in TEXTS]
    for kind, rows in (("multi-label", several), ("regression", numbers), ("retrieval", pairs)):
        taught(f"task:{kind}", "bert", rows, [BOTTLENECK], head={"kind": kind}, objective={"name": "supervised"})
        lect.export(f"task:{kind}", kind, to="onnx")
        found, _ = run_graph(tmp_path / kind, TEXTS)
        with lect.load(f"task:{kind}") as model:
            if kind == "retrieval":
                assert np.abs(found["sentence_embedding"] - model.embed(TEXTS)).max() < 1e-4
                continue
            answers, labels = model.predict(TEXTS), model.labels
        if kind == "multi-label":
            expected = [[each.scores[label] for label in labels] for each in answers]
            assert np.abs(1 / (1 + np.exp(-found["logits"])) - expected).max() < 1e-4
        else:
            expected = np.array([each.value for each in answers])
            assert np.abs(found["logits"].reshape(-1) - expected).max() < 1e-4


@needs_onnx
def test_what_no_graph_can_hold_is_refused_in_one_line(taught, monkeypatch):
    rows = [{"text": text, "translation": TEXTS[0]} for text in TEXTS[:2]]
    head = {"kind": "translation", "source": "nqo", "target": "en"}
    taught("task:en", "llama", rows, [LORA], head=head, objective={"name": "supervised"})
    with pytest.raises(lect.StackError, match=r'stack "task:en": its head "translation" writes texts token by token'):
        lect.export("task:en", "out", to="onnx")
    tree = {
        "text": "Ada came",
        "words": ["Ada", "came"],
        "tags": ["X", "Y"],
        "heads": [2, 0],
        "relations": ["a", "root"],
    }
    taught("task:trees", "bert", [tree] * 4, [LORA], head={"kind": "parsing"}, objective={"name": "supervised"})
    with pytest.raises(lect.StackError, match=r'"parsing" answers with parameters that stand behind its logits \(arcs'):
        lect.export("task:trees", "out", to="onnx")
    monkeypatch.setattr("lect.engine.onnx_export.find_spec", lambda name: None)
    with pytest.raises(
        lect.UserError, match=r'onnx and onnxscript and onnxruntime cannot .*pip install "lect\[onnx\]"'
    ):
        lect.export("task:en", "out", to="onnx")
    assert not Path("out").exists()
