"""The structure of the tree: no circles of files, no file too long, and commands that load what they need alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import grimp
import pytest

from lect.errors import DataError
from lect.toml import read_toml

CORE = Path(__file__).parents[2] / "core" / "lect"
SHOW_THEMSELVES = {
    "lect.evaluation.report": "lect.evaluation",
    "lect.evaluation.matrix.result": "lect.evaluation",
    "lect.auditing.report": "lect.auditing",
    "lect.explain.explanation": "lect.explain",
}
"""Records that are shown by renderers of their own package, which they import when they are asked to: users write
`report.to_html()`, and a renderer needs the record's type. No other circle is allowed."""


def test_no_files_import_each_other_in_a_circle():
    graph = grimp.build_graph("lect", exclude_type_checking_imports=False, cache_dir=None)
    for record, package in SHOW_THEMSELVES.items():
        for other in list(graph.find_modules_directly_imported_by(record)):
            if other.startswith(f"{package}.") and ("render" in other or "html" in other):
                graph.remove_import(importer=record, imported=other)
    left = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while free := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in free}
    # What is left is in a circle, or stands on one.
    assert sorted(left) == []


@pytest.mark.parametrize("folder", ["core/lect", "plugins"])
def test_no_file_is_longer_than_can_be_taken_in(folder):
    files = (CORE.parents[1] / folder).rglob("*.py")
    lengths = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: length for file, length in lengths.items() if length >= 400} == {}


@pytest.mark.processes
def test_the_package_and_its_commands_load_what_they_need_alone():
    heavy = "('torch', 'transformers', 'pydantic', 'numpy', 'typer')"
    code = f"import sys, lect; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
    code = (
        "import sys, lect.commands.predict, lect.engine.open, lect.host;"
        "print([m for m in sys.modules if m.startswith(('lect.training', 'lect.evaluation', 'sklearn', 'scipy'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"


def test_every_station_of_the_walks_is_there():
    text = (CORE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, recipe, rest = text.partition("**The way of a recipe**")
    assert recipe
    walks = rest.partition("What a row gives")[0].split("**The way of a text**")
    for walk in walks:
        stations = [line for line in walk.splitlines() if line[:1].isdigit()]
        assert 5 <= len(stations) <= 8
    for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", "".join(walks)):
        parts = name.split(".")
        last = next(
            place for place, part in enumerate(parts) if (CORE / "/".join(parts[: place + 1])).is_dir() is False
        )
        module = import_module(".".join(["lect", *parts[: last + 1]]))
        for attribute in parts[last + 1 :]:
            module = getattr(module, attribute)


def test_public_methods_say_what_they_do_where_no_base_class_does():
    files = [file for folder in ("core/lect", "plugins") for file in (CORE.parents[1] / folder).rglob("*.py")]
    classes = {
        node.name: (file, node)
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    assert [
        f"{file}:{method.lineno}: {name}.{method.name}"
        for name, (file, node) in classes.items()
        if not name.startswith("_")
        for method in methods_of(node)
        if not (method.name.startswith("_") or ast.get_docstring(method) or method.name in inherited(node, classes))
    ] == []


def methods_of(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """All but overloads and setters, which the method that they belong to speaks for."""
    found = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    decorators = [" ".join(map(ast.unparse, each.decorator_list)) for each in found]
    return [
        each
        for each, named in zip(found, decorators, strict=True)
        if "overload" not in named and ".setter" not in named
    ]


def inherited(node: ast.ClassDef, classes: dict[str, tuple[Path, ast.ClassDef]]) -> Iterator[str]:
    """The methods of the class's bases, as far as these are in this tree, and what torch calls a module by."""
    yield "forward"
    for base in node.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(name, ast.Name) and name.id in classes:
            above = classes[name.id][1]
            yield from (method.name for method in methods_of(above))
            yield from inherited(above, classes)


def test_the_oldest_python_is_the_same_wherever_it_is_named():
    root = CORE.parents[1]
    own = read_toml(root / "pyproject.toml", DataError)
    named = [each.rpartition(":: ")[2] for each in own["project"]["classifiers"] if ":: Python :: 3." in each]
    oldest = named[0]
    assert named == [f"3.{minor}" for minor in range(int(oldest.partition(".")[2]), 15)]
    for file in (
        root / "pyproject.toml",
        *root.glob("plugins/*/pyproject.toml"),
        *root.glob("examples/*/pyproject.toml"),
    ):
        assert read_toml(file, DataError)["project"]["requires-python"] == f">={oldest}", file
    tools = own["tool"]
    assert (tools["mypy"]["python_version"], tools["ruff"]["target-version"]) == (
        oldest,
        f"py{oldest.replace('.', '')}",
    )
    assert f"targets = {oldest}-" in (root / "vermin.ini").read_text(encoding="utf-8")
    template = (CORE / "templates/plugin/pyproject.toml.jinja").read_text(encoding="utf-8")
    assert f'requires-python = ">={oldest}"' in template
