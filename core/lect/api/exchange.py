"""Components and stacks for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from lect.api.components import SavedComponent, library_of
from lect.api.stacks import Composition
from lect.composition.stack import Stack
from lect.host import Host
from lect.storage.library import Library

if TYPE_CHECKING:
    from lect.engine.merge import Merged
    from lect.engine.onnx_export import ExportedStack
    from lect.storage.exchange import Exchanged


def merge(
    stack: str | Composition | Stack,
    folder: str | Path,
    *,
    backbone: str | None = None,
    library: str | Path | Library | None = None,
    overwrite: bool = False,
) -> Merged:
    """Fold a stack into a copy of its backbone, which `transformers` loads without `lect`.

    Args:
        folder: to write.
        backbone: a name, hub id or folder; by default the one that the stack's components were trained on.
        library: the folder of components; by default ``./components`` and the user's own.
        overwrite: whether a merged model that lies there is replaced.

    Returns:
        What was merged; its head lies beside the model, as a component of it.

    Raises:
        UserError: the stack is wrong or has parts that cannot be folded, such as a bottleneck.

    Example:
        >>> lect.merge("task:tuned", "merged").modules > 0
        True
    """
    from lect.engine.merge import merge_stack

    return merge_stack(
        str(stack), Path(folder), Host.load(), library_of(library), backbone=backbone, overwrite=overwrite
    )


@overload
def export(  # type: ignore[overload-overlap]
    component: str | SavedComponent | Composition | Stack,
    folder: str | Path,
    *,
    to: Literal["onnx"],
    backbone: str | None = None,
    library: str | Path | Library | None = None,
    overwrite: bool = False,
) -> ExportedStack: ...
@overload
def export(
    component: str | SavedComponent,
    folder: str | Path,
    *,
    to: str,
    backbone: str | None = None,
    library: str | Path | Library | None = None,
    overwrite: bool = False,
) -> Exchanged: ...


def export(
    component: str | SavedComponent | Composition | Stack,
    folder: str | Path,
    *,
    to: str,
    backbone: str | None = None,
    library: str | Path | Library | None = None,
    overwrite: bool = False,
) -> Exchanged | ExportedStack:
    """Write a component so that another library loads it and gives the same outputs; for ONNX a whole stack.

    Args:
        component: such as ``lang:jav``, or what training returned; for ONNX any stack, also the empty one.
        folder: to write.
        to: the format: ``adapters`` or ``peft``; ``onnx`` for one graph of backbone, components and head, with the
            tokenizer beside it.
        backbone: a name, hub id or folder; by default the one that the component was trained on.
        library: the folder of components; by default ``./components`` and the user's own.
        overwrite: whether what lies there is replaced.

    Returns:
        What was written; its ``notices`` say what was left out.

    Raises:
        UserError: the component or the stack cannot be written in this format, or the folder holds something already.

    Example:
        >>> lect.export("lang:jav", "exported", to="adapters").format
        'adapters'
    """
    from lect.storage.exchange import export_component

    reference = str(component.folder.absolute()) if isinstance(component, SavedComponent) else str(component)
    host, found = Host.load(), library_of(library)
    if to == "onnx":
        from lect.engine.onnx_export import export_stack

        return export_stack(reference, Path(folder), host, found, backbone=backbone, overwrite=overwrite)
    return export_component(reference, to, Path(folder), host, found, backbone=backbone, overwrite=overwrite)
