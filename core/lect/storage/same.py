"""Contents as modules, and whether two contents do the same to a backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lect.backbones.fingerprint import PROBE
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import ComponentError, PluginError
from lect.exchange.contents import Contents
from lect.exchange.tokenizer import check_tokenizer
from lect.specs import BuildContext
from lect.storage.allocation import bounded_allocation, values_in
from lect.storage.restore import build_head, build_part

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host

_TOLERANCE = 1e-5
_OF_STATES = 1e-4
_TEXTS = PROBE[:4]


def build_contents(contents: Contents, key: str, backbone: Backbone, host: Host, folder: Path) -> Component:
    """Contents as modules with their tensors.

    Raises:
        ComponentError: the tensors are not those of what the contents say.
    """
    assert contents.role is not None
    if contents.tokenizer_json is not None:
        check_tokenizer(contents.tokenizer_json, backbone, str(folder))
    context = BuildContext(backbone, tokenizer_json=contents.tokenizer_json)
    tensors = _tensors_of(contents)
    with torch.random.fork_rng(devices=[]), bounded_allocation(values_in(tensors), backbone, str(folder)):
        parts = {
            part.method: build_part(host, part.method, part.config, context, str(folder)) for part in contents.parts
        }
        head = None
        if contents.head is not None:
            its = contents.head
            head = build_head(host, its.kind, its.config, backbone, its.labels, str(folder))
    component = Component(key, contents.role, parts, head)
    try:
        component.load_tensors(tensors)
    except (KeyError, ValueError) as error:
        raise ComponentError(
            f'its tensors do not fit backbone "{backbone.name}": {error.args[0]}',
            where=str(folder),
            fix="name the model it was trained on with --backbone",
        ) from error
    return component


def _tensors_of(contents: Contents) -> dict[str, Tensor]:
    tensors = {f"{part.method}.{name}": value for part in contents.parts for name, value in part.tensors.items()}
    if contents.head is not None:
        tensors |= {f"head.{name}": value for name, value in contents.head.tensors.items()}
    return tensors


def check_same(
    contents: Contents, again: Contents, notices: Sequence[str], backbone: Backbone, host: Host, format_name: str
) -> None:
    """Refuse what comes back from another format as something that acts otherwise, unless a notice said so.

    A part may come back as one of another method or configuration (PiSSA as LoRA, ranks by module instead of by
    pattern): what counts is what the backbone gives with it, on fixed sentences.

    Raises:
        PluginError: something is lost, or what comes back acts otherwise.
    """
    before, after = {part.method: part for part in contents.parts}, {part.method: part for part in again.parts}
    told = any(notice.startswith("left out") for notice in notices)
    kept = contents.parts
    if len(after) < len(before):
        kept = tuple(part for part in contents.parts if part.method in after)
        if not told:
            _refuse(format_name, f'it does not keep "{next(iter(before.keys() - after.keys()))}"')
    if contents.head is not None and (again.head is not None or not told):
        others = again.head.tensors if again.head is not None else {}
        for name, tensor in contents.head.tensors.items():
            if name not in others:
                _refuse(format_name, f'it does not keep "head.{name}"')
            if not _close(tensor, others[name]):
                _refuse(format_name, f'"head.{name}" comes back changed')
    if all(
        part.method in after and _equal(part.tensors, after[part.method].tensors)
        and dict(part.config) == dict(after[part.method].config)
        for part in kept
    ):  # fmt: skip
        return
    states = []
    for parts, tokenizer_json in ((kept, contents.tokenizer_json), (again.parts, again.tokenizer_json)):
        alone = Contents(contents.name, contents.role, parts, tokenizer_json=tokenizer_json)
        component = build_contents(alone, "it", backbone, host, Path(contents.name))
        states.append(_states(component, backbone))
    for one, other in zip(*states, strict=True):
        if one.shape != other.shape or float((one - other).abs().max()) > _OF_STATES * max(1.0, float(one.abs().max())):
            _refuse(format_name, "what comes back gives other numbers")


@torch.no_grad()
def _states(component: Component, backbone: Backbone) -> list[Tensor]:
    """Hidden states of fixed sentences with the component: those read, and those written where the backbone writes."""
    model = RoutedModel(backbone)
    model.attach(component)
    try:
        model.eval()
        found = []
        for text in _TEXTS:
            rows = RowEncoder(model).encode([text], [(component.key,)])
            hidden = model(rows)
            found.append(hidden)
            if model.decoder is not None:
                found.append(model.decode(rows.input_ids, rows.attention_mask, hidden, rows))
    finally:
        model.detach_all()
    return found


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(_close(tensor, other[name]) for name, tensor in one.items())


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=_TOLERANCE, atol=_TOLERANCE)


def _refuse(format_name: str, what: str) -> None:
    raise PluginError(f'the format "{format_name}" cannot hold this component: {what}', fix="keep it as it is")
