"""The Python of the documentation runs as it stands: examples of docstrings, and of docs/python.md."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from small_studio import backbone_of_studio, fill_studio

import lect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WITH_EXAMPLES = (
    *("load", "read", "lang", "task", "avg", "mix", "stack", "train", "teach_language", "teach_task"),
    *("components", "identify", "pull", "search", "merge", "export", "evaluate_matrix", "audit"),
    *("TaskClassifier", "for_trainer", "Model.as_pipeline"),
    *("Model.predict", "Model.embed", "Model.evaluate", "Model.explain", "SavedComponent.push"),
    *("Recipe.from_toml", "Recipe.to_toml", "Predictions"),
    *("vocabulary.build", "vocabulary.report"),
)


@pytest.fixture(scope="session")
def studio_template(tmp_path_factory, worker_id):
    """The folder that every example starts from, made once for all workers."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "studio"
    with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as patch:
        if not folder.exists():
            unfinished = folder.with_suffix(".partial")
            unfinished.mkdir()
            small = backbone_of_studio(unfinished)
            patch.setattr("lect_e5.convert.prepare", lambda progress: small)
            patch.chdir(unfinished)
            patch.setenv("LECT_HOME", str(unfinished / "home"))
            fill_studio(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture
def studio(studio_template, tmp_path, monkeypatch):
    folder = tmp_path / "studio"
    shutil.copytree(studio_template, folder, ignore=shutil.ignore_patterns("runs", "home"))
    monkeypatch.setattr("lect_e5.convert.prepare", lambda progress: folder / "backbone")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    return folder


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_docstrings_run(name, studio):
    shown = lect
    for step in name.split("."):
        shown = getattr(shown, step)
    (test,) = (
        each for each in doctest.DocTestFinder(recurse=False).find(shown, name, globs={"lect": lect}) if each.examples
    )
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_snippets_of_the_page_on_python_run_from_top_to_bottom(studio):
    names: dict[str, object] = {}
    for snippet in SNIPPETS:
        exec(compile(snippet, "docs/python.md", "exec"), names)
    assert len(SNIPPETS) > 10


def test_help_fits_on_two_screens():
    import pydoc

    assert len(pydoc.plain(pydoc.render_doc(lect)).splitlines()) <= 100
    assert {"load", "train", "components"} <= set(dir(lect))
    assert [name for name in dir(lect) if getattr(lect, name, None) is None] == []


def test_what_an_object_shows_for_itself_fits_on_one_screen(studio):
    model = lect.load("lang:jav + task:sentiment")
    rows = lect.read("reviews.csv", label="mood")
    report = model.evaluate(rows)
    matrix = lect.evaluate_matrix(
        {
            "dataset": [{"reader": "csv", "path": "reviews.csv", "label": "mood", "language": "jv"}],
            "stack": [{"stack": "lang:jav + task:sentiment"}, {"stack": "task:sentiment"}],
        }
    )
    audit = lect.audit(
        {
            "stack": "task:sentiment",
            "group": "text_pair",
            "dataset": [
                {"reader": "csv", "path": "reviews.csv", "label": "mood", "text_pair": "mood", "language": "en"}
            ],
        }
    )
    opened = model._default
    recipe = lect.Recipe.from_toml(studio / "recipe.toml")
    component = lect.components()[0]
    shown = [model, report, matrix, audit, model.explain("a happy day"), model.predict([*rows]), model.predict("warm"),
             component, component.manifest, recipe, model.backbone, opened, opened.engine, opened.stored[0],
             lect.Host.load(), lect.Library.default(), rows[0]]  # fmt: skip
    assert {type(each).__name__: len(repr(each)) for each in shown if len(repr(each)) > 1000} == {}
    assert "without lang:jav" in repr(report) and "macro F1" in repr(matrix) and "Gap" in repr(audit)
    assert repr(component) == f"<component lang:jav 1.0.0 in {component.folder}: jv; bottleneck; CC0-1.0>"
    for each, said in (
        (report, "without lang:jav"),
        (matrix, "<svg"),
        (audit, "parity by"),
        (model.explain("a <b> day"), "&lt;b&gt;</span>"),
        (component, "<h1>"),
        (model, "<th>scores</th>"),
    ):
        html = each._repr_html_()
        assert said in html
        # Inside a notebook: no page of its own, and no rule that reaches beyond.
        assert not re.search(r"<(html|body|script|iframe|!doctype)", html)
        assert ":root" not in html


def test_a_recipe_goes_to_toml_and_back_and_is_refused_in_the_words_of_the_command(studio):
    file = studio / "recipe.toml"
    recipe = lect.Recipe.from_toml(file)
    assert recipe.data.train[0].config == {"path": "reviews.csv", "label": "mood"}
    assert lect.Recipe.from_toml(file, ["training.seed=3"]).training.seed == 3
    for changes in (["training.epoch=1"], ["head.kind=classificatoin"], ["data.train.labl=x", "objective.name="]):
        with pytest.raises(lect.UserError) as caught:
            lect.Recipe.from_toml(str(file), changes)
        with pytest.raises(lect.UserError) as command:
            from lect.recipes.load import load_any_recipe

            load_any_recipe(file, changes, lect.Host.load())
        assert str(caught.value) == str(command.value)


def test_reports_and_files_are_refused_in_the_words_of_the_commands(studio):
    from typer.testing import CliRunner

    from lect.commands.app import app

    (studio / "matrix.toml").write_text('[[dataset]]\nreader = "csv"\nlanguage = "jv"\n', encoding="utf-8")
    (studio / "data.xyz").write_text("a", encoding="utf-8")
    for words, called in (
        (["eval", "matrix.toml"], lambda: lect.evaluate_matrix("matrix.toml")),
        (["eval", "none.toml"], lambda: lect.evaluate_matrix("none.toml")),
        (["audit", "matrix.toml"], lambda: lect.audit("matrix.toml")),
        (["data", "inspect", "data.xyz"], lambda: lect.read("data.xyz")),
        (["data", "inspect", "none.csv"], lambda: lect.read("none.csv")),
        (["merge", "lang:jav", "merged"], lambda: lect.merge("lang:jav", "merged")),
        (["export", "lang:jav", "out", "--to", "petf"], lambda: lect.export("lang:jav", "out", to="petf")),
    ):
        command = CliRunner().invoke(app, words)
        assert command.exit_code == 1, command.stdout
        with pytest.raises(lect.UserError) as caught:
            called()
        assert f"error: {caught.value}" in command.stderr


def test_commands_and_functions_give_the_same_bytes(studio):
    from typer.testing import CliRunner

    from lect.commands.app import app

    (studio / "audit.toml").write_text(
        'stack = "task:sentiment"\n[[counterfactual]]\nname = "weather"\ntemplates = ["a {kind} day"]\n'
        '[counterfactual.substitutions.kind]\ngood = ["warm"]\nbad = ["cold"]\n',
        encoding="utf-8",
    )
    (studio / "matrix.toml").write_text(
        '[[dataset]]\nreader = "csv"\npath = "reviews.csv"\nlabel = "mood"\nlanguage = "jv"\n'
        '[[stack]]\nstack = "task:sentiment"\n',
        encoding="utf-8",
    )
    printed = CliRunner().invoke(app, ["audit", "audit.toml", "--json"])
    assert printed.stdout == lect.audit("audit.toml").to_json() + "\n"
    printed = CliRunner().invoke(app, ["eval", "matrix.toml", "--markdown"])
    assert "macro F1" in printed.stdout
    assert lect.evaluate_matrix("matrix.toml").computed == 0
