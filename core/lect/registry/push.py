"""Giving a component to a registry in a folder or a git checkout: its files, and an entry in `registry.toml`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lect.errors import ComponentError, RegistryError, UserError
from lect.files import PARTIAL, folder_aside, hash_of, write_aside
from lect.registry.entries import entry_text, new_registry_text
from lect.registry.format import FILE, MAX_BYTES, decode_registry
from lect.registry.listing import is_signed, sign_listing, signs_listing
from lect.registry.model import (
    MAX_FILES,
    ComponentEntry,
    FileEntry,
    Registry,
    canonical_version,
    content_hash,
    parse_registry,
    signed_text,
)
from lect.registry.paths import check_file_path
from lect.registry.record import read_record
from lect.registry.settings import known_registries
from lect.registry.signing import sign
from lect.registry.sources import parse_source
from lect.registry.verify import problems_of
from lect.storage.card_check import card_problems
from lect.storage.licences import unanswered_conflicts
from lect.storage.manifest import Manifest
from lect.storage.store import WEIGHTS, read_folder_manifest
from lect.weight_files import check_weights

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.minisig"
_NEVER = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".py", ".so", ".dll", ".exe", ".sh")


@dataclass(frozen=True)
class Key:
    """What a component is signed with.

    Args:
        file: minisign's secret key.
        password: where the key has one.
    """

    file: Path
    password: str | None = None


@dataclass(frozen=True)
class Pushed:
    """What was given.

    Args:
        was_there: whether the registry had the very same already.
        stale: whether the registry's listing was signed before, and has to be signed again by whoever has its key.
    """

    entry: ComponentEntry
    registry: Path
    folder: Path
    was_there: bool
    stale: bool = False


def push(component: Path, registry: Path, *, key: Key | None = None, checks_card: bool = True) -> Pushed:
    """Copy a component into a registry and enter it there.

    The entry is written last: a registry never lists what is not there whole.

    Raises:
        ComponentError: the component is broken, does not say what others need to know, has a card that says something
            else, or a licence that its training data forbids.
        RegistryError: the folder is no registry, or has this version with other contents.
        UserError: the disk is full, or the registry cannot be written.
    """
    entry = describe(component)
    _check_licence(component)
    if checks_card:
        _check_card(component)
    if key is not None:
        entry = entry.model_copy(update={"signature": sign(entry, key.file, key.password)})
    with locked(registry):
        pushed = _enter(component, registry, entry, key)
        if key is not None and signs_listing(registry, entry):
            sign_listing(registry, key.file, key.password)
            return pushed
        return replace(pushed, stale=not pushed.was_there and is_signed(registry))


def registry_folder(to: str) -> Path:
    """The folder of a registry that is written to, by its name or place. Raises `UserError` where it is elsewhere."""
    for known in known_registries():
        if known.name == to:
            source = parse_source(known.source)
            if source.kind != "folder":
                raise UserError(
                    f'the registry "{to}" is no folder', where=str(source), fix="push to a git checkout of it"
                )
            return Path(source.place)
    if "://" in to or to.startswith("hf:"):
        raise UserError("a registry elsewhere is not written to", where=to, fix="push to a git checkout of it")
    return Path(to).expanduser()


def _enter(component: Path, registry: Path, entry: ComponentEntry, key: Key | None) -> Pushed:
    """Copy a component into a registry that nobody else writes, and list it there."""
    text = read_or_new(registry)
    where = str(registry / FILE)
    if not (registry / FILE).exists():
        # Before anything else: what is cut off from here on leaves a registry, and not a folder of who knows whom.
        write_aside(registry / FILE, text)
    listed = _listed(parse_registry(text, where=where), entry)
    target = registry / (listed or entry).place
    if listed is not None and content_hash(listed) != content_hash(entry):
        raise RegistryError(
            f"{entry.reference} is listed with other files, and a version is never changed",
            where=where,
            fix="give the component a new version (component.version in its recipe)",
        )
    _sweep(target)
    if listed is None or any(not _is_same(target / file.path, file) for file in entry.files):
        with folder_aside(target) as aside:
            _copy(component, entry, aside)
    if listed is not None and (key is None or listed.signature is not None):
        return Pushed(listed, registry, target, True)
    if listed is None:
        written = f"{text.rstrip()}\n\n{entry_text(entry)}"
    else:
        from lect.registry.entries import with_field

        written = with_field(text, listed, "signature", entry.signature or "")
    _check_size(written, where)
    # What is written is read once more: whatever stood there before may not go on as it seems.
    parse_registry(written, where=where)
    write_aside(registry / FILE, written)
    return Pushed(entry, registry, target, False)


def describe(component: Path) -> ComponentEntry:
    """The entry of a component, of its manifest and files.

    Raises:
        ComponentError: the component is broken, states no licence or language, or holds what is not to be shared.
    """
    manifest = read_folder_manifest(component)
    if problems := problems_of(component):
        raise ComponentError(f"is not sound: {problems[0]}", where=str(component), fix="train or pull it again")
    _check_statements(manifest, component)
    check_weights(component / WEIGHTS)
    return ComponentEntry(
        name=manifest.name,
        version=manifest.version,
        role=manifest.role,
        languages=manifest.languages,
        licence=manifest.licence,
        summary=manifest.summary,
        methods=manifest.methods,
        head=manifest.head.kind if manifest.head else "",
        backbone=manifest.backbone,
        requires=manifest.requires,
        members=manifest.members,
        results=manifest.results,
        files=tuple(_files(component)),
    )


def read_or_new(registry: Path) -> str:
    """The text of a folder's registry; that of an empty one where the folder is empty. Raises `RegistryError`."""
    file = registry / FILE
    if file.is_file():
        with file.open("rb") as stream:
            return decode_registry(stream.read(MAX_BYTES + 1), where=str(file))
    if registry.exists() and (not registry.is_dir() or any(_visible(registry))):
        raise RegistryError(
            f"there is no {FILE} in this folder",
            where=str(registry),
            fix=f"start one with: lect registry build {registry}",
        )
    return new_registry_text()


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _check_statements(manifest: Manifest, component: Path) -> None:
    where = str(component)
    if not manifest.licence:
        raise ComponentError(
            "states no licence, so nobody may use it",
            where=where,
            fix=f"name one with: lect components card {manifest.key} --licence CC-BY-4.0",
        )
    if manifest.role == "lang" and not manifest.languages:
        raise ComponentError(
            "states no language, so nobody would find it", where=where, fix="set languages in component.toml"
        )


def _check_licence(component: Path) -> None:
    manifest = read_folder_manifest(component)
    for conflict in unanswered_conflicts(manifest):
        raise ComponentError(
            f"its licence is not one that its data allows: {conflict}",
            where=str(component),
            fix=f'give it another, or say why it is right: lect components card {manifest.key} --licence-reason "…"',
        )


def _check_card(component: Path) -> None:
    manifest = read_folder_manifest(component)
    for problem in card_problems(manifest, component):
        # Not mended here: it may hold what its author wrote by hand.
        raise ComponentError(
            problem,
            where=str(component),
            fix="tell whoever made it"
            if read_record(component) is not None
            else f"write it anew: lect components card {manifest.key}",
        )


def _files(component: Path) -> Iterator[FileEntry]:
    paths = [path for path in sorted(component.rglob("*")) if not _is_hidden(path.relative_to(component))]
    if len(paths) > MAX_FILES:
        raise ComponentError(f"holds more than {MAX_FILES} files", where=str(component), fix="take out what is not its")
    for path in paths:
        if path.is_symlink():
            raise ComponentError("is a link", where=str(path), fix="put the file itself there")
        if path.is_dir():
            continue
        if not path.is_file() or path.suffix.lower() in _NEVER:
            raise ComponentError(
                "is a program or a pickle, and components hold only data", where=str(path), fix="take it out"
            )
        name = path.relative_to(component).as_posix()
        if name in (SUMS, SIGNATURE):
            continue
        try:
            check_file_path(name)
        except UserError as error:
            raise ComponentError(error.what, where=str(component), fix="rename the file") from None
        yield FileEntry(path=name, size=path.stat().st_size, sha256=hash_of(path))


def _is_hidden(path: Path) -> bool:
    return any(step.startswith(".") for step in path.parts)


def _listed(registry: Registry, entry: ComponentEntry) -> ComponentEntry | None:
    for other in registry.components:
        if other.key == entry.key and canonical_version(other.version) == canonical_version(entry.version):
            return other
    return None


def _is_same(path: Path, file: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == file.size and hash_of(path) == file.sha256


def _copy(component: Path, entry: ComponentEntry, aside: Path) -> None:
    for file in entry.files:
        target = aside / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(component / file.path, target)
        if hash_of(target) != file.sha256:
            raise ComponentError("changed while it was copied", where=str(component / file.path), fix="try again")
    (aside / SUMS).write_bytes(signed_text(entry).encode())
    if entry.signature is not None:
        (aside / SIGNATURE).write_bytes(entry.signature.encode())


def _check_size(text: str, where: str) -> None:
    if len(text.encode()) > MAX_BYTES:
        raise RegistryError(f"would be larger than {MAX_BYTES:,} bytes", where=where, fix="start another registry")


def _sweep(target: Path) -> None:
    # Only the holder of the registry's lock writes here: a process that was killed left these behind.
    for leftover in target.parent.glob(f".{target.name}.*{PARTIAL}") if target.parent.is_dir() else ():
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def locked(registry: Path) -> Iterator[None]:
    """A block in which no other process writes this registry. Raises `UserError` where it cannot be written."""
    from filelock import FileLock

    # Inside .git, where it does not show up as a file to commit.
    folder = registry / ".git" if (registry / ".git").is_dir() else registry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".registry.lock")
        lock.acquire()
    except OSError as error:
        raise UserError(
            f"the registry cannot be written ({(error.strerror or str(error)).lower()})",
            where=str(registry),
            fix="choose another place or mend its rights",
        ) from error
    try:
        for leftover in registry.glob(f".{FILE}.*{PARTIAL}"):
            leftover.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
