"""A page for each language: its components, with their gates, scores, data and licences."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest


class Links(HTMLParser):
    """What a page links to, and what it loads."""

    def __init__(self, page):
        super().__init__()
        self.links, self.loaded = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values["href"]] if tag == "a" and "href" in values else []
        self.loaded += [values[name] for name in ("src", "href") if name in values and tag != "a"]


@pytest.fixture
def library(trained, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(trained, folder)
    manifest = folder / "lang/cipher/component.toml"
    text = re.sub(r"^languages = .*$", 'languages = ["jv"]', manifest.read_text("utf-8"), flags=re.MULTILINE)
    gate = '\n[[gate]]\nuse = "classification"\nstrength = 0.5\nmeasure = "agreement"\nscore = 71.5\n'
    manifest.write_text(f"{text}\n{gate}without = 70.0\nwhole = 60.25\nrows = 100\n", "utf-8")
    return folder


def score(value):
    return {"name": "f1_macro", "value": value, "low": value - 0.05, "high": value + 0.05, "direction": "higher"}


def write_matrix(path, whole=0.81, without=0.62, p=0.004):
    stack = "lang:cipher + task:mood"
    bare = "without lang:cipher"
    variants = [{"label": stack, "scores": [score(whole)]}, {"label": bare, "scores": [score(without)]}]
    entry = {"dataset": "moods", "name": "both", "stack": stack}
    entry["cell"] = {"report": {"main": "f1_macro", "variants": variants}}
    part = {"dataset": "moods", "first": "both", "second": bare, "adjusted": p}
    columns = [{"name": "moods", "language": "jav", "rows": 204}]
    path.write_text(json.dumps({"schema": 1, "columns": columns, "entries": [entry], "parts": [part]}), "utf-8")


def test_pages_of_a_library_with_scores_of_a_matrix(library, workspace):
    write_matrix(workspace.folder / "report.json")
    made = workspace.lect("languages", "pages", "--report", "report.json", "--components", str(library))
    assert made.exit_code == 0, made.stderr
    folder = workspace.folder / "languages"
    index, page = ((folder / name).read_text("utf-8") for name in ("index.html", "jv.html"))
    assert "Javanese (jv)" in index and "jv.html" in Links(index).links
    assert all((folder / link).is_file() for link in Links(index).links)
    for told in (
        "lang:cipher",
        "0.8100",
        "0.6200",
        "+0.1900",
        "0.004",
        "Gate",
        "recall@1",
        "Jawa",
        "Data and licences",
    ):
        assert told in page, told
    assert "lect pull lang:cipher" in page and "index.html" in Links(page).links
    assert not Links(page).loaded and not Links(index).loaded


def test_what_is_worse_with_the_component_is_counted(library, workspace):
    write_matrix(workspace.folder / "report.json", whole=0.5, without=0.62)
    arguments = ("--report", "report.json", "--components", str(library), "--locale", "fr", "jav")
    assert workspace.lect("languages", "pages", *arguments).exit_code == 0
    page = (workspace.folder / "languages/jv.html").read_text("utf-8")
    assert 'lang="fr"' in page and "0,5000" in page and "javanais (jv)" in page
    assert sorted(file.name for file in (workspace.folder / "languages").iterdir()) == ["jv.html"]


def test_pages_of_a_registry(library, workspace):
    licensed = ("components", "card", "lang:cipher", "--licence", "CC-BY-4.0", "--components", str(library))
    assert workspace.lect(*licensed).exit_code == 0
    assert workspace.lect("registry", "build", "registry").exit_code == 0
    pushed = workspace.lect("push", "lang:cipher", "--to", "registry", "--components", str(library))
    assert pushed.exit_code == 0, pushed.stderr
    made = workspace.lect("languages", "pages", "--registry", "registry", "--output", "site")
    assert made.exit_code == 0, made.stderr
    assert "lang:cipher" in (workspace.folder / "site/jv.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--report", "language.toml"), "language.toml: this is not the JSON of a matrix's report; name the JSON of"),
        (("--report", "absent.json"), "absent.json: cannot be read (no such file or directory)"),
        (("Klingonish",), '"Klingonish" is not a language tag'),
        (("sun",), "su: there is no component for this language, and no score; see lect components"),
        (("--locale", "tlh"), "pages are not in this language"),
    ],
    ids=["no report", "absent", "no language", "no component", "no locale"],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(library, workspace, arguments, message):
    said = workspace.lect("languages", "pages", *arguments, "--components", str(library))
    assert said.exit_code == 1
    assert message in said.stderr.splitlines()[-1]
    assert not (workspace.folder / "languages").exists()
