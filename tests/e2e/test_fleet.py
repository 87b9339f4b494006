"""`lect fleet`: several languages by one recipe, with one that fails, and one that is killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from waiting import PATIENCE, hears_ctrl_c, wait_for

from lect.fleet.plan import plan_fleet
from lect.fleet.run import look
from lect.storage.library import Library

TABLES = """
[fleet.jav]
column = "cipher"

[fleet.ban]
column = "missing"

[fleet.sun]
column = "english"
"""


@pytest.fixture
def fleet(workspace):
    """The recipe of a fleet, as short as runs can be."""
    language = (workspace.folder / "language.toml").read_text("utf-8")
    for old, new in (
        ('name = "cipher"', 'name = "{language}"'),
        ('["en"]', '["{tag}"]'),
        ('text = "cipher"', 'text = "{column}"'),
        ("epochs = 10", "epochs = 2"),
    ):
        language = language.replace(old, new)
    return workspace.write("many.toml", language + TABLES)


def records(result):
    return {record["language"]: record for record in json.loads(result.stdout)}


@pytest.mark.processes
def test_a_failed_language_is_reported_and_harms_no_other(workspace, fleet):
    result = workspace.lect("fleet", "many.toml", "--languages", "jav,ban", "--at-once", "2", "--json")
    assert result.exit_code == 1
    found = records(result)
    assert {language: record["status"] for language, record in found.items()} == {
        "jav": "finished",
        "ban": "failed",
    }
    assert found["ban"]["error"].startswith('pairs.tsv, line 1: no column "missing" (columns: cipher, english)')
    assert "error: pairs.tsv" in (workspace.folder / found["ban"]["log"]).read_text("utf-8")
    assert (found["jav"]["component"], found["jav"]["steps"]) == ("lang:jav", 8)
    assert set(found["jav"]["validation"]) == {"recall@1", "recall@5", "recall@10", "mrr", "ndcg@10"}
    assert "jav: finished" in result.stderr

    again = workspace.lect("fleet", "many.toml", "--languages", "jav,ban", "--set", "fleet.ban.column=cipher")
    assert again.exit_code == 0, again.stderr
    assert "jav" not in again.stderr, "what is finished is not run again"
    assert [line.split()[:3] for line in again.stdout.splitlines()[2:]] == [
        ["jav", "lang:jav", "kept"],
        ["ban", "lang:ban", "finished"],
    ]
    library = Library((workspace.folder / "components",))
    for changes, expected in ((), "kept"), (("training.seed=3",), "waiting"):
        (status,) = look(plan_fleet(fleet, ["jav"], changes), library, workspace.folder)
        assert status.status == expected, "a component of another recipe is not what was asked for"


@pytest.mark.processes
def test_a_killed_fleet_goes_on_from_its_checkpoints(workspace, fleet):
    length = ["--set", "training.epochs=", "--set", "training.steps=120", "--set", "training.checkpoint_every=10"]
    command = [sys.executable, "-m", "lect", "fleet", "many.toml", "-l", "jav", *length]
    process = subprocess.Popen(command, cwd=workspace.folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    checkpoints = workspace.folder / "runs/lang-jav/checkpoints"
    wait_for(lambda: any(checkpoints.glob("step-*/state.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    log = workspace.folder / "runs/fleet-many/jav.log"
    wait_for(lambda: "Stopped at step" in log.read_text("utf-8") or "lang:jav  components" in log.read_text("utf-8"))
    assert "Stopped at step" in log.read_text("utf-8"), "the run stops, with a checkpoint, when its fleet is no more"

    result = workspace.lect("fleet", "many.toml", "-l", "jav", *length, "--json")
    assert result.exit_code == 0, result.stderr
    assert "jav: lang:jav goes on from its checkpoint" in result.stderr
    assert (records(result)["jav"]["resumed"], records(result)["jav"]["steps"]) == (True, 120)


@pytest.mark.processes
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_with_a_checkpoint_and_says_how_to_go_on(workspace, fleet):
    length = ["--set", "training.epochs=", "--set", "training.steps=2000", "--set", "training.checkpoint_every=10"]
    command = [sys.executable, "-m", "lect", "fleet", "many.toml", "-l", "jav,sun", *length]
    process = subprocess.Popen(
        command, cwd=workspace.folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=hears_ctrl_c,
    )  # fmt: skip
    wait_for(lambda: any((workspace.folder / "runs/lang-jav/checkpoints").glob("step-*/state.json")))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert stderr.endswith("Stopped. The same command goes on.\n")
    assert [line.split()[:3] for line in stdout.splitlines()[2:]] == [
        ["jav", "lang:jav", "stopped"],
        ["sun", "lang:sun", "waiting"],
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on", "moon"], 'no plugin provides executor "moon"'),
        (["--option", "gpu=[0]"], '--on local, gpu: unknown field "gpu"; did you mean "gpus"?'),
        (["--set", "component.name=one"], 'jav and ban would both train "lang:one"'),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_run(workspace, fleet, options, message):
    result = workspace.lect("fleet", "many.toml", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (workspace.folder / "runs").exists()


@pytest.mark.processes
def test_what_a_fleet_trained_is_listed_as_starters_and_rebuilt(workspace, fleet, monkeypatch):
    """A registry's folder lists the fleet's recipe for each language, and anybody can train one of them again."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    licensed = fleet.read_text("utf-8").replace('["{tag}"]', '["{tag}"]\nlicence = "CC-BY-4.0"')
    workspace.write("many.toml", licensed)
    assert workspace.lect("fleet", "many.toml", "--languages", "jav").exit_code == 0
    workspace.lect("registry", "build", "hub")
    outside = workspace.lect("registry", "starters", "many.toml", "--languages", "jav", "--to", "hub")
    assert outside.exit_code == 1
    assert "many.toml: lies outside of the registry" in outside.stderr

    workspace.lect("registry", "build", ".")
    entered = workspace.lect("registry", "starters", "many.toml", "--languages", "jav")
    assert entered.exit_code == 0, entered.stderr
    folder = workspace.folder / "components/lang/jav"
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert entered.stdout == f"lang:jav  {weights}\n"
    [listed] = json.loads(workspace.lect("registry", "rebuild", "--registry", ".", "--json").stdout)
    assert (listed["recipe"], listed["language"]) == ("many.toml", "jav")
    assert listed["results"][0]["metric"] == "recall@1"
    assert workspace.lect("registry", "check", ".").stdout == "registry.toml  is sound\n"
    rebuilt = workspace.lect("registry", "rebuild", "lang:jav", "--registry", ".", "--components", "built")
    assert rebuilt.exit_code == 0, rebuilt.stderr
    assert f"equal to the bit: SHA-256 {weights}" in rebuilt.stdout

    # Another processor gives other bits; then the scores decide.
    listing = (workspace.folder / "registry.toml").read_text()
    elsewhere = re.sub(r'environment = ".*"', 'environment = "another machine"', listing.replace(weights, "a" * 64))
    workspace.write("registry.toml", elsewhere)
    again = ("registry", "rebuild", "lang:jav", "--registry", ".", "--components", "built")
    as_good = workspace.lect(*again)
    assert as_good.exit_code == 0, as_good.stderr
    assert "listed for: another machine" in as_good.stdout
    assert re.search(r"^recall@1 ([\d.]+), listed \1$", as_good.stdout, re.MULTILINE)
    workspace.write("registry.toml", re.sub(r'(metric = "recall@1", value = )[\d.]+', r"\g<1>9.5", elsewhere))
    worse = workspace.lect(*again)
    assert worse.exit_code == 1
    assert re.search(r"error: lang:jav: recall@1 is [\d.]+, and 9.5000 is listed", worse.stderr)
    # Equal bits are no others, wherever they are from.
    workspace.write("registry.toml", elsewhere.replace("a" * 64, weights))
    equal = workspace.lect(*again)
    assert (equal.exit_code, equal.stdout) == (0, rebuilt.stdout)
    # In the listed environment there is no excuse.
    workspace.write("registry.toml", listing.replace(weights, "a" * 64))
    assert workspace.lect(*again).exit_code == 1
    workspace.write("registry.toml", listing)

    # Listed again it is replaced; what the recipe does not give is not listed.
    workspace.lect("registry", "starters", "many.toml", "--languages", "jav")
    assert len(json.loads(workspace.lect("registry", "rebuild", "--registry", ".", "--json").stdout)) == 1
    workspace.write("many.toml", licensed.replace("epochs = 2", "epochs = 3"))
    other = workspace.lect("registry", "starters", "many.toml", "--languages", "jav")
    assert other.exit_code == 1
    assert "lang:jav, many.toml: was not trained by this recipe" in other.stderr
