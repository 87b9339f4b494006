"""The names that plugins and users may import are there, each from where it is said to be."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
from surface import PUBLIC

import lect

pytestmark = pytest.mark.models


@pytest.mark.parametrize("module", [name for name in PUBLIC if name not in ("lect.cache", "lect.files")])
def test_every_name_that_is_said_to_be_public_is_there(module):
    found = import_module(module)
    assert [name for name in getattr(found, "__all__", dir(found)) if not hasattr(found, name)] == []


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(lect.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    seen = {name.name: each.module for each in block.body for name in each.names}
    assert seen == lect._HOMES


@pytest.mark.parametrize("folder", ["plugins", "examples"])
def test_plugins_import_public_names_alone(folder):
    """As the import linter holds it, for files that it does not see: tests of plugins, and what is not installed."""
    root = Path(__file__).parents[2]
    for file in (root / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lect":
                assert node.module in PUBLIC, f"{file.relative_to(root)}, line {node.lineno}: {node.module}"
