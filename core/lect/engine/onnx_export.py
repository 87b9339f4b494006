"""A stack as one ONNX graph, with its tokenizer: a folder that needs neither `lect` nor torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lect.backbones.fingerprint import PROBE
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.engine.merge import whole_tokenizer
from lect.engine.onnx_folder import FILE, folder_card, folder_config
from lect.engine.open import OpenStack, open_stack
from lect.errors import ComponentError, StackError, UserError, one_line
from lect.files import check_target, folder_aside
from lect.heads import GenerationHead, Head
from lect.literals import Progress, no_progress
from lect.storage.card import hub_task

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.library import Library

ONNX = "onnx"
"""What the format is called."""
TOLERANCE = 1e-4
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_MOST_IN_ONE_FILE = 1_900_000_000
"""Bytes of parameters: a file of protocol buffers holds no more than two gigabytes."""


@dataclass(frozen=True)
class ExportedStack:
    """What was written.

    Args:
        inputs, outputs: their names in the graph.
        difference: the largest one between outputs of onnxruntime and of the stack, on fixed rows.
    """

    folder: Path
    stack: str
    backbone: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    difference: float
    format: str = ONNX


def export_stack(
    text: str,
    folder: Path,
    host: Host,
    library: Library,
    *,
    backbone: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ExportedStack:
    """Write a stack on its backbone, its head included, as an ONNX graph, and see that it gives what the stack gives.

    The graph takes any number of rows of any length up to the longest that the backbone reads.

    Raises:
        UserError: the stack is wrong, or has something that no graph can hold; the folder holds something already; or
            the libraries are not installed.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise UserError(f"{' and '.join(missing)} cannot be imported", fix='try: pip install "lect[onnx]"')
    check_target(folder, overwrite, lambda there: (there / FILE).is_file() and (there / "config.json").is_file())
    opened = open_stack(text, host, library, backbone, progress)
    opened.engine.model.to("cpu")
    check_head(opened)
    task = next((tag for each in opened.stored if (tag := hub_task(each.manifest, host))), "")
    network = StackNetwork(opened.engine.model, opened.keys, opened.head, task)
    rows = _probe_rows(opened)
    progress("Tracing", 0.2)
    with folder_aside(folder) as aside:
        _trace(network, rows, aside / FILE, f'stack "{opened.stack}"')
        progress("Checking", 0.9)
        difference = _difference(network, rows, aside / FILE, opened.backbone.max_length)
        if difference > TOLERANCE:
            raise ComponentError(
                f"the ONNX graph is off what the stack gives by {difference:.2g}, so it is not written",
                where=f'stack "{opened.stack}"',
                fix="keep the stack as it is",
            )
        tokenizer_json = _write_tokenizer(opened, aside)
        config = folder_config(opened, task, json.loads(tokenizer_json))
        (aside / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (aside / "README.md").write_text(folder_card(opened, task, network.inputs, network.outputs), encoding="utf-8")
    labels = () if opened.head is None else tuple(opened.head.labels)
    return ExportedStack(
        folder, str(opened.stack), opened.backbone.name, network.inputs, network.outputs, labels, difference
    )


class StackNetwork(nn.Module):
    """A stack as a plain function of tensors, which can be traced.

    Args:
        task: what the hub calls the head's task.
    """

    def __init__(self, model: RoutedModel, keys: tuple[str, ...], head: Head | None, task: str) -> None:
        super().__init__()
        self.model, self.head = model, head
        self._keys, self._task = keys, task
        kinds = int(getattr(model.backbone.model.config, "type_vocab_size", 0) or 0) > 1
        self.inputs = ("input_ids", "attention_mask", "token_type_ids")[: 3 if kinds else 2]
        if head is None:
            self.outputs: tuple[str, ...] = ("last_hidden_state", "sentence_embedding")
        elif head.embeds:
            self.outputs = ("sentence_embedding",)
        else:
            self.outputs = ("start_logits", "end_logits") if task == "question-answering" else ("logits",)
        self.eval()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The outputs, in the order of their names; each has the rows first, and those of tokens the length next."""
        routes = Routes.uniform(self._keys, input_ids.shape[0])
        hidden = self.model(EncodedRows(input_ids, attention_mask, token_type_ids, routes))
        if self.head is None:
            return hidden, self.model.pool(hidden, attention_mask)
        logits: Tensor = self.head(hidden, attention_mask)
        return (logits[..., 0], logits[..., 1]) if len(self.outputs) == 2 else (logits,)


def check_head(opened: OpenStack) -> None:
    """Refuse a head whose answers are more than what its network gives.

    Raises:
        StackError: it writes texts, or has parameters that only its decoding uses.
    """
    head, kind = opened.head, opened.head_kind
    where, fix = f'stack "{opened.stack}"', "leave the head out, and use it through lect"
    if isinstance(head, GenerationHead):
        raise StackError(f'its head "{kind}" writes texts token by token, which is no one graph', where=where, fix=fix)
    parameters = {} if head is None else dict(head.named_parameters())
    if head is None or not parameters:
        return
    asked = {name: parameter.requires_grad for name, parameter in parameters.items()}
    try:
        head.requires_grad_(True)
        hidden = torch.zeros(1, 2, opened.backbone.hidden_size)
        total = head(hidden, torch.ones(1, 2, dtype=torch.long)).sum()
        gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    finally:
        for name, parameter in parameters.items():
            parameter.requires_grad_(asked[name])
    unused = [name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None]
    if unused:
        raise StackError(
            f'its head "{kind}" answers with parameters that stand behind its logits ({", ".join(unused)})',
            where=where,
            fix=fix,
        )


# --------------------------------------------------------------------------------------------------------- the graph


def _trace(network: StackNetwork, rows: EncodedRows, file: Path, where: str) -> None:
    given = [value[:2] for value in _arguments(network, rows)]
    sizes = tuple({0: "batch", 1: "length"} for _ in given)
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                tuple(given),
                dynamo=True,
                dynamic_shapes=sizes,
                input_names=list(network.inputs),
                output_names=list(network.outputs),
                verbose=False,
            )
            assert program is not None
            program.save(str(file), external_data=size > _MOST_IN_ONE_FILE)
    except torch.onnx.OnnxExporterError as error:
        said = one_line(str(error.__cause__ or error).splitlines()[0])
        raise ComponentError(
            f"cannot be traced into an ONNX graph: {said[:300]}", where=where, fix="keep the stack as it is"
        ) from error


def _difference(network: StackNetwork, rows: EncodedRows, file: Path, longest: int) -> float:
    """The largest one on all rows at once, on the first alone, and on one as long as there can be."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    whole = _arguments(network, rows)
    repeats = -(-longest // rows.length)
    largest = 0.0
    for chosen in (
        whole,
        [value[:1, : int(rows.attention_mask[0].sum())] for value in whole],
        [value[:1].repeat(1, repeats)[:, :longest] for value in whole],
    ):
        with torch.no_grad():
            expected = network(*chosen)
        found = session.run(
            list(network.outputs),
            {name: value.numpy() for name, value in zip(network.inputs, chosen, strict=True)},
        )
        mask = chosen[1].bool()
        for name, ours, theirs in zip(network.outputs, expected, map(torch.from_numpy, found), strict=True):
            if ours.shape != theirs.shape:
                return float("inf")
            off = (ours - theirs).abs()
            # Of padding nobody reads what is given.
            by_token = ours.ndim == 3 or name in ("start_logits", "end_logits")
            largest = max(largest, float((off[mask] if by_token else off).max()))
    return largest


def _arguments(network: StackNetwork, rows: EncodedRows) -> list[Tensor]:
    given = (rows.input_ids, rows.attention_mask, rows.token_type_ids)
    return [value for _, value in zip(network.inputs, given, strict=False) if value is not None]


def _probe_rows(opened: OpenStack) -> EncodedRows:
    """Fixed sentences of many scripts, and a row of the last tokens that the stack's tokenizer has."""
    encoder = opened.engine.encoder
    found: list[Any] = encoder.tokens(list(PROBE), opened.keys)
    size = encoder.tokenizer(opened.keys).get_vocab_size(with_added_tokens=True)
    last = list(range(max(0, size - 16), size))
    return encoder.assemble([*found, _Ids(last)], Routes.uniform(opened.keys, len(found) + 1))


@dataclass(frozen=True)
class _Ids:
    ids: Sequence[int]
    overflowing: tuple[()] = ()

    @property
    def type_ids(self) -> list[int]:
        return [0] * len(self.ids)


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which torch neither warns nor writes what it skips."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


# ------------------------------------------------------------------------------------------------------ the tokenizer


def _write_tokenizer(opened: OpenStack, folder: Path) -> str:
    """The stack's tokenizer, which cuts and pads as the graph needs it. Returns its JSON."""
    from tokenizers import Tokenizer

    backbone = opened.backbone
    components = opened.engine.model.components
    own = next((json for key in opened.keys if (json := components[key].tokenizer_json)), None)
    whole_tokenizer(backbone, own).save_pretrained(folder)
    file = folder / "tokenizer.json"
    made = Tokenizer.from_file(str(file))
    made.enable_truncation(backbone.max_length)
    made.enable_padding(pad_id=backbone.padding_id, pad_token=made.id_to_token(backbone.padding_id))
    made.save(str(file))
    return file.read_text(encoding="utf-8")
