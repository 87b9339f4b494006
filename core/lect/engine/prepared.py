"""Rows that are cut into tokens before their turn, and computed in one batch, whatever is asked of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lect.composition.component import Component
from lect.composition.encode import StackTokenizer
from lect.composition.finite import check_predictions, check_vectors
from lect.composition.routes import Routes
from lect.composition.sharing import hidden_states
from lect.data.examples import Example
from lect.engine.engine import Engine, Keys
from lect.errors import StackError
from lect.generation.predictions import generate_predictions
from lect.heads import GenerationHead, Head, Layout, Prediction


@dataclass(frozen=True)
class PreparedRow:
    """A row with its tokens.

    Args:
        keys: its stack.
        head: that predicts for it; None where its sentence vector is asked for.
        rows: its text in one or several rows, as the head lays it out; none where the head generates.
        tokens: how many tokens it has, or, where the head generates, about as many.
    """

    example: Example
    keys: Keys
    head: Head | None
    rows: tuple[Any, ...]
    tokens: int


def prepare_rows(engine: Engine, rows: Sequence[tuple[Example, Keys]], *, vectors: bool = False) -> list[PreparedRow]:
    """Cut rows into tokens, each by the tokenizer of its own stack; the model is not needed for it.

    Args:
        rows: examples with their stacks.
        vectors: whether sentence vectors are asked for, and not predictions.

    Raises:
        StackError: a stack has no head that predicts.
        DataError: an example is not what its head needs.
    """
    found: list[PreparedRow | None] = [None] * len(rows)
    of_stack: dict[Keys, list[int]] = {}
    for place, (_, keys) in enumerate(rows):
        of_stack.setdefault(keys, []).append(place)
    for keys, places in of_stack.items():
        examples, head = [rows[place][0] for place in places], engine.head_of(keys)
        if vectors:
            head = None
            laid = [(row,) for row in engine.encoder.tokens([each.text for each in examples], keys)]
        elif head is None:
            raise StackError("this stack has no head, so it answers nothing", fix="end it with a task:…")
        elif isinstance(head, GenerationHead):
            tokens = engine.encoder.tokens([each.text for each in examples], keys)
            for place, row in zip(places, tokens, strict=True):
                found[place] = PreparedRow(rows[place][0], keys, head, (), len(row.ids) + head.decoding.longest)
            continue
        else:
            layout = head.layout(examples, StackTokenizer(engine.encoder, keys))
            laid = [tuple(layout.rows[row] for row in span) for span in layout.spans]
        for place, own in zip(places, laid, strict=True):
            found[place] = PreparedRow(rows[place][0], keys, head, own, max(1, sum(len(row.ids) for row in own)))
    return [row for row in found if row is not None]


@torch.no_grad()
def compute_rows(engine: Engine, prepared: Sequence[PreparedRow]) -> list[Prediction | Tensor]:
    """The prediction for each row, or its sentence vector, *Shape:* ``(width,)``, float32, on the CPU.

    All rows go through the model together, but for those whose heads generate: these after them, head by head. The
    model is taken to be in evaluation mode.

    Raises:
        NotFiniteError: a result is no finite number.
        StackError: rows ask for vectors of several widths.
    """
    found: dict[int, Prediction | Tensor] = {}
    places = [place for place, row in enumerate(prepared) if not isinstance(row.head, GenerationHead)]
    if places:
        found |= _of_hidden_states(engine, prepared, places)
    of_head: dict[GenerationHead, list[int]] = {}
    for place, row in enumerate(prepared):
        if isinstance(row.head, GenerationHead):
            of_head.setdefault(row.head, []).append(place)
    for head, own in of_head.items():
        stacks, examples = [prepared[place].keys for place in own], [prepared[place].example for place in own]
        with engine.computing():
            texts = generate_predictions(engine.encoder, stacks, head, examples)
        found |= dict(zip(own, texts, strict=True))
    predictions = [(place, one) for place, one in found.items() if isinstance(one, Prediction)]
    check_predictions([one for _, one in predictions], [prepared[place].example for place, _ in predictions])
    return [found[place] for place in range(len(prepared))]


def attach_to_engine(engine: Engine, component: Component) -> None:
    """Attach one component to a model in use: on its device, in evaluation mode; the others are not walked through.

    Raises:
        StackError: another component is attached under its key.
    """
    for module in (*component.parts.values(), *([component.head] if component.head is not None else [])):
        module.to(engine.device).eval()
    with engine.alone():
        engine.model.attach(component)


def detach_from_engine(engine: Engine, key: str) -> None:
    """Take a component out, and what was kept of its tokenizer. Raises `StackError` where there is none."""
    with engine.alone():
        engine.model.detach(key)
        engine.encoder.forget(key)


def _of_hidden_states(
    engine: Engine, prepared: Sequence[PreparedRow], places: Sequence[int]
) -> dict[int, Prediction | Tensor]:
    found: dict[int, Prediction | Tensor] = {}
    model = engine.model
    owners = [place for place in places for _ in prepared[place].rows]
    routes = Routes.of([prepared[place].keys for place in owners])
    batch = engine.encoder.assemble([row for place in places for row in prepared[place].rows], routes)
    batch = batch.to(engine.device)
    with engine.computing():
        hidden = hidden_states(model, batch)
        # Hidden states of padding are not checked.
        shown = hidden.masked_fill(~batch.attention_mask.bool().unsqueeze(-1), 0.0)
        check_vectors(shown, [prepared[place].example.origin or "a text" for place in owners])
        row_of = {place: owners.index(place) for place in places}
        for head, theirs in _by_head(prepared, places).items():
            rows = torch.tensor([row_of[place] + row for place in theirs for row in range(len(prepared[place].rows))])
            rows = rows.to(engine.device)
            own, mask = hidden[rows], batch.attention_mask[rows]
            if isinstance(head, Head):
                layout = Layout.of([prepared[place].rows for place in theirs])
                examples = [prepared[place].example for place in theirs]
                found |= dict(zip(theirs, head.decode(head(own, mask).float(), examples, layout), strict=True))
                continue
            giver = model.head_of(prepared[theirs[0]].keys)
            pooled = giver(own, mask) if giver is not None and giver.embeds else model.pool(own, mask)
            vectors = pooled.float().cpu()
            check_vectors(vectors, [prepared[place].example.origin or "a text" for place in theirs])
            found |= dict(zip(theirs, vectors, strict=True))
    return found


def _by_head(prepared: Sequence[PreparedRow], places: Sequence[int]) -> dict[Head | Keys, list[int]]:
    """The rows of each head; of vectors, those of each stack."""
    found: dict[Head | Keys, list[int]] = {}
    for place in places:
        row = prepared[place]
        found.setdefault(row.keys if row.head is None else row.head, []).append(place)
    return found
