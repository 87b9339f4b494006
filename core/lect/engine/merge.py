"""A stack folded into a copy of its backbone: a folder that `transformers` loads, without `lect`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lect.backbones import Backbone
from lect.backbones.fingerprint import PROBE
from lect.backbones.quiet import quiet_transformers
from lect.backbones.settings import FILE as SETTINGS
from lect.backbones.settings import FolderSettings, folder_settings_text
from lect.composition.fold import Folded, fold_stack
from lect.composition.model import RoutedModel
from lect.engine.engine import Engine
from lect.engine.open import OpenStack, open_stack
from lect.errors import ComponentError, StackError
from lect.files import check_target, folder_aside
from lect.host.backbones import load_backbone
from lect.storage.card import hub_task, render_card
from lect.storage.manifest import BackboneEntry, Manifest
from lect.storage.store import StoredComponent, write_component

if TYPE_CHECKING:
    from lect.host import Host
    from lect.literals import Progress
    from lect.storage.library import Library

HEADS = "components"
"""The folder inside the merged one that the head lies in, as a component of the merged backbone."""
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Merged:
    """What was merged.

    Args:
        difference: the largest one between hidden states of the stack and of the merged folder, on fixed sentences.
        head: the component that holds the stack's head, where it has one.
    """

    folder: Path
    stack: str
    fingerprint: str
    modules: int
    tokens: int
    difference: float
    head: Manifest | None


def merge_stack(
    text: str,
    folder: Path,
    host: Host,
    library: Library,
    *,
    backbone: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Merged:
    """Fold a stack into a copy of its backbone, and see that the copy gives what the stack gives.

    A head is no part of a model without one: it is written beside, as a component of the merged backbone.

    Raises:
        UserError: the stack is wrong or has parts that cannot be folded, or the folder holds something already.
    """
    check_target(folder, overwrite, lambda there: (there / SETTINGS).is_file() and (there / "config.json").is_file())
    opened = open_stack(text, host, library, backbone, progress)
    if not opened.keys:
        raise StackError("the stack is empty, so there is nothing to merge", fix="name a component, such as task:topic")
    if opened.backbone.decoder is not None:
        raise ComponentError(
            "both halves of an encoder-decoder cannot be merged yet",
            where=f'stack "{opened.stack}"',
            fix="keep the stack as it is",
        )
    folded = fold_stack(opened.engine.model, opened.keys)
    expected = list(opened.engine.hidden_states([(text, opened.keys) for text in PROBE]))
    own = opened.backbone
    opened.engine.model.detach_all()
    with folder_aside(folder) as aside:
        _write_model(own, folded, aside)
        settings = FolderSettings(pooling=own.pooling, prefix=own.prefix, licence=own.licence)
        (aside / SETTINGS).write_text(folder_settings_text(settings), encoding="utf-8")
        (aside / "README.md").write_text(_card(opened, own), encoding="utf-8")
        merged = load_backbone(str(aside), host=host)
        difference = _difference(merged, expected)
        if difference > _TOLERANCE:
            raise ComponentError(
                f"the merged model is off what the stack gives by {difference:.2g}, so it is not written",
                where=f'stack "{opened.stack}"',
                fix="keep the stack as it is",
            )
        head = _write_head(opened, merged, folder, aside, host)
        fingerprint = merged.fingerprint
    rows = own.model.get_input_embeddings().weight.shape[0]
    tokens = merged.model.get_input_embeddings().weight.shape[0] - rows if folded.tokenizer_json else 0
    return Merged(folder, str(opened.stack), fingerprint, len(folded.parameters), tokens, difference, head)


# ------------------------------------------------------------------------------------------------------------ the model


def _write_model(backbone: Backbone, folded: Folded, folder: Path) -> None:
    model = copy.deepcopy(backbone.model)
    for path, parameters in folded.parameters.items():
        module = model.get_submodule(path)
        for name, tensor in parameters.items():
            module._parameters[name] = nn.Parameter(tensor.to("cpu"), requires_grad=False)
        if isinstance(module, nn.Embedding) and path == backbone.anatomy.word_embedding:
            module.num_embeddings = model.config.vocab_size = module.weight.shape[0]
    with quiet_transformers():
        model.save_pretrained(folder, safe_serialization=True)
        whole_tokenizer(backbone, folded.tokenizer_json).save_pretrained(folder)


def whole_tokenizer(backbone: Backbone, tokenizer_json: str | None) -> Any:
    """A tokenizer of `transformers`: the backbone's, or one of the JSON of `tokenizers` in its place."""
    if tokenizer_json is None:
        return backbone.tokenizer
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer_json),
        model_max_length=backbone.tokenizer.model_max_length,
        model_input_names=list(backbone.tokenizer.model_input_names),
        clean_up_tokenization_spaces=False,
        **backbone.tokenizer.special_tokens_map,
    )


def _difference(merged: Backbone, expected: list[tuple[list[int], torch.Tensor]]) -> float:
    engine = Engine(RoutedModel(merged).eval())
    largest = 0.0
    found = engine.hidden_states([(text, ()) for text in PROBE])
    for (tokens, states), (own_tokens, own_states) in zip(expected, found, strict=True):
        if tokens != own_tokens:
            return float("inf")
        largest = max(largest, float((states - own_states).abs().max()))
    return largest


# ------------------------------------------------------------------------------------------------------------- the rest


def _write_head(opened: OpenStack, merged: Backbone, folder: Path, aside: Path, host: Host) -> Manifest | None:
    stored = next((component for component in opened.stored if component.manifest.head is not None), None)
    if stored is None:
        return None
    manifest = _head_manifest(stored, merged, folder, str(opened.stack))
    tensors = {name: tensor for name, tensor in stored.tensors.items() if name.startswith("head.")}
    target = aside / HEADS / manifest.role / manifest.name
    write_component(target, manifest, tensors, None, render_card(manifest, task=hub_task(manifest, host)))
    return manifest


def _head_manifest(stored: StoredComponent, merged: Backbone, folder: Path, stack: str) -> Manifest:
    # Read where it was written aside, it is called by that folder.
    backbone = BackboneEntry.of(merged).model_copy(update={"name": str(folder), "identity": str(folder)})
    # Scores were measured on the stack as it was; they are not said of this one.
    return stored.manifest.model_copy(
        update={
            "parts": (),
            "stack": "",
            "results": (),
            "own_tokenizer": False,
            "backbone": backbone,
            "summary": f"The head of {stored.manifest.key}; the stack {stack} is folded into the backbone",
        }
    )


def _card(opened: OpenStack, backbone: Backbone) -> str:
    lines = [
        "# A merged model",
        "",
        f"The backbone `{backbone.identity}` with the stack `{opened.stack}` of lect folded into its weights.",
        "It is loaded like any other model of `transformers`.",
        "",
        *(f"- `{stored.manifest.key}` {stored.manifest.version}: {stored.manifest.licence or 'no licence is stated'}"
          for stored in opened.stored),
        "",
        f"Sentence vectors are the {backbone.pooling} of the hidden states"
        + (f', and every text begins with "{backbone.prefix}".' if backbone.prefix else "."),
        "",
    ]  # fmt: skip
    return "\n".join(lines)
