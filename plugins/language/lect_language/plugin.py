"""Registers the method `bottleneck`, and the format of AdapterHub folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import BuildContext, FormatSpec, MethodSpec, hookimpl
from lect_language.config import BottleneckConfig
from lect_language.formats.detect import detect_folder

if TYPE_CHECKING:
    from lect import Backbone, Part
    from lect.exchange import Contents


def _bottleneck(config: BottleneckConfig, context: BuildContext) -> Part:
    from lect_language.part import build_bottleneck

    return build_bottleneck(config, context.backbone)


def _in_layers(config: BottleneckConfig, layers: Sequence[int], backbone: Backbone) -> Mapping[str, Any]:
    from lect_language.settings import in_layers

    return in_layers(config, layers, backbone)


def _read(folder: Path, backbone: Backbone) -> Contents:
    from lect_language.formats.folder import read_folder

    return read_folder(folder, backbone)


def _write(contents: Contents, backbone: Backbone, folder: Path) -> Sequence[str]:
    from lect_language.formats.folder import write_folder

    return write_folder(contents, backbone, folder)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """Bottleneck adapters."""
    return (
        MethodSpec(
            name="bottleneck",
            summary="bottleneck adapters, sequential, parallel or double, with or without an invertible part",
            config=BottleneckConfig,
            build=_bottleneck,
            in_layers=_in_layers,
        ),
    )


@hookimpl
def lect_register_formats() -> Iterable[FormatSpec]:
    """AdapterHub folders."""
    return (
        FormatSpec(
            name="adapters",
            summary="AdapterHub folders: bottlenecks of adapters and adapter-transformers, with heads and embeddings",
            detect=detect_folder,
            read=_read,
            write=_write,
        ),
    )
