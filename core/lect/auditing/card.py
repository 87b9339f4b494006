"""A component's card made anew: with what `lect audit` found, and what its author adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lect.auditing.render import summary
from lect.auditing.report import AuditReport
from lect.errors import ComponentError, DataError
from lect.fields import check_licence, check_line
from lect.files import write_aside
from lect.storage.card import AuditLines, hub_task, render_card
from lect.storage.licences import Conflict, unanswered_conflicts
from lect.storage.manifest import FILE, CardEntry, GateEntry, Manifest, manifest_text
from lect.storage.store import CARD, read_folder_manifest, weights_hash

if TYPE_CHECKING:
    from lect.host import Host

AUDIT = "audit.json"
MAX_AUDIT_BYTES = 2**20


@dataclass(frozen=True)
class WrittenCard:
    """A card that was written.

    Args:
        audited: whether it says what an audit found.
        conflicts: of its licence with those of its training data, where the author says nothing of them.
    """

    file: Path
    audited: bool
    conflicts: tuple[Conflict, ...]


def write_card(
    folder: Path,
    host: Host,
    *,
    audit: Path | None = None,
    licence: str | None = None,
    gate: tuple[GateEntry, ...] | None = None,
    said: Mapping[str, str] = MappingProxyType({}),
) -> WrittenCard:
    """Write the card of a component anew, of its manifest and its audit.

    Args:
        host: knows what the head is for.
        audit: what `lect audit --output` wrote; it is kept beside the weights. By default the one that is kept there.
        licence: the component's, as an SPDX expression; the one that it has where None.
        gate: how strongly it acts, in the place of what was measured before.
        said: fields of `CardEntry`, in the place of those that the manifest has.

    Raises:
        ComponentError: the component is broken, or a field is wrong.
        DataError: the audit is none, or is not of this component with these weights.
    """
    before = manifest = read_folder_manifest(folder)
    if said:
        manifest = manifest.model_copy(update={"card": _entry(manifest, said)})
    if licence is not None:
        manifest = _licensed(manifest, licence)
    if gate is not None:
        manifest = manifest.model_copy(update={"gate": gate})
    kept = folder / AUDIT
    file = audit or (kept if kept.is_file() else None)
    report = None if file is None else read_audit(file, manifest, folder)
    if manifest is not before:
        write_aside(folder / FILE, manifest_text(manifest))
    if audit is not None and not (kept.exists() and audit.samefile(kept)):
        write_aside(kept, audit.read_bytes())
    lines = None if report is None else audit_lines(report)
    write_aside(folder / CARD, render_card(manifest, lines, task=hub_task(manifest, host)))
    return WrittenCard(folder / CARD, report is not None, unanswered_conflicts(manifest))


def audit_lines(report: AuditReport) -> AuditLines:
    """What a card says of an audit."""
    return AuditLines(report.stack, report.title, (*summary(report), *report.notes))


def read_audit(file: Path, manifest: Manifest, folder: Path) -> AuditReport:
    """The audit in a file, of this very component. Raises `DataError`."""
    from pydantic import TypeAdapter, ValidationError

    where = str(file)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_AUDIT_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", where=where) from None
    if len(content) > MAX_AUDIT_BYTES:
        raise DataError(f"is larger than {MAX_AUDIT_BYTES:,} bytes", where=where, fix="give a smaller audit")
    try:
        report = AuditReport.from_json(content.decode())
        # It may come from anyone, and what it holds is shown as numbers.
        TypeAdapter(AuditReport).validate_json(content)
        summary(report)
    except ValidationError as error:
        [first, *_] = error.errors()
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"is not an audit ({place}: {first['msg']})", where=where) from None
    except (ValueError, RecursionError, AttributeError):
        # Not UTF-8, too deep, a list where a table should be; or groups of which there are none.
        raise DataError("is not an audit", where=where, fix="give what lect audit --output wrote") from None
    except DataError as error:
        raise DataError(error.what, where=where, fix=error.fix) from None
    _check_subject(report, manifest, folder, where)
    return report


def _check_subject(report: AuditReport, manifest: Manifest, folder: Path, where: str) -> None:
    own = f"{manifest.key}@{manifest.version}"
    again = "audit it again: lect audit FILE --output audit.json"
    if own not in report.components:
        listed = ", ".join(report.components) or "does not say what of"
        raise DataError(f"is no audit of {own} ({listed})", where=where, fix=again)
    if report.components[own] != weights_hash(folder):
        raise DataError(f"is an audit of {own} with other weights than these", where=where, fix=again)


def _licensed(manifest: Manifest, licence: str) -> Manifest:
    try:
        return manifest.model_copy(update={"licence": check_licence(check_line(licence))})
    except ValueError as error:
        raise ComponentError(str(error), where="licence", fix="give another one") from None


def _entry(manifest: Manifest, said: Mapping[str, str]) -> CardEntry | None:
    from pydantic import ValidationError

    before: dict[str, Any] = manifest.card.model_dump() if manifest.card else {}
    # An empty text takes a field out.
    values = {name: text or None for name, text in {**before, **said}.items()}
    try:
        return CardEntry(**values) if any(values.values()) else None
    except ValidationError as error:
        problem = error.errors()[0]
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise ComponentError(message, where=f"card.{problem['loc'][0]}", fix="give another text") from None
