"""Components on this machine: what was trained or pulled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.storage.library import Library
from lect.storage.manifest import Manifest
from lect.storage.store import CARD, read_folder_manifest
from lect.visible import visible

if TYPE_CHECKING:
    from lect.registry.push import Pushed


@dataclass(frozen=True)
class SavedComponent:
    """A component in a folder.

    Args:
        folder: that stacks find it in.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def read(cls, folder: str | Path) -> SavedComponent:
        """The component in a folder. Raises `ComponentError`."""
        return cls(Path(folder), read_folder_manifest(Path(folder)))

    @property
    def key(self) -> str:
        """How stacks name it: ``lang:jav``."""
        return self.manifest.key

    @property
    def card(self) -> str:
        """Its card, as Markdown."""
        return (self.folder / CARD).read_text(encoding="utf-8")

    def push(self, registry: str | Path, *, key: str | Path | None = None, password: str | None = None) -> Pushed:
        """Give it to a registry in a folder, or of a known name: its files and its entry.

        Args:
            key: a secret key of minisign to sign it with.

        Raises:
            RegistryError: the registry cannot be read or written.
            ComponentError: it is not sound, or its licence is not stated.

        Example:
            >>> component = lect.SavedComponent.read("components/lang/jav")
            >>> component.push("./our-registry").entry.reference
            'lang:jav@1.0.0'
        """
        from lect.registry.push import Key, push, registry_folder

        return push(self.folder, registry_folder(str(registry)), key=None if key is None else Key(Path(key), password))

    def __str__(self) -> str:
        return self.key

    def __repr__(self) -> str:
        languages = ", ".join(self.manifest.languages)
        about = "; ".join(filter(None, (languages, " + ".join(self.manifest.methods), self.manifest.licence)))
        return f"<component {self.key} {self.manifest.version} in {self.folder}{f': {about}' if about else ''}>"

    def _repr_html_(self) -> str:
        from markdown_it import MarkdownIt

        # Its author may be anyone: HTML in a card is shown as text. Its metadata is for the hub alone.
        text = visible(self.card.split("---\n", 2)[-1])
        card = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
        # Fingerprints and recipes are longer than a narrow page is wide.
        return f'<div style="overflow-x:auto;overflow-wrap:anywhere">{card}</div>'


def components(library: str | Path | Library | None = None) -> list[SavedComponent]:
    """The components on this machine that can be read, by role and name.

    Args:
        library: the folder of components; by default ``./components`` and the user's own.

    Example:
        >>> [component.key for component in lect.components()]
        ['lang:jav', 'lang:sun', 'task:sentiment', 'task:tuned']
    """
    return [
        SavedComponent(listing.folder, listing.manifest)
        for listing in library_of(library).all()
        if listing.manifest is not None
    ]


def library_of(library: str | Path | Library | None) -> Library:
    """The library in a folder, or the default one."""
    if isinstance(library, Library):
        return library
    return Library.default() if library is None else Library((Path(library),))
