"""The executor `ray`, on a real cluster of this machine's two cores."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy
import pytest
from stream_library import fill_library
from typer.testing import CliRunner
from waiting import wait_for

from lect import ExecutorSpec, Job, Library, Source, StreamWork, UserError
from lect.commands.app import app
from lect.host import Host
from lect.streams.elsewhere import SourceStretches, WorkerElsewhere
from lect.streams.rows import StackChoice
from lect.streams.worker import WorkerSettings
from lect.testing.backbones import save_tiny_backbone

ray = pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.processes]


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture
def run(tmp_path):
    """Runs commands of lect as jobs, with these settings; gives the events."""
    host = Host.load()

    def execute(commands, at_once=None, folder=tmp_path, **settings):
        config = host.configured(ExecutorSpec, "ray", settings, "test").config
        jobs = [
            Job(name, tuple(words), folder, tmp_path / f"{name}.log", {"A": "b"}) for name, words in commands.items()
        ]
        return host.spec(ExecutorSpec, "ray").run(config, jobs, at_once)

    return execute


def test_jobs_run_and_one_that_fails_stops_no_other(cluster, run, tmp_path):
    commands = {"jav": ["--version"], "ban": ["trian"], "sun": ["backbones", "--json"]}
    events = list(run(commands, cpus=0.5))
    codes = {event.job.name: event.code for event in events if event.code is not None}
    assert codes == {"jav": 0, "ban": 2, "sun": 0}
    assert [event.job.name for event in events if event.code is None] == ["jav", "ban", "sun"]
    assert all(event.where for event in events if event.code is not None)
    assert (tmp_path / "jav.log").read_text("utf-8").startswith("lect ")
    assert 'there is no command "trian"; did you mean "train"?' in (tmp_path / "ban.log").read_text("utf-8")


def test_no_more_run_at_once_than_may(cluster, run):
    order = [(event.job.name, event.code) for event in run({"a": ["--version"], "b": ["--version"]}, at_once=1)]
    assert order == [("a", None), ("a", 0), ("b", None), ("b", 0)]


def test_a_folder_that_a_machine_does_not_see_is_said(cluster, run):
    events = list(run({"jav": ["--version"]}, folder=Path("/nowhere/here")))
    assert (events[-1].code, "every machine of a cluster" in events[-1].error) == (1, True)


def test_what_no_machine_has_is_refused(cluster, run):
    with pytest.raises(UserError, match=r"no machine of the cluster has what each takes: 4000 CPU; .*: 2 CPU"):
        next(run({"jav": ["--version"]}, cpus=4000))


def test_a_fleet_runs_on_it_by_the_same_command(cluster, tmp_path, monkeypatch):
    save_tiny_backbone(tmp_path / "backbone", "xlm-roberta", seed=0)
    (tmp_path / "pairs.tsv").write_text("a\tb\n" + "the city\ta town\nthe year\ta day\n" * 8, "utf-8")
    (tmp_path / "many.toml").write_text(RECIPE, "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["fleet", "many.toml", "-l", "jav,sun", "--on", "ray"])
    assert result.exit_code == 1
    assert [line.split()[:3] for line in result.stdout.splitlines()[2:4]] == [
        ["jav", "lang:jav", "finished"],
        ["sun", "lang:sun", "failed"],
    ]
    assert 'no column "nothing"' in result.stdout
    assert (tmp_path / "components/lang/jav/weights.safetensors").is_file()


def test_closing_lets_a_run_write_its_checkpoint(cluster, run, tmp_path):
    save_tiny_backbone(tmp_path / "backbone", "xlm-roberta", seed=0)
    (tmp_path / "pairs.tsv").write_text("a\tb\n" + "the city\ta town\nthe year\ta day\n" * 8, "utf-8")
    recipe = RECIPE.replace("{language}", "jav").replace("{tag}", "jv").replace("{column}", "a").partition("fleet =")[0]
    recipe = recipe.replace("epochs = 1", "steps = 5000, checkpoint_every = 5")
    (tmp_path / "one.toml").write_text(recipe, "utf-8")
    events = run({"jav": ["train", "one.toml"]})
    assert next(events).code is None
    wait_for(lambda: any((tmp_path / "runs/lang-jav/checkpoints").glob("step-*/state.json")))
    events.close()
    assert "Stopped at step" in (tmp_path / "jav.log").read_text("utf-8")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = fill_library(tmp_path_factory.mktemp("rows"))
    texts = "".join(f"{'' if row == 70 else f'the old house {row}'}\n" for row in range(400))
    (folder / "lines.txt").write_text(texts, "utf-8")
    return folder


def test_rows_are_answered_by_two_workers_in_order_though_one_is_killed(cluster, library, tmp_path, monkeypatch):
    monkeypatch.chdir(library)
    host = Host.load()
    stacks = StackChoice("lang:a + task:mood")
    settings = WorkerSettings("predict", stacks.default, Library((Path("components"),)))
    items = SourceStretches(library, Source("text", {"path": "lines.txt", "keep_empty": True}), stacks, 0, 30, ())
    opened, killed = WorkerElsewhere(library, settings), tmp_path / "killed"

    def open_worker():
        worker = opened()

        def answer(rows):
            # Whichever worker comes first to a row of the middle.
            if any(example.text.endswith(" 150") for example, _ in rows) and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return os.getpid(), worker(rows)

        return answer

    config = host.configured(ExecutorSpec, "ray", {}, "test").config
    found = list(host.spec(ExecutorSpec, "ray").answer(config, StreamWork(items, open_worker)))
    assert killed.exists() and len({process for process, _ in found}) >= 2
    answers = [each for _, answered in found for each in answered.answers]
    worker = opened()
    expected = [each for stretch in items() for each in worker(stretch).answers]
    assert [each.record["text"] for each in answers] == (library / "lines.txt").read_text("utf-8").splitlines()
    for each, alone in zip(answers, expected, strict=True):
        assert each.record["scores"] == pytest.approx(alone.record["scores"], abs=1e-5)


def test_the_commands_write_the_same_there_as_here(cluster, library, tmp_path, monkeypatch):
    monkeypatch.chdir(library)

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, [*arguments])
        assert result.exit_code == code, result.stderr
        return result

    # Each worker is a process that imports all that a model takes.
    on_ray = ("--on", "ray", "--on-option", "workers=1")
    predict = ["predict", "-s", "lang:a + task:mood", "-d", "lines.txt", "--output"]
    run(*predict, str(tmp_path / "here.jsonl"))
    run(*predict, str(tmp_path / "there.jsonl"), *on_ray)
    here, there = (
        [json.loads(line) for line in (tmp_path / name).read_text("utf-8").splitlines()]
        for name in ("here.jsonl", "there.jsonl")
    )
    assert len(here) == 400 and [each.keys() for each in here] == [each.keys() for each in there]
    for one, other in zip(here, there, strict=True):
        assert (one["origin"], one["text"]) == (other["origin"], other["text"])
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    embed = ["embed", "-s", "lang:b", "-d", "lines.txt", "--output"]
    run(*embed, str(tmp_path / "here.npy"))
    run(*embed, str(tmp_path / "there.npy"), *on_ray)
    numpy.testing.assert_allclose(numpy.load(tmp_path / "there.npy"), numpy.load(tmp_path / "here.npy"), atol=1e-5)

    Path("rows.jsonl").write_text("".join(f'{{"text": "day {row}"}}\n' for row in range(100)) + "{}\n", "utf-8")
    wrong = run("predict", "-s", "task:mood", "-d", "rows.jsonl", "--json", *on_ray, code=1)
    assert len(wrong.stdout.splitlines()) == 100 and "rows.jsonl, line 101" in wrong.stderr
    refused = run("predict", "-s", "task:mood", "a text", "--on", "ray", code=1)
    assert "texts of the command line are read here alone" in refused.stderr
    wrong = run("predict", "-s", "task:mood", "-d", "rows.jsonl", *on_ray, "--device", "gpu7", code=1)
    assert 'the device "gpu7" cannot be used' in wrong.stderr


RECIPE = """
component = { name = "{language}", role = "lang", languages = ["{tag}"] }
backbone = { name = "backbone" }
parts = [{ method = "full" }]
objective = { name = "alignment" }
data = { train = { reader = "tsv", path = "pairs.tsv", text = "{column}", translation = "b" } }
training = { epochs = 1, precision = "float32" }
fleet = { jav = { column = "a" }, sun = { column = "nothing" } }
"""
