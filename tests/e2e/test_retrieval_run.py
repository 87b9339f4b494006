"""A bi-encoder from the command line: trained, scored, asked, and searched with, also in another language."""

from __future__ import annotations

import json
import random

import pytest

pytestmark = pytest.mark.models

CIPHER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")
SUBJECTS = ["house", "city", "day", "man", "way", "water", "school", "country"]
QUALITIES = ["great", "dark", "long", "old", "new", "good", "small", "warm"]

RECIPE = """
[component]
name = "find"
role = "task"
languages = ["en"]

[backbone]
name = "backbone"

[[parts]]
method = "lora"
r = 16
lora_alpha = 32
target_modules = "all-linear"

[head]
kind = "retrieval"
{head}

[objective]
name = "supervised"

[data.train]
reader = "triples"
path = "train.csv"

[data.validation]
reader = "triples"
path = "valid.csv"

[training]
epochs = 6
batch_size = 16
learning_rate = 3e-3
precision = "float32"
"""


def pairs():
    """Questions and answers, one for each subject and quality; and for each a text of another subject."""
    draw = random.Random(0)
    rows = [
        (
            f"where is the {quality} {subject}",
            f"it was said of a {subject} that it is {quality} and more",
            f"it was said of a {draw.choice([each for each in SUBJECTS if each != subject])} that it is {quality}",
        )
        for subject in SUBJECTS
        for quality in QUALITIES
    ]
    draw.shuffle(rows)
    return rows


def write_data(workspace):
    rows = pairs()
    for name, chosen in (("train.csv", rows[:48]), ("valid.csv", rows[48:])):
        text = "\n".join(",".join(row) for row in chosen)
        workspace.write(name, f"anchor,positive,negative\n{text}\n")
    corpus = [{"_id": f"d{place}", "text": row[1]} for place, row in enumerate(rows)]
    queries = [{"_id": f"q{place}", "text": row[0]} for place, row in enumerate(rows[:20])]
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        workspace.write(name, "".join(json.dumps(line) + "\n" for line in lines))
    judged = [f"q{place}\td{place}\t2\nq{place}\td{place + 1}\t0" for place in range(18)]
    judged.append("q0\td5\t1\nq99\td5\t1")
    workspace.write("qrels.tsv", "query-id\tcorpus-id\tscore\n" + "\n".join(judged) + "\n")
    parallel = "\n".join(f"{row[1].translate(CIPHER)}\t{row[1]}" for row in rows[:48])
    workspace.write("pairs.tsv", f"cipher\tenglish\n{parallel}\n")


def ok(result):
    assert result.exit_code == 0, result.stderr
    return result


def scores_of(result):
    report = json.loads(ok(result).stdout)
    return report, {score["name"]: score["value"] for score in report["variants"][0]["scores"]}


@pytest.mark.slow
def test_a_bi_encoder_and_all_that_is_done_with_its_vectors(workspace):
    write_data(workspace)
    workspace.write("find.toml", RECIPE.format(head="projection = 16\nlearned = true"))
    untrained = workspace.write("begin.toml", RECIPE.format(head="projection = 16").replace("find", "begin"))
    ok(
        workspace.lect(
            "train",
            untrained.name,
            "--set",
            "training.learning_rate=1e-9",
            "--set",
            "training.epochs=1",
            "--set",
            "data.train.limit=16",
        )
    )
    trained = ok(workspace.lect("train", "find.toml"))
    assert "validation ndcg@10" in " ".join(trained.stdout.split())
    shown = ok(workspace.lect("eval", "-s", "task:find", "-d", "valid.csv", "--reader", "triples"))
    assert max(map(len, shown.stdout.splitlines())) <= 80
    report, found = scores_of(
        workspace.lect("eval", "-s", "task:find", "-d", "valid.csv", "--reader", "triples", "--json")
    )
    _, before = scores_of(
        workspace.lect("eval", "-s", "task:begin", "-d", "valid.csv", "--reader", "triples", "--json")
    )
    assert list(found) == ["ndcg@10", "mrr", "recall@1", "recall@5", "recall@10"] and report["main"] == "ndcg@10"
    assert found["ndcg@10"] > before["ndcg@10"] + 0.1
    assert report["support"] == {} and report["notes"] == []

    # Judgements with grades, over a corpus; what is not judged, or not asked, is said.
    search = ["eval", "-s", "task:find", "-d", "queries.jsonl", "-o", "key=_id", "--corpus", "corpus.jsonl"]
    report, graded = scores_of(workspace.lect(*search, "--qrels", "qrels.tsv", "--json"))
    assert report["rows"] == 18 and graded["recall@10"] > 0.5
    assert report["variants"][0]["predictions"][0].count(":2") == 1
    notes = " ".join(report["notes"])
    assert "among 64 texts, of which 1.06 are relevant on average, with 2 grades." in notes
    assert "The corpus goes through task:find." in notes
    assert "2 queries have no relevant text" in notes and "1 judged queries are not among the queries" in notes
    workspace.write("qrels.tsv", "q0\td400\t1\n")
    refused = workspace.lect(*search, "--qrels", "qrels.tsv")
    assert refused.exit_code == 1
    assert 'qrels.tsv, line 1: no text of the corpus has the key "d400"' in refused.stderr
    refused = workspace.lect(*search)
    assert (refused.exit_code, "--corpus and --qrels go together" in refused.stderr) == (1, True)

    # Vectors, cosines, and the nearest of several.
    query, right, _ = pairs()[50]
    told = json.loads(ok(workspace.lect("predict", "-s", "task:find", "--json", query)).stdout)
    assert len(told["answer"]) == 16 and sum(value**2 for value in told["answer"]) == pytest.approx(1, abs=1e-4)
    told = json.loads(ok(workspace.lect("predict", "-s", "task:find", "--json", query, "--pair", query)).stdout)
    assert told["answer"] == pytest.approx(1, abs=1e-4)
    asked = [query, "--choice", "the cat", "--choice", right]
    told = json.loads(ok(workspace.lect("predict", "-s", "task:find", "--json", *asked)).stdout)
    assert told["choice"] == right and told["scores"]["1"] > told["scores"]["0"]
    shown = ok(workspace.lect("predict", "-s", "task:find", query))
    assert "16 numbers" in shown.stdout and max(map(len, shown.stdout.splitlines())) <= 80

    # An index holds its vectors; queries in another language go through a part of their own.
    language = (workspace.folder / "language.toml").read_text(encoding="utf-8")
    ok(workspace.lect("train", workspace.write("language.toml", language.replace("epochs = 10", "epochs = 18")).name))
    ok(workspace.lect("index", "build", "index", "-d", "corpus.jsonl", "-o", "key=_id", "-s", "task:find"))
    facts = json.loads((workspace.folder / "index" / "index.json").read_text(encoding="utf-8"))
    assert (facts["head"], facts["width"], facts["rows"]) == ("task:find", 16, 64)
    texts = [row[1] for row in pairs()[:12]]
    stack = "lang:cipher + task:find"
    mean_rank = {}
    for name, own, queries in (
        ("english", "task:find", texts),
        ("bare", "task:find", [text.translate(CIPHER) for text in texts]),
        ("part", stack, [text.translate(CIPHER) for text in texts]),
    ):
        lines = ok(
            workspace.lect("index", "search", "index", *queries, "-s", own, "-k", "64", "--json")
        ).stdout.splitlines()
        found = [json.loads(line)["hits"] for line in lines]
        assert all(len(own) == 64 for own in found)
        ranks = [[hit["text"] for hit in own].index(text) for own, text in zip(found, texts, strict=True)]
        mean_rank[name] = sum(ranks) / len(ranks)
    assert mean_rank["english"] == 0 and mean_rank["part"] < 0.75 * mean_rank["bare"]
    refused = workspace.lect("index", "search", "index", "x", "-s", "lang:cipher")
    assert refused.exit_code == 1
    told = " ".join(refused.stderr.split())
    assert 'vectors of "task:find" and the backbone\'s own vectors cannot be compared; end both stacks' in told

    # Parallel rows are scored by retrieval: translations by the head alone, texts with and without the language.
    parallel = ["-d", "pairs.tsv", "-o", "text=cipher", "-o", "translation=english"]
    report, _ = scores_of(workspace.lect("eval", "-s", stack, *parallel, "--json"))
    assert report["main"] == "recall@1" and [each["label"] for each in report["variants"]][1] == "without lang:cipher"
    with_part, without = ({s["name"]: s["value"] for s in each["scores"]}["recall@1"] for each in report["variants"])
    assert with_part > without
    # Either side's vectors are the head's, or nothing is mined; equal texts are pairs.
    mined = ["mine", "pairs.tsv", "pairs.tsv", "-o", "text=english", "-s", "task:find", "--threshold", "0", "--json"]
    refused = workspace.lect(*mined)
    assert (refused.exit_code, "cannot be compared" in refused.stderr) == (1, True)
    lines = ok(workspace.lect(*mined, "--second-stack", "task:find")).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 48 and all(each["text"] == each["translation"] for each in found)

    # A matrix has it in its cells, and compares stacks by queries.
    workspace.write("matrix.toml", MATRIX)
    table = ok(workspace.lect("eval", "matrix.toml", "--output", "matrix.json"))
    assert max(map(len, table.stdout.splitlines())) <= 80
    (comparison,) = json.loads((workspace.folder / "matrix.json").read_text(encoding="utf-8"))["comparisons"]
    assert comparison["value"] > 0.1 and comparison["adjusted"] < 0.05


MATRIX = """
baseline = "begin"
source = "en"

[[dataset]]
languages = ["en"]
reader = "triples"
path = "valid.csv"

[[stack]]
name = "begin"
stack = "task:begin"

[[stack]]
name = "find"
stack = "task:find"
"""
