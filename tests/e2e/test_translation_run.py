"""Translation from the command line: trained on pairs, scored by sacrebleu with its signature, asked line by line."""

from __future__ import annotations

import json
import random

import pytest
from sacrebleu.metrics import BLEU, CHRF

from lect.testing.backbones import save_tiny_backbone

pytestmark = pytest.mark.models

WORDS = {"house": "water", "good": "little", "day": "year", "people": "city"}
RECIPE = """
[component]
name = "job"
role = "task"
languages = ["en", "id"]

[backbone]
name = "{backbone}"

[[parts]]
method = "full"

[head]
kind = "translation"
{head}

[objective]
name = "supervised"

[data.train]
reader = "csv"
path = "pairs.csv"
text = "en"
translation = "id"

[data.validation]
reader = "csv"
path = "pairs.csv"
text = "en"
translation = "id"

[training]
epochs = {epochs}
batch_size = 12
learning_rate = 1e-2
evaluate_every = 80
precision = "float32"
"""
READ = ("-d", "pairs.csv", "-o", "text=en", "-o", "translation=id")


def write_pairs(workspace, count=48):
    draw = random.Random(0)
    rows = [draw.choices(sorted(WORDS), k=draw.randrange(1, 3)) for _ in range(count)]
    lines = [f"{' '.join(row)},{' '.join(WORDS[word] for word in row)}" for row in rows]
    workspace.write("pairs.csv", "\n".join(["en,id", *lines]) + "\n")
    return [line.split(",") for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("llama", 'source = "en"\ntarget = "id"\nprompt = "{source}: {text} ="\nlongest = 8\nbeams = 2'),
        ("m2m_100", 'source_code = "__en__"\ntarget_code = "__id__"\nlongest = 8'),
    ],
)
def test_a_translator_is_trained_scored_and_asked(workspace, family, head):
    save_tiny_backbone(workspace.folder / "writer", family, generates=True)
    pairs = write_pairs(workspace)
    workspace.write("job.toml", RECIPE.format(backbone="writer", head=head, epochs=40))
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 0, result.stderr

    result = workspace.lect("eval", "-s", "task:job", *READ, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    whole, bare = report["variants"]
    answers, truth = list(whole["predictions"]), [target for _, target in pairs]
    scores = {score["name"]: score["value"] for score in whole["scores"]}
    chrf, bleu = CHRF(word_order=2), BLEU(force=True)
    assert scores["chrf++"] == pytest.approx(chrf.corpus_score(answers, [truth]).score / 100)
    assert scores["bleu"] == pytest.approx(bleu.corpus_score(answers, [truth]).score / 100)
    assert report["signatures"] == {"chrf++": str(chrf.get_signature()), "bleu": str(bleu.get_signature())}
    assert (report["main"], report["support"], bare["label"]) == ("chrf++", {}, "bare backbone")
    assert scores["chrf++"] > 0.85 > 0.4 > next(s["value"] for s in bare["scores"] if s["name"] == "chrf++")
    shown = workspace.lect("eval", "-s", "task:job", *READ)
    assert "chrF++" in shown.stdout and "nc:6|nw:2" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80

    shown = workspace.lect("predict", "-s", "task:job", "good house", "day")
    assert (shown.exit_code, shown.stdout) == (0, "little water\nyear\n")
    told = json.loads(workspace.lect("predict", "-s", "task:job", "--json", "good house").stdout)
    # Lines of a file have their translations on the same lines, whatever is empty between them.
    workspace.write("lines.txt", "\ngood house\n\n \nday\n")
    shown = workspace.lect("predict", "-s", "task:job", "-d", "lines.txt")
    assert (shown.exit_code, shown.stdout) == (0, "\nlittle water\n\n\nyear\n")
    assert told == {"text": "good house", "answer": "little water", "score": None, "scores": {}}

    long = workspace.lect("predict", "-s", "task:job", "good house " * 100)
    assert (long.exit_code, long.stdout.count("\n")) == (0, 1)
    assert f"1 of 1 texts are longer than {120 if family == 'llama' else 128} tokens and were cut" in long.stderr

    workspace.write(
        "matrix.toml",
        'components = "components"\nresamples = 100\n\n[[dataset]]\nname = "pairs"\nlanguage = "id"\nreader = "csv"\n'
        'path = "pairs.csv"\ntext = "en"\ntranslation = "id"\n\n[[stack]]\nname = "translator"\nstack = "task:job"\n',
    )
    result = workspace.lect("eval", "matrix.toml", "--json", "--output", "report.html")
    assert result.exit_code == 0, result.stderr
    matrix = json.loads(result.stdout)
    (cell,) = [entry["cell"] for entry in matrix["entries"]]
    assert cell["report"]["signatures"] == report["signatures"]
    assert [note for note in matrix["notes"] if "nc:6|nw:2" in note] == [f"chrF++: {chrf.get_signature()}."]
    (part,) = matrix["parts"]
    assert part["value"] > 0.4 and part["p"] < 0.05
    assert "tok:13a" in (workspace.folder / "report.html").read_text("utf-8")


LANGUAGE = """
[component]
name = "x"
role = "lang"
languages = ["en"]

[backbone]
name = "writer"

[[parts]]
method = "lora"
target_modules = "all-linear"

[objective]
name = "alignment"

[data.train]
reader = "csv"
path = "pairs.csv"
text = "en"
translation = "id"

[training]
steps = 2
"""


def test_a_language_of_the_encoder_alone_stands_beneath_a_translator(workspace):
    save_tiny_backbone(workspace.folder / "writer", "m2m_100", generates=True)
    write_pairs(workspace)
    workspace.write("language.toml", LANGUAGE)
    assert workspace.lect("train", "language.toml").exit_code == 0
    head = 'source_code = "__en__"\ntarget_code = "__id__"\nlongest = 4'
    recipe = RECIPE.format(backbone="writer", head=head, epochs=1).replace('method = "full"', 'method = "lora"')
    workspace.write("job.toml", f'stack = "lang:x"\n{recipe}')
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 0, result.stderr
    result = workspace.lect("eval", "-s", "lang:x + task:job", *READ, "-o", "limit=4", "--json")
    assert result.exit_code == 0, result.stderr
    labels = [variant["label"] for variant in json.loads(result.stdout)["variants"]]
    assert labels == ["lang:x + task:job", "without lang:x", "without task:job", "bare backbone"]
    exported = workspace.lect("export", "task:job", "exported", "--to", "peft")
    assert exported.exit_code == 0, exported.stderr
    refused = workspace.lect("merge", "task:job", "merged")
    assert refused.exit_code == 1 and "both halves of an encoder-decoder" in refused.stderr
    # The language is still of use where nothing is written.
    result = workspace.lect("eval", "-s", "lang:x", *READ)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("family", ["llama", "mbart"])
def test_a_translator_learns_beside_a_classifier(workspace, family):
    save_tiny_backbone(workspace.folder / "writer", family, generates=True)
    write_pairs(workspace)
    head = {"llama": 'prompt = "{text} ="', "mbart": 'source_code = "en_XX"\ntarget_code = "id_ID"'}[family]
    recipe = RECIPE.format(backbone="writer", head=f"{head}\nlongest = 4", epochs=1)
    recipe = recipe.replace('name = "writer"', 'name = "writer"\npooling = "mean"')
    workspace.write("job.toml", recipe.replace('method = "full"', 'method = "lora"\ntarget_modules = "all-linear"'))
    task = (workspace.folder / "task.toml").read_text("utf-8")
    workspace.write("task.toml", task.replace('"backbone"', '"writer"').replace('"full"', '"lora"'))
    mixed = "\n".join(f'[[train.mix]]\nrecipe = "{name}.toml"\n' for name in ("job", "task"))
    mix = f'[backbone]\nname = "writer"\npooling = "mean"\n\n{mixed}'
    workspace.write("mix.toml", f"{mix}\n[training]\nsteps = 3\nbatch_size = 8\n")
    result = workspace.lect("train", "mix.toml")
    assert result.exit_code == 0, result.stderr
    result = workspace.lect("eval", "-s", "task:mood", "-d", "test.csv", "-o", "label=label", "--json")
    assert result.exit_code == 0, result.stderr
    result = workspace.lect("eval", "-s", "task:job", *READ, "-o", "limit=2", "--json")
    assert result.exit_code == 0, result.stderr


def refusal(workspace, recipe):
    workspace.write("job.toml", recipe)
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 1 and not (workspace.folder / "components").exists()
    (line,) = result.stderr.splitlines()
    return line


def test_what_cannot_be_is_refused_in_one_line(workspace):
    write_pairs(workspace)
    save_tiny_backbone(workspace.folder / "writer", "llama", generates=True)

    def recipe(head="", backbone="writer", **changes):
        text = RECIPE.format(backbone=backbone, head=head, epochs=1)
        for old, new in changes.items():
            text = text.replace({"parts": '[[parts]]\nmethod = "full"\n', "column": 'translation = "id"'}[old], new)
        return text

    said = refusal(workspace, recipe(backbone="backbone"))
    assert '"backbone" reads texts and cannot write translations; set backbone.name to a decoder' in said
    assert "smollm2-135m" in said and "mt5-small" in said
    said = refusal(workspace, recipe())
    assert "head.source: the prompt names the source language, which is not said; say it by its tag" in said
    assert 'head.source: "xx1" is not a language tag' in refusal(workspace, recipe('source = "xx1"\ntarget = "id"'))
    assert "head.prompt: the prompt needs one place for the text" in refusal(workspace, recipe('prompt = "no place"'))
    assert 'the prompt names "langage", which is not known' in refusal(workspace, recipe('prompt = "{langage} {text}"'))
    assert "write braces as" in refusal(workspace, recipe('prompt = "{text"'))
    both = 'source = "en"\ntarget = "id"\n'
    said = refusal(workspace, recipe(f'{both}target_code = "id_ID"'))
    assert '"writer" has no tokens that stand for languages; leave it out' in said
    assert "there is nothing to train; add [[parts]]" in refusal(workspace, recipe(both, parts=""))
    said = refusal(workspace, recipe(both, column=""))
    assert 'pairs.csv, line 1: no column "translation"' in said
