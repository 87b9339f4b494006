"""What can be shown and compared: a run's folder, a component, the report of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lect.composition.stack import ROLES, parse_component
from lect.errors import DataError, UserError
from lect.evaluation.report import EvaluationReport
from lect.scores import Direction, direction_of, gain_of
from lect.storage.library import Library
from lect.storage.manifest import FILE, Manifest
from lect.storage.store import WEIGHTS, read_folder_manifest, size_of
from lect.toml import parse_toml

_LOG, _RECIPE, _ENVIRONMENT = "metrics.jsonl", "recipe.toml", "environment.txt"
_FIX = "name a run's folder, a component such as lang:jav or its folder, or the JSON that lect eval wrote"


@dataclass(frozen=True)
class Run:
    """A training run, as its folder tells of it.

    Args:
        key: the component's, such as ``task:topic``; the folder's name where several were trained.
        steps: of each logged step its figures, with ``step`` among them.
        validations: steps, and the scores of held-out rows then.
        judged: the scores that say which validation is the best one, and which way they are better.
        environment: what it was computed on and with, a line each.
        manifest: of the component that it wrote, where that is still in the library and of the same recipe.
    """

    folder: Path
    key: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    recipe_text: str = ""
    steps: tuple[Mapping[str, float], ...] = ()
    validations: tuple[tuple[int, Mapping[str, float]], ...] = ()
    judged: Mapping[str, Direction] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    manifest: Manifest | None = None

    @property
    def main(self) -> str:
        """The score that validations are judged by, or the first one; "" where there is none."""
        names = list(self.validations[0][1]) if self.validations else []
        return next((name for name in (*self.judged, *names) if name in names and "[" not in name), "")

    def best(self, name: str) -> tuple[int, float] | None:
        """The step and the value of a score's best validation."""
        found = [(step, scores[name]) for step, scores in self.validations if name in scores]
        return max(found, key=lambda each: gain_of(each[1], 0.0, self.direction(name)), default=None)

    def direction(self, name: str) -> Direction:
        """Which way a score is better, as far as the log and the component tell."""
        results = self.manifest.results if self.manifest else ()
        return direction_of(
            name, {each.metric: each.direction for each in results if each.direction} | dict(self.judged)
        )

    def rates(self) -> list[tuple[int, float]]:
        """Tokens a second between logged steps, each taken for one like those before it."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return [
            (int(later["step"]), later["pieces"] * (later["step"] - earlier["step"]) / seconds)
            for earlier, later in pairs
            if "pieces" in later and (seconds := later.get("seconds", 0.0) - earlier.get("seconds", 0.0)) > 0
        ]


@dataclass(frozen=True)
class ShownComponent:
    """A component's folder.

    Args:
        parameters: how many values each of its parts has; ``head`` is its head.
        size: in bytes.
    """

    folder: Path
    manifest: Manifest
    parameters: Mapping[str, int]
    size: int


@dataclass(frozen=True)
class ShownReport:
    """An evaluation's report, and its file."""

    file: Path
    report: EvaluationReport


Thing = Run | ShownComponent | ShownReport
KINDS: Mapping[type, str] = {Run: "run", ShownComponent: "component", ShownReport: "report"}


def find_thing(text: str, library: Library) -> Thing:
    """The run, component or report that is meant: by a path, or a component by its name.

    Raises:
        UserError: it is none of these, or cannot be read.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        if (path / FILE).exists():
            return read_component(path)
        if (path / _LOG).exists() or (path / _RECIPE).exists():
            return read_run(path, library)
        raise UserError("neither a run nor a component is in this folder", where=text, fix=_FIX)
    if path.name in (_LOG, _RECIPE) and path.exists():
        return read_run(path.parent, library)
    if path.name == FILE and path.exists():
        return read_component(path.parent)
    if path.is_file():
        return read_report(path)
    if text.partition(":")[0] not in ROLES:
        raise UserError("there is no such run, component or report", where=text, fix=_FIX)
    return read_component(library.find(parse_component(text)))


def read_component(folder: Path) -> ShownComponent:
    """The component in a folder. Raises `ComponentError`."""
    from safetensors import safe_open

    from lect.weight_files import check_weights

    manifest = read_folder_manifest(folder)
    parameters: dict[str, int] = dict.fromkeys(manifest.methods, 0)
    names = check_weights(folder / WEIGHTS)
    with safe_open(folder / WEIGHTS, "np") as weights:
        for name in names:
            count = 1
            for length in weights.get_slice(name).get_shape():
                count *= length
            part = name.partition(".")[0]
            parameters[part] = parameters.get(part, 0) + count
    return ShownComponent(folder, manifest, parameters, size_of(folder))


def read_run(folder: Path, library: Library) -> Run:
    """The run in a folder. Raises `UserError` where its files cannot be read."""
    text = _text(folder / _RECIPE)
    recipe = parse_toml(text, UserError, where=str(folder / _RECIPE))
    steps: list[Mapping[str, float]] = []
    validations: list[tuple[int, Mapping[str, float]]] = []
    judged: dict[str, Direction] = {}
    for number, line in enumerate(_text(folder / _LOG).splitlines(), 1):
        try:
            record = json.loads(line)
            step = int(record["step"])
            if "validation" in record:
                validations.append((step, {name: float(score) for name, score in record["validation"].items()}))
                for name, direction in record.get("judged_by", {}).items():
                    judged[str(name)] = "lower" if direction == "lower" else "higher"
            else:
                steps.append({name: float(value) for name, value in record.items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DataError("this line is not one of a run's log", where=f"{folder / _LOG}, line {number}") from None
    component = recipe.get("component")
    named = component if isinstance(component, dict) else {}
    key = f"{named.get('role')}:{named.get('name')}" if {"role", "name"} <= named.keys() else folder.resolve().name
    environment = tuple(_text(folder / _ENVIRONMENT).splitlines())
    manifest = _written(key, text, library)
    return Run(folder, key, recipe, text, tuple(steps), tuple(validations), judged, environment, manifest)


def read_report(file: Path) -> ShownReport:
    """The report in a file of JSON. Raises `DataError`."""
    if file.suffix.lower() in (".html", ".htm"):
        raise DataError("this is a page already", where=str(file), fix="open it in a browser")
    try:
        text = file.read_text(encoding="utf-8")
        given = json.loads(text)
    except (OSError, ValueError):
        given = None
    if not isinstance(given, dict) or "schema" not in given:
        raise DataError("this is not the JSON of a report", where=str(file), fix=_FIX)
    if "columns" in given:
        fix = "lect eval MATRIX.toml --output page.html writes its page"
        raise DataError("this is the report of a matrix", where=str(file), fix=fix)
    try:
        return ShownReport(file, EvaluationReport.from_json(text))
    except DataError as error:
        raise DataError(error.what, where=str(file), fix=error.fix or _FIX) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"it cannot be read ({type(error).__name__})", where=str(file)) from None


def _written(key: str, recipe: str, library: Library) -> Manifest | None:
    """The component that a run has written, unless another run has written it anew."""
    if key.partition(":")[0] not in ROLES:
        return None
    try:
        manifest = read_folder_manifest(library.find(parse_component(key)))
    except (UserError, ValueError):
        return None
    return manifest if manifest.training is not None and manifest.training.recipe.strip() == recipe.strip() else None
