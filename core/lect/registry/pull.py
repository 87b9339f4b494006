"""Pulling a component: fetched, checked against the registry and against itself, and only then put into place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lect.cache import cache_folder, data_folder
from lect.errors import ComponentError, RegistryError, UserError
from lect.files import PARTIAL, folder_aside
from lect.registry.blobs import Blobs
from lect.registry.find import Wanted
from lect.registry.model import ComponentEntry, content_hash
from lect.registry.record import RECORD, Record, read_record
from lect.registry.signing import check_signature
from lect.registry.verify import problems_of
from lect.storage.manifest import BackboneEntry
from lect.storage.store import WEIGHTS, read_folder_manifest
from lect.weight_files import check_weights

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Pulled:
    """A component that was pulled.

    Args:
        fetched: the bytes that came from elsewhere; the others were in the cache.
        was_there: whether nothing had to be done.
    """

    entry: ComponentEntry
    folder: Path
    fetched: int
    was_there: bool
    registry: str


def pull(
    wanted: Wanted, *, blobs: Blobs | None = None, into: Path | None = None, progress: Progress | None = None
) -> Pulled:
    """Fetch a component and put it where stacks find it.

    Args:
        into: a folder of components; by default the user's.

    Raises:
        RegistryError: a file cannot be had or is not what is listed, or its signature is wrong.
        ComponentError: what was fetched is no sound component, or not the one that the registry says it is.
        UserError: the disk is full, or the same version with other contents lies there.
    """
    entry, registry = wanted.entry, wanted.registry
    blobs = blobs or Blobs.default()
    signer = check_signature(entry, registry.known)
    target = (into or data_folder() / "components") / entry.role / f"{entry.name}@{entry.version}"
    with _locked(target):
        if target.exists() and not _has_to_be_pulled(entry, target):
            return Pulled(entry, target, 0, True, registry.name)
        for leftover in target.parent.glob(f".{target.name}.*{PARTIAL}"):
            # Only the holder of the lock writes here: a process that was killed left this behind.
            _remove(leftover)
        fetched = 0
        with folder_aside(target) as aside:
            for number, file in enumerate(entry.files):
                if progress:
                    progress(f"fetching {entry.reference}", number / len(entry.files))
                if registry.place(entry, file, aside / file.path, blobs):
                    fetched += file.size
            check_against_entry(entry, aside)
            _check_results(entry, aside)
            record = Record(
                registry=registry.name,
                source=str(registry.sources[0]),
                files=entry.files,
                signature=entry.signature,
                key=signer,
            )
            (aside / RECORD).write_text(json.dumps(record.model_dump(mode="json"), indent=2), encoding="utf-8")
    return Pulled(entry, target, fetched, False, registry.name)


def check_against_entry(entry: ComponentEntry, folder: Path) -> None:
    """Refuse a folder whose component is broken, or another than its registry says.

    Raises:
        ComponentError: what is wrong.
    """
    manifest = read_folder_manifest(folder)
    check_weights(folder / WEIGHTS)
    stated: list[tuple[str, object, object]] = [
        ("role", entry.role, manifest.role),
        ("name", entry.name, manifest.name),
        ("version", entry.version, manifest.version),
        ("licence", entry.licence, manifest.licence),
        ("languages", entry.languages, manifest.languages),
        ("backbone", _identity(entry.backbone), _identity(manifest.backbone)),
        ("members", entry.members, manifest.members),
    ]
    for field, listed, found in stated:
        if listed != found:
            raise ComponentError(
                f"the registry lists the {field} {listed!r}, and the component says {found!r}",
                where=entry.reference,
                fix="tell whoever runs the registry",
            )


def _check_results(entry: ComponentEntry, folder: Path) -> None:
    # The manifest is among the files that a component's signature covers; a listing alone could boast.
    if entry.results != read_folder_manifest(folder).results:
        raise ComponentError(
            "the registry lists other results than the component has",
            where=entry.reference,
            fix="tell whoever runs the registry",
        )


def _identity(backbone: BackboneEntry) -> tuple[str, str | None, str]:
    return backbone.identity, backbone.revision, backbone.fingerprint


def _has_to_be_pulled(entry: ComponentEntry, target: Path) -> bool:
    """Whether what lies there is damaged; refuses where it is another component's."""
    try:
        record = read_record(target)
    except UserError:
        record = None
    if record is None:
        raise RegistryError(
            "holds a component that was not pulled", where=str(target), fix="move it away, or name another --components"
        )
    if record.content_hash(entry) != content_hash(entry):
        raise RegistryError(
            f"{entry.reference} is there already, from {record.source}, and the one that is offered has other contents",
            where=str(target),
            fix=f"if the new one is right: lect components remove {entry.reference}, then pull again",
        )
    return bool(problems_of(target))


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    from filelock import FileLock

    name = sha256(str(target.absolute()).encode()).hexdigest()[:2]
    folder = cache_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name)
        lock.acquire()
    except OSError as error:
        raise UserError(
            f"the cache cannot be written ({(error.strerror or str(error)).lower()})",
            where=str(folder),
            fix="set LECT_CACHE to a folder of yours",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
