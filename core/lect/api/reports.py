"""Reports over several stacks, languages and groups, from a file or its values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.api.components import library_of
from lect.errors import StackError
from lect.host import Host
from lect.literals import Progress
from lect.storage.library import Library

if TYPE_CHECKING:
    from lect.auditing.report import AuditReport
    from lect.evaluation.matrix.result import MatrixReport


def evaluate_matrix(
    matrix: str | Path | Mapping[str, Any],
    *,
    library: str | Path | Library | None = None,
    cells: str | Path | None = None,
    host: Host | None = None,
    progress: Progress | None = None,
) -> MatrixReport:
    """Scores of languages × stacks, with intervals, paired tests, costs and plots.

    Args:
        matrix: a TOML file as ``lect eval`` takes it, or its fields as a dictionary; paths in one start here.
        library: the folder of components, instead of the matrix's own; by default ``./components`` and the user's.
        cells: where finished cells are kept, to go on from; by default ``runs/eval-<file>``.
        host: with the plugins to use; by default all that are installed.
        progress: told what is being scored, and the share that is done.

    Raises:
        RecipeError: a field of the matrix is wrong.
        DataError: a data set is wrong.
        ComponentError: a component is absent that a stack names for all languages.

    Example:
        >>> report = lect.evaluate_matrix({
        ...     "dataset": [{"reader": "csv", "path": "reviews.csv", "label": "mood", "language": "jv"}],
        ...     "stack": [{"stack": "lang:jav + task:sentiment"}, {"stack": "task:sentiment"}],
        ... })
        >>> [entry.stack for entry in report.entries]
        ['lang:jav + task:sentiment', 'task:sentiment']
        >>> report.to_html().startswith("<!doctype html>")
        True
    """
    from lect.evaluation.matrix.file import load_matrix, matrix_of
    from lect.evaluation.matrix.run import run_matrix

    given, name = (matrix_of(matrix), "matrix") if isinstance(matrix, Mapping) else (load_matrix(Path(matrix)), matrix)
    if library is None and given.components is not None:
        library = given.folder / Path(given.components).expanduser()
    folder = cells or given.folder / Path(given.runs).expanduser() / f"eval-{Path(name).stem}"
    return run_matrix(given, host or Host.load(), library_of(library), Path(folder), progress, str(name))


def audit(
    file: str | Path | Mapping[str, Any],
    *,
    stack: str = "",
    library: str | Path | Library | None = None,
    host: Host | None = None,
) -> AuditReport:
    """Whether a stack treats languages and groups alike.

    Args:
        file: a TOML file as ``lect audit`` takes it, or its fields as a dictionary; paths in one start here.
        stack: instead of the file's own.
        library: the folder of components, instead of the file's own; by default ``./components`` and the user's.
        host: with the plugins to use; by default all that are installed.

    Raises:
        RecipeError: a field is wrong.
        DataError: data or templates are wrong, or rows name no group.
        StackError: there is no stack, or its head gives no probabilities of labels.

    Example:
        >>> report = lect.audit({
        ...     "stack": "task:sentiment",
        ...     "counterfactual": [{
        ...         "name": "weather",
        ...         "templates": ["a {kind} day"],
        ...         "substitutions": {"kind": {"good": ["warm"], "bad": ["cold"]}},
        ...     }],
        ... })
        >>> report.counterfactuals[0].groups[0].pairs
        1
    """
    from lect.auditing.file import audit_of, load_audit
    from lect.auditing.run import run_audit

    asked, name = (audit_of(file), "audit") if isinstance(file, Mapping) else (load_audit(Path(file)), str(file))
    asked = asked.about(stack or asked.stack)
    if not asked.stack:
        raise StackError("no stack is given", where=name, fix='add stack = "…", or name one with --stack')
    if library is None and asked.components is not None:
        library = asked.folder / Path(asked.components).expanduser()
    return run_audit(asked, host or Host.load(), library_of(library), name)
