"""`lect predict` and `lect embed` over many rows: answers come in order while rows are read, and none is lost."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from pyarrow import parquet
from stream_library import fill_library
from typer.testing import CliRunner
from waiting import wait_for

import lect
from lect.commands.app import app

WORDS = ["the", "old", "house", "on", "way", "a", "day", "new"]
TEXTS = ["" if row == 5 else " ".join([*WORDS[: 1 + row % 8], str(row)]) for row in range(150)]
STACKS = ["lang:a + task:mood", "lang:b + task:size", "task:mood"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return fill_library(tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="module")
def model(library):
    with lect.load(STACKS[0], library=library / "components") as found:
        yield found


@pytest.fixture
def run(library, tmp_path, monkeypatch):
    """Runs a command in a folder with `lines.txt`; the result has exit_code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("".join(f"{text}\n" for text in TEXTS), "utf-8")

    def invoke(command, *arguments, stack=STACKS[0], succeeds=True, **more):
        stacks = ["-s", stack] if stack else []
        given = [command, "--components", str(library / "components"), *stacks, *arguments]
        result = CliRunner().invoke(app, given, **more)
        assert (result.exit_code == 0) is succeeds, result.stderr
        return result

    return invoke


def records_in(text):
    return [json.loads(line) for line in text.splitlines()]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def check_answers(records, texts=TEXTS):
    """Each row has its answer, and a text that is empty an empty one."""
    assert [each["text"] for each in records] == texts
    for each in records:
        assert (each["answer"] is None) == (each["text"] == "") == ("reason" in each and each["reason"] is not None)


def test_every_format_holds_the_same_answers(run, model, tmp_path):
    printed = run("predict", "-d", "lines.txt", "--json")
    records = records_in(printed.stdout)
    check_answers(records)
    assert records[5] == {"origin": "lines.txt, line 6", "text": "", "answer": None, "score": None, "scores": {},
                          "reason": "the text is empty"}  # fmt: skip
    assert "1 row has no text: its answer is empty" in printed.stderr
    for row in (0, 149):
        alone = model.predict([TEXTS[row]]).records()[0]
        assert records[row]["answer"] == alone["answer"]
        assert records[row]["scores"] == pytest.approx(alone["scores"], abs=1e-5)
    for name in ("out.jsonl", "out.csv", "out.parquet", "out.txt"):
        run("predict", "-d", "lines.txt", "--output", name)
    assert records_in((tmp_path / "out.jsonl").read_text("utf-8")) == records
    assert (tmp_path / "out.txt").read_text("utf-8").split("\n") == [*(each["answer"] or "" for each in records), ""]
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    check_answers([{**row, "answer": row["answer"] or None, "reason": row["reason"] or None} for row in table])
    assert [json.loads(row["scores"]) for row in table] == [each["scores"] for each in records]
    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    check_answers(table)
    assert [(row["score"], dict(row["scores"])) for row in table] == [(e["score"], e["scores"]) for e in records]
    printed = run("predict", "-d", "lines.txt", "--format", "csv").stdout.splitlines()
    assert [row["answer"] for row in csv.DictReader(printed)] == [each["answer"] or "" for each in records]
    assert names_in(tmp_path) == ["lines.txt", "out.csv", "out.jsonl", "out.parquet", "out.txt"]


def test_vectors_in_every_format_are_those_of_python(run, model, tmp_path):
    full = [row for row, text in enumerate(TEXTS) if text]
    expected = model.embed([TEXTS[row] for row in full], stacks="lang:a", normalize=True)
    for name in ("out.npy", "out.parquet", "out.jsonl"):
        run("embed", "-d", "lines.txt", "--normalize", "--output", name, stack="lang:a")
    array = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert (array.shape, array.dtype) == ((len(TEXTS), expected.shape[1]), np.float32)
    np.testing.assert_allclose(array[full], expected, atol=1e-5)
    assert np.isnan(array[5]).all()
    for table in (
        parquet.read_table(tmp_path / "out.parquet").to_pylist(),
        records_in((tmp_path / "out.jsonl").read_text("utf-8")),
        records_in(run("embed", "-d", "lines.txt", "--normalize", stack="lang:a").stdout),
    ):
        assert [row["text"] for row in table] == TEXTS
        assert table[5]["vector"] is None and table[5]["reason"] == "the text is empty"
        np.testing.assert_allclose([table[row]["vector"] for row in full], array[full], atol=1e-6)


def test_rows_go_through_stacks_of_their_own_in_order(run, model, tmp_path):
    rows = [(text or "a day", STACKS[row % 3], ("jav", "ban-Latn", "")[row % 3]) for row, text in enumerate(TEXTS)]
    lines = "".join(f"k{row},{text},{stack},{tag}\n" for row, (text, stack, tag) in enumerate(rows))
    (tmp_path / "rows.csv").write_text(f"id,text,way,tongue\n{lines}", "utf-8")
    expected = model.predict([text for text, *_ in rows], stacks=[stack for _, stack, _ in rows]).records()
    by_language = ["--stack-for", f"jv={STACKS[0]}", "--stack-for", f"ban={STACKS[1]}", "-o", "language_column=tongue"]
    for stack, ways in (("", ["-o", "stack=way"]), (STACKS[2], by_language)):
        found = records_in(run("predict", "-d", "rows.csv", "-o", "key=id", *ways, "--json", stack=stack).stdout)
        assert [each["key"] for each in found] == [f"k{row}" for row in range(len(rows))]
        for each, alone in zip(found, expected, strict=True):
            assert each["scores"] == pytest.approx(alone["scores"], abs=1e-5)
    refused = run("predict", "-d", "rows.csv", *by_language, "--json", stack="", succeeds=False)
    assert "rows.csv, line 4: the row names no language and no stack, and no stack is given for it" in refused.stderr
    assert len(refused.stdout.splitlines()) == 2


def test_standard_input_and_folders_and_packed_files_are_read(run, tmp_path):
    texts = TEXTS[6:10]
    lines = "".join(f"{text}\n" for text in texts)
    piped = run("predict", "-d", "-", "--json", input=lines)
    assert records_in(piped.stdout)[0]["origin"] == "standard input, line 1"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/rows.csv.gz").write_bytes(gzip.compress(f"text\n{lines}".encode()))
    for name in ("lines.txt", "more/more.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(lines, "utf-8")
    packed = run("predict", "-d", "-", "--json", input=gzip.compress(lines.encode()))
    in_folder = run("predict", "-d", "folder", "--json")
    twice = run("predict", "-d", "lines.txt", "-d", "more/more.txt", "--json")
    for result in (piped, packed, in_folder):
        check_answers(records_in(result.stdout), texts)
    check_answers(records_in(twice.stdout), texts * 2)


def test_a_bad_row_loses_nothing_and_what_is_mended_goes_on(run, tmp_path):
    good = [json.dumps({"text": text}) for text in TEXTS]
    (tmp_path / "rows.jsonl").write_text("\n".join([*good[:120], '{"text": 7}', *good[121:]]), "utf-8")
    printed = run("predict", "-d", "rows.jsonl", "--json", succeeds=False)
    check_answers(records_in(printed.stdout), TEXTS[:120])
    assert 'error: rows.jsonl, line 121: "text" holds a number, not a string' in printed.stderr
    command = ["predict", "-d", "rows.jsonl", "--output", "out.jsonl"]
    stopped = run(*command, succeeds=False)
    assert "120 rows are answered; the same command with --resume goes on behind them" in stopped.stderr
    assert "line 121" in stopped.stderr and not (tmp_path / "out.jsonl").exists()

    again = run(*command, succeeds=False)
    assert "out.jsonl: answers of an earlier process are in out.jsonl.unfinished; go on with --resume" in again.stderr
    (tmp_path / "rows.jsonl").write_text("\n".join(good), "utf-8")
    other = run(*command, "--resume", stack=STACKS[1], succeeds=False)
    assert f'of another command: stack was "{STACKS[0]}" and is "{STACKS[1]}"' in other.stderr
    (tmp_path / "rows.jsonl").write_text("\n".join(good[1:]), "utf-8")
    other = run(*command, "--resume", succeeds=False)
    assert "the first 120 rows are not those that were answered before" in other.stderr

    # What a killed process wrote of a further stretch: of answers, and of the journal.
    (tmp_path / "rows.jsonl").write_text("\n".join(good), "utf-8")
    for name, torn in (("rows", b'{"text": "tor'), ("journal.jsonl", b'{"rows": 1')):
        with (tmp_path / "out.jsonl.unfinished" / name).open("ab") as file:
            file.write(torn)
    assert "120 rows are answered already" in run(*command, "--resume").stderr
    check_answers(records_in((tmp_path / "out.jsonl").read_text("utf-8")))
    assert not (tmp_path / "out.jsonl.unfinished").exists()
    assert "out.jsonl is complete: there is nothing to go on with" in run(*command, "--resume").stderr


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_vectors_go_on_too(run, tmp_path, name):
    command = ["embed", "-d", "rows.jsonl", "--output", name]
    good = [json.dumps({"text": text}) for text in TEXTS]
    (tmp_path / "rows.jsonl").write_text("\n".join(good), "utf-8")
    run(*command[:-1], "whole.jsonl", stack="lang:a")
    (tmp_path / "rows.jsonl").write_text("\n".join([*good[:100], "{}"]), "utf-8")
    run(*command, stack="lang:a", succeeds=False)
    (tmp_path / "rows.jsonl").write_text("\n".join(good), "utf-8")
    with (tmp_path / f"{name}.unfinished" / "rows").open("ab") as file:
        file.write(b"torn")
    run(*command, "--resume", stack="lang:a")
    whole = [each["vector"] for each in records_in((tmp_path / "whole.jsonl").read_text("utf-8"))]
    read = np.load if name == "out.npy" else lambda path: parquet.read_table(path)["vector"].to_pylist()
    for row, vector in enumerate(read(tmp_path / name)):
        if TEXTS[row]:
            np.testing.assert_allclose(vector, whole[row], atol=1e-5)


ELSEWHERE = """
import pickle
from itertools import islice
from lect import Config, ExecutorSpec, hookimpl

class Few(Config):
    most: int | None = None

def answer(config, work):
    items, worker = pickle.loads(pickle.dumps(work.items))(), pickle.loads(pickle.dumps(work.open_worker))()
    return map(worker, islice(items, config.most))

@hookimpl
def lect_register_executors():
    return [ExecutorSpec("there", "elsewhere", Few, lambda config, jobs, at_once: iter(()), answer)]
"""


@pytest.fixture
def elsewhere(tmp_path_factory, monkeypatch):
    """A plugin whose executor answers rows: `there`."""
    site = tmp_path_factory.mktemp("site")
    information = site / "lect_elsewhere-1.0.dist-info"
    information.mkdir()
    (site / "lect_elsewhere.py").write_text(ELSEWHERE, "utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: lect-elsewhere\nVersion: 1.0\n", "utf-8")
    (information / "entry_points.txt").write_text("[lect.v1]\nelsewhere = lect_elsewhere\n", "utf-8")
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("lect_elsewhere", None)


def test_rows_are_answered_elsewhere_as_here(run, elsewhere, tmp_path):
    here = run("predict", "-d", "lines.txt", "--json").stdout
    there = ["predict", "-d", "lines.txt", "--on", "there"]
    assert run(*there, "--json").stdout == here
    fewer = run(*there, "--on-option", "most=1", "--output", "out.jsonl", succeeds=False)
    assert "--data: other rows are read there than here; let every machine see the same files" in fewer.stderr
    assert "64 rows are answered already" in run(*there, "--output", "out.jsonl", "--resume").stderr
    check_answers(records_in((tmp_path / "out.jsonl").read_text("utf-8")))
    (tmp_path / "rows.jsonl").write_text('{"text": "a day"}\n{"text": 7}\n', "utf-8")
    wrong = run("predict", "-d", "rows.jsonl", "--on", "there", "--json", succeeds=False)
    assert len(wrong.stdout.splitlines()) == 1 and 'rows.jsonl, line 2: "text" holds a number' in wrong.stderr
    for arguments, said in (
        (("-d", "-", "--on", "there"), "--on there: standard input and pipes are read here alone"),
        (("a day", "--on", "there"), "--on there: texts of the command line are read here alone"),
        (("-d", "lines.txt", "--on", "nowhere"), '"nowhere"'),
    ):
        assert said in run("predict", *arguments, succeeds=False, input="a day\n").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "-d", "lines.txt", "--output", "out.xls"), '--output: lect predict writes nothing as ".xls"'),
        (("predict", "-d", "lines.txt", "--format", "parquet"), "--format: parquet is for files"),
        (("predict", "-d", "lines.txt", "--stack-for", "jav"), '--stack-for: "jav" is no LANGUAGE=STACK'),
        (("predict", "-d", "lines.txt", "--stack-for", "jaav=task:mood"), "--stack-for: "),
        (("predict", "-d", "lines.txt", "--device", "gpu7"), 'the device "gpu7" cannot be used'),
        (("embed", "-d", "lines.txt", "--precision", "auto", "--on", "ray"), "--precision auto: the fastest precision"),
        (("predict", "-d", "lines.txt", "--resume"), "--resume goes on with a file; name it with --output"),
        (("predict", "-d", "lines.txt", "-o", "keep_empty=true", "-o", "skip_empty=true"), "skip_empty"),
        (("predict", "-d", "nowhere", "--output", "out.jsonl"), "nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_leaves_nothing(run, tmp_path, arguments, said):
    result = run(*arguments, succeeds=False)
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert names_in(tmp_path) == ["lines.txt"]


def start(library, *arguments):
    """A process of its own that answers what it is sent."""
    command = "import sys; from lect.commands.app import main; main()"
    stack = ["--components", str(library / "components"), "-s", STACKS[0], "-d", "-"]
    return subprocess.Popen(
        [sys.executable, "-c", command, "predict", *stack, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.processes
def test_a_line_is_answered_before_the_next_is_written(library):
    with start(library, "--json") as process:
        for text in ("the old house", "", "a new day"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


@pytest.mark.processes
def test_a_killed_process_is_gone_on_with(library, run, tmp_path):
    journal = tmp_path / "out.jsonl.unfinished/journal.jsonl"

    def answered():
        return sum(b'"command"' not in line for line in journal.read_bytes().splitlines()) if journal.exists() else 0

    with start(library, "--output", "out.jsonl") as process:
        for row, text in enumerate(TEXTS[:60]):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            if row in (20, 40):
                wait_for(lambda least=row // 20: answered() >= least)
        busy = run("predict", "-d", "-", "--output", "out.jsonl", "--resume", input="", succeeds=False)
        assert "another process is writing these answers" in busy.stderr
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out.jsonl").exists()
    lines = "".join(f"{text}\n" for text in TEXTS)
    assert (
        "rows are answered already"
        in run("predict", "-d", "-", "--output", "out.jsonl", "--resume", input=lines).stderr
    )
    check_answers(records_in((tmp_path / "out.jsonl").read_text("utf-8")))
