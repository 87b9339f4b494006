"""The notebooks run from their first cell to their last, on a tiny model in the place of `e5-small`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_studio import backbone_of_studio

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.processes
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(notebook, tmp_path):
    shutil.copy(notebook, tmp_path)
    own = {"LECT_HOME": str(tmp_path / "home"), "LECT_NOTEBOOK_BACKBONE": str(backbone_of_studio(tmp_path))}
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "--nbmake", "--overwrite"]
    done = subprocess.run(
        [sys.executable, *words, notebook.name],
        cwd=tmp_path,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = (tmp_path / notebook.name).read_text(encoding="utf-8")
    # A line now and then, and nothing that moves or asks for widgets.
    assert "\\u001b" not in shown and "IProgress" not in shown
    assert "loss " in shown and len(shown) < 200_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_kept_without_outputs_and_in_short_cells(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert max(len(cell["source"]) for cell in code) <= 12
    assert len(NOTEBOOKS) == 3
