"""Every command and all Python of the README, and every recipe of the examples, runs as it stands.

Training is cut to two steps, on tiny models in the place of `e5-small` and `smollm2-135m`: what the commands do is
looked at, not what is learned. `.ci/release`, tests/plugins/test_smollm.py and others run on the whole models.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from short_training import stop_python_after_two_steps, two_steps
from typer.testing import CliRunner

import lect

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sections(language):
    """The blocks of each section that has any in this language, by its heading."""
    for section in re.split(r"^(?=#+ )", README, flags=re.MULTILINE):
        blocks = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if blocks:
            yield section.splitlines()[0].lstrip("# "), blocks


def commands(blocks):
    return [line for block in blocks for line in block.splitlines() if line.startswith("lect ")]


SECTIONS = {heading: found for heading, blocks in sections("bash") if (found := commands(blocks))}
PYTHON = dict(sections("python"))
COMMANDS = [shlex.split(command)[1:] for commands in SECTIONS.values() for command in commands]
# What one section trains and others use.
TAUGHT = ("lang:jav", "lang:sun", "task:sentiment", "task:sentiment-lora")
TEACHING = [words for words in COMMANDS if words[0] == "train" and "nusax/" in words[1] and "mix.toml" not in words[1]]
# Not those of `lect eval`, `lect audit` and `lect fleet`.
RECIPES = [
    path
    for path in sorted((ROOT / "examples").rglob("*.toml"))
    if re.search(r"^\[(objective|\[train\.mix\])\]", text := path.read_text(encoding="utf-8"), re.MULTILINE)
    and "[fleet" not in text
]
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no data sets at {DATA}")


def run(words):
    """Run the command line on these words, training cut short."""
    from lect.commands.app import app

    cut = two_steps(Path(words[1])) if words[0] in ("train", "fleet") else []
    result = CliRunner().invoke(app, [*words, *cut])
    assert result.exit_code == 0, f"lect {shlex.join(words)}\n{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder that all workers of a session see."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "readme"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def folder(small_cache, tmp_path, monkeypatch):
    """A checkout's examples and data as they lie beside each other, with the small backbones."""
    folder = tmp_path / "lect"
    folder.mkdir()
    (tmp_path / "shared").symlink_to(DATA)
    shutil.copytree(ROOT / "examples", folder / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    shutil.copytree(small_cache, tmp_path / "cache", symlinks=True)
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def taught(shared, folder):
    """The folder with what the README's first sections train in it, trained once for all sections."""
    kept = shared / "components"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            for words in TEACHING:
                run(words)
            shutil.copytree("components", kept.with_suffix(".partial"))
            kept.with_suffix(".partial").rename(kept)
    shutil.copytree(kept, "components", dirs_exist_ok=True)
    return folder


def test_the_readme_has_commands_in_one_line_each():
    assert len(COMMANDS) > 10
    for marker in ("demo", "test"):
        block = re.search(rf"<!-- {marker} command -->\n```bash\n(.*?)\n```", README, re.DOTALL)
        assert block and "\n" not in block[1] and block[1].startswith("python3 -m venv")


def test_what_the_readme_links_to_is_there():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("words", COMMANDS, ids=shlex.join)
def test_every_command_of_the_readme_is_one(words):
    """Its name and options exist, and nothing that it needs is missing."""
    import typer

    from lect.commands.app import Settings, app

    command = typer.main.get_command(app)
    context = command.make_context("lect", list(words))
    context.obj = Settings()
    while hasattr(command, "resolve_command") and (rest := [*getattr(context, "_protected_args", ()), *context.args]):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        command = context.command


@pytest.mark.slow
@pytest.mark.processes
@needs_data
@pytest.mark.parametrize("section", SECTIONS)
def test_every_command_runs(section, taught):
    for command in SECTIONS[section]:
        words = shlex.split(command)[1:]
        if words not in TEACHING:
            run(words)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("section", PYTHON)
def test_all_python_runs(section, taught, monkeypatch):
    """On what the commands of the first sections train."""
    (taught / "our-registry").mkdir()
    from_toml = lect.Recipe.from_toml

    def cut(file, changes=()):
        return from_toml(file, [*changes, *two_steps(Path(file))[1::2]])

    stop_python_after_two_steps(monkeypatch)
    monkeypatch.setattr(lect.Recipe, "from_toml", cut)
    if section == "Any model":
        for command in SECTIONS[section]:
            run(shlex.split(command)[1:])
    names = {"lect": lect}
    for block in PYTHON[section]:
        exec(compile(block, f"README.md, {section}", "exec"), names)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_recipe_trains(recipe, taught):
    if any(str(recipe.relative_to(ROOT)) in words for words in COMMANDS):
        pytest.skip("run with the README's commands")
    for name in re.findall(r'^stack = "lang:(\w+)"', recipe.read_text("utf-8"), re.MULTILINE):
        if f"lang:{name}" not in TAUGHT:
            run(["train", "examples/nusax/language.toml", "--set", f"component.name={name}"])
    run(["train", str(recipe.relative_to(ROOT))])
