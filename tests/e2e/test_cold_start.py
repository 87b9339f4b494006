"""One prediction in a process of its own: what it imports, and that it is what a process that imports all gives."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from waiting import PATIENCE

from lect.testing.backbones import save_tiny_backbone

pytestmark = [pytest.mark.processes, pytest.mark.models]

UNNEEDED = ("accelerate", "datasets", "pandas", "peft", "scipy", "sklearn", "sympy", "torch._dynamo",
            "torch.distributed.tensor", "transformers.generation.utils")  # fmt: skip
PROGRAM = f"""
import sys
from lect.commands.app import main
try:
    main()
finally:
    print([name for name in {UNNEEDED!r} if name in sys.modules], file=sys.stderr)
"""
TRANSLATOR = """
[component]
name = "job"
role = "task"
languages = ["en", "id"]

[backbone]
name = "writer"

[[parts]]
method = "full"

[head]
kind = "translation"
source_code = "__en__"
target_code = "__id__"
longest = 4

[objective]
name = "supervised"

[data.train]
reader = "csv"
path = "pairs.csv"
text = "en"
translation = "id"

[training]
epochs = 1
"""


def run_alone(*arguments):
    """What `lect` prints in a process of its own, and which packages that are not needed it has imported."""
    program = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()[-1]


def test_a_prediction_imports_what_it_needs_alone(workspace, trained):
    asked = (
        "predict",
        "-s",
        "lang:cipher + task:mood",
        "--components",
        str(trained),
        "--json",
        "a great day",
        "the grim cold",
    )
    told, unneeded = run_alone(*asked)
    assert unneeded == "[]"
    expected = workspace.lect(*asked)
    assert expected.exit_code == 0, expected.stderr
    for one, other in zip(told.splitlines(), expected.stdout.splitlines(), strict=True):
        mine, theirs = json.loads(one), json.loads(other)
        assert mine["answer"] == theirs["answer"]
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-6)


def test_a_stack_that_generates_still_does(workspace):
    save_tiny_backbone(workspace.folder / "writer", "m2m_100", generates=True)
    workspace.write("pairs.csv", "en,id\ngood house,little water\nday,year\n")
    workspace.write("job.toml", TRANSLATOR)
    assert workspace.lect("train", "job.toml").exit_code == 0
    asked = ("predict", "-s", "task:job", "good house")
    assert run_alone(*asked)[0] == workspace.lect(*asked).stdout
