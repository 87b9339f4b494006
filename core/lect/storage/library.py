"""Where components are found by name: folders of ``<role>/<name>/``, searched in order.

What was pulled from a registry lies in ``<role>/<name>@<version>/``, several versions side by side.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lect.composition.stack import ROLES, Atom, PathReference
from lect.errors import ComponentError, nearest
from lect.remembered import file_state
from lect.storage.manifest import FILE, Manifest
from lect.storage.store import PROFILES, read_folder_manifest, size_of
from lect.versions import is_version, newest, order

LibraryState = tuple[object, ...]
"""Which components a library holds, as the file system tells."""

_SAME_TIME = 50_000_000
"""Nanoseconds in which a file system may give two changes one time."""


@dataclass(frozen=True)
class Listing:
    """A component's folder in a library.

    Args:
        manifest: None where it cannot be read.
        error: why not.
        size: the bytes of its files.
        shadowed: whether an earlier folder of the library holds another one of this name.
    """

    role: str
    name: str
    folder: Path
    manifest: Manifest | None
    error: str | None
    size: int
    shadowed: bool = False

    @property
    def key(self) -> str:
        """How a stack names it."""
        return f"{self.role}:{self.name}"

    @property
    def reference(self) -> str:
        """How a stack names exactly this one: with its version, or by its folder where another hides it."""
        if "@" in self.folder.name:
            return f"{self.role}:{self.folder.name}"
        return f"({self.folder})" if self.shadowed else self.key


@dataclass(frozen=True)
class Library:
    """Folders that hold components; the first one is where new ones are saved."""

    folders: tuple[Path, ...]

    @classmethod
    def default(cls) -> Library:
        """``./components``, then the user's own."""
        from lect.cache import data_folder

        return cls((Path("components"), data_folder() / "components"))

    def find(self, reference: Atom, *, to_use: bool = True) -> Path:
        """The folder of the component that is meant.

        Args:
            to_use: whether it would help to fetch it where it is not there.

        Raises:
            ComponentError: it is not there, or only in another version; says where was looked, and the nearest name.
        """
        if isinstance(reference, PathReference):
            return self._at_path(reference)
        versions = []
        for folder in self.folders:
            found = _found(folder / reference.role, reference.name)
            if reference.version is None and found:
                return found[0][1]
            fitting: dict[str, Path] = {}
            for version, place in found:
                stated = version or read_folder_manifest(place).version
                versions.append(stated)
                fitting.setdefault(stated, place)
            if chosen := newest(fitting, reference.version):
                return fitting[chosen]
        if versions:
            raise ComponentError(
                f'there is "{reference.key}" only in version {", ".join(versions)}, not {reference.version}',
                where=self._places(),
                fix=f'write "{reference.key}@{versions[0]}"' + (f', or try: lect pull "{reference}"' if to_use else ""),
            )
        known = sorted({f"{role}:{name}" for role, name, _ in self._folders_of_components()})
        close = nearest(reference.key, known)
        remedy = f"{close} or " if close.startswith("did you mean") else ""
        raise ComponentError(
            f'there is no component "{reference.key}"',
            where=self._places(),
            fix=f"{remedy}try: lect pull {reference.key}" if to_use else f"{remedy}see what is there: lect components",
        )

    def save_folder(self, role: str, name: str) -> Path:
        """Where a component of this role and name is saved."""
        return self.folders[0] / role / name

    def all(self) -> list[Listing]:
        """Every component, by role and name; those that cannot be read too, with the reason."""
        from lect.storage.manifests_read import ManifestsRead

        listings, seen = [], set[tuple[str, str]]()
        read = {str(folder): ManifestsRead(folder) for folder in self.folders}
        for role, name, folder in self._folders_of_components():
            manifest, error = None, None
            try:
                manifest = read[str(folder.parent.parent)].read(folder)
            except ComponentError as problem:
                error = str(problem)
            listings.append(Listing(role, name, folder, manifest, error, size_of(folder), (role, name) in seen))
            seen.add((role, name))
        for manifests in read.values():
            manifests.keep()
        # The order of the folders stays within one name.
        return sorted(listings, key=lambda listing: (listing.role, listing.name))

    def state(self, *, files: bool = False) -> LibraryState:
        """What is another when a component came, went, or was replaced as a whole; a look that takes microseconds.

        Where something changed so lately that a further change could bear the same time, it is like no other state.

        Args:
            files: whether it is another, too, when a manifest or the profiles of a component were written in place;
                which takes some microseconds a component.
        """
        found: list[object] = []
        for folder in self.folders:
            for role in ROLES:
                place = f"{folder}{os.sep}{role}"
                found.append(_times(place))
                if files:
                    for name in _names_in(place):
                        found += [name, *(_times(f"{place}{os.sep}{name}{os.sep}{file}") for file in (FILE, PROFILES))]
        newest = max((each[-1] for each in found if isinstance(each, tuple)), default=0)
        if abs(time.time_ns() - newest) < _SAME_TIME:
            found.append(object())
        return tuple(found)

    def _folders_of_components(self) -> list[tuple[str, str, Path]]:
        return [
            (role, name, found)
            for folder in self.folders
            for role in ROLES
            for name, places in sorted(_by_name(folder / role).items())
            for _, found in _in_order(places)
        ]

    def _at_path(self, reference: PathReference) -> Path:
        folder = reference.folder
        if folder.is_dir():
            return folder
        beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        if folder.exists():
            fix = "name the folder that holds component.toml; what lect components pack wrote, unpack first"
            raise ComponentError("is a file, not a component's folder", where=str(folder), fix=fix)
        raise ComponentError("there is no such folder", where=str(folder), fix=_nearest_folder(folder.name, beside))

    def _places(self) -> str:
        return ", ".join(str(folder) for folder in self.folders)


def _times(path: str) -> tuple[int, ...] | None:
    """What tells a file or folder from what else stood under its path; None where there is none."""
    try:
        return file_state(path)
    except OSError:
        return None


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError:
        return []


def _nearest_folder(name: str, beside: list[str]) -> str:
    close = nearest(name, beside)
    return close if close.startswith("did you mean") else "name the folder that holds component.toml"


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The folders of a role's components, by their names without versions; looked through once.

    Raises:
        ComponentError: the role's folder cannot be read.
    """
    from lect.leftovers import bring_back, meant_for, unfinished_in

    found: dict[str, list[Path]] = {}
    try:
        if not folder.is_dir():
            return found
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        for lost in filter(None, map(meant_for, unfinished_in(folder))):
            if bring_back(lost):
                found.setdefault(lost.name.partition("@")[0], []).append(lost)
        for entry in entries:
            if _is_folder(entry):
                found.setdefault(entry.name.partition("@")[0], []).append(Path(entry.path))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ComponentError(f"cannot be read ({reason})", where=str(folder), fix="mend its rights") from error
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False


def _found(folder: Path, name: str) -> list[tuple[str | None, Path]]:
    """A component's folders, as `_in_order` has them.

    Args:
        folder: of a role.
    """
    from lect.leftovers import bring_back

    plain = folder / name
    if not plain.exists():
        bring_back(plain)
    places = [plain, *folder.glob(f"{glob.escape(name)}@*")]
    return _in_order([place for place in places if place.is_dir()])


def _in_order(places: list[Path]) -> list[tuple[str | None, Path]]:
    """A component's folders: the plain one first, then those that hold one version each, the newest first.

    Returns:
        The version that the folder's name states, and the folder.
    """
    first: list[tuple[str | None, Path]] = [(None, place) for place in places if "@" not in place.name]
    if len(first) == len(places):
        return first
    versioned = {place.name.partition("@")[2]: place for place in places if "@" in place.name}
    versions = sorted(filter(is_version, versioned), key=order, reverse=True)
    # Not one before its release, where there is another.
    if (preferred := newest(versions)) is not None:
        versions.remove(preferred)
        versions.insert(0, preferred)
    return first + [(version, versioned[version]) for version in versions]
