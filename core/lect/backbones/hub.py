"""Models of the Hugging Face hub, fetched as far as `lect` reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lect.backbones.anatomy import check_family
from lect.errors import BackboneError, nearest

if TYPE_CHECKING:
    from lect.literals import Progress

_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
_SMALL = ["*.json", "*.txt", "*.model"]
_WEIGHTS = ["*.safetensors"]


def is_hub_id(name: str) -> bool:
    """Whether a name could be an id such as ``org/model``."""
    return bool(_ID.fullmatch(name)) and ".." not in name and "--" not in name


def fetch_from_hub(
    name: str, revision: str | None, known: Iterable[str], progress: Progress | None
) -> tuple[Path, str | None]:
    """The folder that holds a model's configuration, tokenizer and safetensors weights, and its commit.

    What is in the hub's cache is not fetched again; without a connection the cache alone is used. No weights are
    fetched of a model that cannot be used.

    Args:
        known: names that may have been meant instead.

    Raises:
        BackboneError: there is no such model, it cannot be reached, or it has no safetensors weights.
    """
    if progress:
        progress(f"looking for {name}", 0.0)
    folder = _fetch(name, revision, _SMALL, known)
    _check_config(name, folder)
    if progress:
        progress(f"fetching {name}", 0.0)
    folder = _fetch(name, revision, _SMALL + _WEIGHTS, known)
    if not any(folder.glob("*.safetensors")):
        raise BackboneError(
            f"{name} on the hub has no safetensors weights here",
            fix='look for a revision that has them (revision = "refs/pr/…"), or check the connection',
        )
    if progress:
        progress(f"fetching {name}", 1.0)
    return folder, folder.name


def cached_folder(name: str) -> Path | None:
    """The folder of a model whose tokenizer and configuration are in the hub's cache; None where they are not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_SMALL, ignore_patterns=["*/*"], local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _fetch(name: str, revision: str | None, patterns: list[str], known: Iterable[str]) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        # Folders inside a repository hold copies in formats for other programs.
        fetch = partial(snapshot_download, name, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"])
        try:
            path = fetch()
        except (OfflineModeIsEnabled, httpx.ConnectError, httpx.TimeoutException):
            # A commit is asked for on the hub, by newer versions of the library, though it cannot have changed.
            path = fetch(local_files_only=True)
    except GatedRepoError as error:
        raise BackboneError(
            f"{name} is open only to those who accepted its terms",
            fix=f"accept them at https://huggingface.co/{name}, then: hf auth login",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise BackboneError(
            f'"{name}" is no known name, no folder and no model on the Hugging Face hub', fix=nearest(name, known)
        ) from error
    except LocalEntryNotFoundError as error:
        if isinstance(error.__cause__, RevisionNotFoundError):
            raise BackboneError(f'{name} has no revision "{revision}" on the hub') from error
        raise BackboneError(
            f'"{name}" is no known name and no folder, and the Hugging Face hub cannot be reached',
            fix=f"name a folder, or check the connection; {nearest(name, known)}",
        ) from error
    except Exception as error:
        said = " ".join(str(error).split())
        raise BackboneError(f"{name} cannot be fetched ({type(error).__name__}: {said[:200]})") from error
    return Path(path)


def _check_config(name: str, folder: Path) -> None:
    try:
        stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family = str(stated["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"{name} on the hub has no readable config.json, so it is no transformers model") from error
    check_family(family)
