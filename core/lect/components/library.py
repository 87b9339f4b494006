"""Where components are found by name: folders of ``<role>/<name>/``, searched in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lect.components.manifest import Manifest
from lect.components.store import read_folder_manifest, size_of
from lect.composition.stack import ROLES, Atom, PathReference
from lect.errors import ComponentError, nearest


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


@dataclass(frozen=True)
class Library:
    """Folders that hold components; the first one is where new ones are saved."""

    folders: tuple[Path, ...]

    @classmethod
    def default(cls) -> Library:
        """``./components``, then the user's own."""
        from lect.cache import data_folder

        return cls((Path("components"), data_folder() / "components"))

    def find(self, reference: Atom) -> Path:
        """The folder of the component that is meant.

        Raises:
            ComponentError: it is not there, or only in another version; says where was looked, and the nearest name.
        """
        if isinstance(reference, PathReference):
            return self._at_path(reference)
        versions = []
        for folder in self.folders:
            found = folder / reference.role / reference.name
            if not found.is_dir():
                continue
            if reference.version is None:
                return found
            version = read_folder_manifest(found).version
            if _is_same(version, reference.version):
                return found
            versions.append(version)
        if versions:
            raise ComponentError(
                f'there is "{reference.key}" only in version {", ".join(versions)}, not {reference.version}',
                where=self._places(),
                fix=f'write "{reference.key}@{versions[0]}"',
            )
        known = [f"{role}:{name}" for role, name, _ in self._folders_of_components()]
        raise ComponentError(
            f'there is no component "{reference.key}"',
            where=self._places(),
            fix=nearest(reference.key, known) if known else "train it, or name its folder as a path",
        )

    def save_folder(self, role: str, name: str) -> Path:
        """Where a component of this role and name is saved."""
        return self.folders[0] / role / name

    def all(self) -> list[Listing]:
        """Every component, by role and name; those that cannot be read too, with the reason."""
        listings, seen = [], set[tuple[str, str]]()
        for role, name, folder in self._folders_of_components():
            manifest, error = None, None
            try:
                manifest = read_folder_manifest(folder)
            except ComponentError as problem:
                error = str(problem)
            listings.append(Listing(role, name, folder, manifest, error, size_of(folder), (role, name) in seen))
            seen.add((role, name))
        # The order of the folders stays within one name.
        return sorted(listings, key=lambda listing: (listing.role, listing.name))

    def _folders_of_components(self) -> list[tuple[str, str, Path]]:
        return [
            (role, found.name, found)
            for folder in self.folders
            for role in ROLES
            if (folder / role).is_dir()
            for found in sorted((folder / role).iterdir())
            if found.is_dir() and not found.name.startswith(".")
        ]

    def _at_path(self, reference: PathReference) -> Path:
        folder = reference.folder
        if folder.is_dir():
            return folder
        beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        what = "is a file, not a component's folder" if folder.exists() else "there is no such folder"
        raise ComponentError(what, where=str(folder), fix=_nearest_folder(folder.name, beside))

    def _places(self) -> str:
        return ", ".join(str(folder) for folder in self.folders)


def _nearest_folder(name: str, beside: list[str]) -> str:
    close = nearest(name, beside)
    return close if close.startswith("did you mean") else "name the folder that holds component.toml"


def _is_same(first: str, second: str) -> bool:
    from packaging.version import Version

    return Version(first) == Version(second)
