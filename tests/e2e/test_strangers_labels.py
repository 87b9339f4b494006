"""Labels and sources of a stranger's component that would steer a terminal or a page."""

from __future__ import annotations

import json
import shutil

import pytest

EVIL = "\x1b]0;owned\x07\u202edab"


@pytest.fixture
def evil(workspace, trained):
    shutil.copytree(trained / "task", workspace.folder / "components/task")
    file = workspace.folder / "components/task/mood/component.toml"
    text = file.read_text("utf-8")
    for label in ("bad", "good"):
        text = text.replace(f'"{label}"', json.dumps(f"{label}{EVIL}"))
    file.write_text(text, "utf-8")
    return workspace


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "a fine day", "-s", "task:mood"),
        ("predict", "a fine day", "-s", "task:mood", "--json"),
        ("explain", "a fine day", "-s", "task:mood", "--steps", "2"),
        ("explain", "a fine day", "-s", "task:mood", "--steps", "2", "--json"),
        ("explain", "a fine day", "-s", "task:mood", "--steps", "2", "--output", "page.html"),
        ("explain", "a fine day", "-s", "task:mood", "--target", "none"),
        ("components", "show", "task:mood"),
        ("components", "show", "task:mood", "--json"),
        ("components", "card", "task:mood"),
    ],
)
def test_no_text_of_a_component_steers(evil, arguments):
    result = evil.lect(*arguments)
    written = [path.read_text("utf-8") for path in evil.folder.glob("page.html")]
    written.append((evil.folder / "components/task/mood/README.md").read_text("utf-8"))
    for text in (result.stdout, result.stderr, *written):
        assert not set(text) & set("\x1b\x07\u202e"), ascii(text)
    assert result.exit_code == (1 if "--target" in arguments else 0), result.stderr
    if "--json" in arguments and arguments[0] != "components":
        assert EVIL in "".join(texts_in(json.loads(result.stdout)))


def texts_in(value):
    """Every text in a JSON value, keys too."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for inner in value for text in texts_in(inner)]
    return [value] if isinstance(value, str) else []
