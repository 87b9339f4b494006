"""Fake installed distributions: a module and a dist-info folder each, on `sys.path`."""

from __future__ import annotations

import importlib
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lect.host import Host

IMPORTS = (
    "from lect import BackboneSpec, CheckpointSpec, CommandSpec, Config, Example, ExecutorSpec, FormatSpec, HeadSpec, "
    "InitialiserSpec, IdentifierSpec, InstalledIdentifier, MergeSpec, "
    "MethodSpec, MetricSpec, ObjectiveSpec, Problem, ReaderSpec, RouteSpec, TokenLearnerSpec, "
    "UserError, hookimpl"
)


@dataclass
class FakeSite:
    """A folder of installed distributions."""

    folder: Path
    modules: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def install(
        self,
        name: str,
        source: str,
        *,
        distribution: str | None = None,
        version: str = "1.0",
        group: str = "lect.v1",
    ) -> str:
        """Install a plugin of this source; the path of a file that exists once its module has been imported."""
        distribution = distribution or f"lect-{name}"
        module = f"fake_{distribution}_{name}".replace("-", "_").replace(".", "_")
        marker = self.folder / f"{module}.imported"
        preamble = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n{IMPORTS}\n"
        (self.folder / f"{module}.py").write_text(preamble + textwrap.dedent(source), "utf-8")
        information = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        information.mkdir(exist_ok=True)
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (information / "METADATA").write_text(metadata, "utf-8")
        with (information / "entry_points.txt").open("a", encoding="utf-8") as file:
            file.write(f"[{group}]\n{name} = {module}\n")
        self.modules.append(module)
        importlib.invalidate_caches()
        return str(marker)

    def load(self, **options) -> Host:
        """A host that sees these distributions only; what it reports is kept in `warnings`."""
        return Host.load(path=[str(self.folder)], report=self.warnings.append, **options)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder of installed distributions."""
    monkeypatch.delenv("LECT_PLUGINS", raising=False)
    monkeypatch.delenv("LECT_TRACE", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    fake = FakeSite(tmp_path)
    yield fake
    for module in fake.modules:
        sys.modules.pop(module, None)


METHOD = """
class Shift(Config):
    size: int = 1

@hookimpl
def lect_register_methods():
    return [MethodSpec("{name}", "a fake method", Shift, lambda config, context: 1 / 0)]
"""


@pytest.fixture
def method():
    """The source of a plugin that registers one method of a given name."""
    return lambda name: METHOD.replace("{name}", name)
