"""Loading a backbone: a name that a plugin registers, a folder, or a model of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.backbones.backbone import Backbone
from lect.backbones.families import FAMILIES
from lect.backbones.hub import cached_folder, fetch_from_hub, is_hub_id
from lect.backbones.load import read_backbone
from lect.backbones.quiet import quiet_transformers
from lect.backbones.settings import FolderSettings, read_folder_settings
from lect.errors import BackboneError, nearest
from lect.host.bundled import bundled
from lect.host.checkpoints import cached_conversion, find_checkpoint
from lect.literals import Pooling, Progress, no_progress
from lect.specs import BackboneSpec

if TYPE_CHECKING:
    from lect.host import Host


def load_backbone(
    name: str,
    *,
    host: Host,
    progress: Progress | None = None,
    pooling: Pooling | None = None,
    prefix: str | None = None,
    revision: str | None = None,
    generates: bool = False,
) -> Backbone:
    """A backbone in float32, frozen and in evaluation mode.

    Args:
        name: a name that a plugin registers (those come first), an existing folder, or a hub id. A folder of another
            framework is converted into the cache, where a plugin knows its format.
        host: knows the registered names.
        progress: told of what takes long: a first conversion, a download.
        pooling: instead of what the plugin registers, the folder's ``lect.toml`` says, or of ``mean``.
        prefix: instead of what the plugin registers, the folder's ``lect.toml`` says, or of none.
        revision: a commit, tag or branch; for hub ids only.
        generates: whether of an encoder-decoder both halves are loaded.

    Raises:
        BackboneError: there is no such backbone, or it cannot be used; the message says what to do.
        PluginError: the plugin that provides it is missing, broken or clashes with another.
    """
    spec = _registered(name, host)
    folder = Path(name).expanduser()
    is_folder = name != "" and folder.is_dir()
    own: BackboneSpec | FolderSettings = spec or FolderSettings()
    if revision is not None and (spec or is_folder):
        raise BackboneError(f'"{name}" has no revisions', fix="leave revision out; it is for models of the hub")
    if spec is not None:
        folder, identity, commit = _prepared(name, host, progress), spec.identity, None
    elif is_folder:
        identity, commit = name, None
        own = read_folder_settings(folder)
        folder = _converted(folder, host, progress)
    elif is_hub_id(name):
        folder, commit = fetch_from_hub(name, revision, _known(host), progress)
        identity = name
    else:
        raise _no_folder(name, host)
    return read_backbone(
        folder,
        name=name,
        identity=identity,
        pooling=pooling or own.pooling,
        prefix=prefix if prefix is not None else own.prefix,
        licence=own.licence,
        revision=commit,
        trimmed=own.descent(folder) if isinstance(own, FolderSettings) else None,
        generates=generates,
    )


@dataclass(frozen=True)
class BackboneTokens:
    """A backbone's tokenizer, read without the weights.

    Args:
        kind: ``encoder``, ``decoder`` or ``encoder-decoder``.
        tokenizer: of `transformers`.
    """

    kind: str
    tokenizer: Any

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token; None where there is none."""
        found: int | None = self.tokenizer.unk_token_id
        return found

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of the tokens of each text, without special ones."""
        encodings = self.tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def read_tokens(name: str, *, host: Host, progress: Progress | None = None) -> BackboneTokens | None:
    """The tokenizer of a backbone that is on this machine; None where it would have to be fetched, or cannot be read.

    Args:
        name: as `load_backbone` takes it.
        progress: told of a first conversion.

    Raises:
        BackboneError: there is no such backbone.
        PluginError: the plugin that provides it is missing, broken or clashes with another.
    """
    if _registered(name, host) is not None:
        folder: Path | None = _prepared(name, host, progress)
    elif name and Path(name).expanduser().is_dir():
        try:
            folder = _converted(Path(name).expanduser(), host, progress)
        except BackboneError:
            return None
    elif is_hub_id(name):
        folder = cached_folder(name)
    else:
        raise _no_folder(name, host)
    if folder is None:
        return None
    from lect.backbones.tokenizer import load_tokenizer

    try:
        family = str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
        with quiet_transformers():
            tokenizer = load_tokenizer(folder, family)
    except Exception:
        # What is wrong with it is said where it is loaded; whatever kind of exception transformers raises.
        return None
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return BackboneTokens(FAMILIES[family].kind, tokenizer) if family in FAMILIES else None


def _converted(folder: Path, host: Host, progress: Progress | None) -> Path:
    """The folder itself, or what is made in the cache of one that another framework wrote."""
    checkpoint = find_checkpoint(folder, host)
    return folder if checkpoint is None else cached_conversion(checkpoint, host, progress or no_progress)


def _no_folder(name: str, host: Host) -> BackboneError:
    return BackboneError(
        f'there is no folder "{name}"',
        fix=f"name an existing folder, a hub id or a known name; {_nearest(name, host)}",
    )


def _known(host: Host) -> list[str]:
    return [spec.name for plugin in host.plugins for spec in host.offers(plugin, BackboneSpec)]


def _nearest(name: str, host: Host) -> str:
    return nearest(name, _known(host))


def _registered(name: str, host: Host) -> BackboneSpec | None:
    # A name that two plugins claim, or whose plugin is missing, is never looked for elsewhere: the host says why.
    if name in _known(host) or ("backbone", name) in bundled():
        return host.spec(BackboneSpec, name)
    return None


def _prepared(name: str, host: Host, progress: Progress | None) -> Path:
    with host.attributed(host.provided(BackboneSpec, name)) as spec:
        return spec.prepare(progress or no_progress)
