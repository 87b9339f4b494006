"""What is frozen in a run is computed once: states below the lowest trained layer, and vectors that are aimed at.

Both lie in the cache (``LECT_CACHE``, folder ``states``), so that later epochs, a resumed run and other runs on the
same texts begin where the first one was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from lect.cache import cache_folder
from lect.composition.encode import RowEncoder
from lect.composition.kept import StateKey
from lect.composition.model import RoutedModel
from lect.engine.engine import Engine, Keys
from lect.literals import Progress, no_progress
from lect.parts import Part
from lect.recipes.training import RunTable
from lect.storage.states import StoredStates
from lect.training.distributed.sharding import is_sharded
from lect.training.fingerprint import component_hash
from lect.training.inputs import RecipeInputs
from lect.training.optimisation import Precision
from lect.training.setup import TrainingSetup

_DEFAULT = 4.0
_PROMISED = 2
"""States of at most so many times the run's rows are kept, as code-switching gives a row other words each time."""
_VECTORS_AT_ONCE = 256


@contextmanager
def states_kept(setup: TrainingSetup, inputs: Sequence[RecipeInputs]) -> Iterator[None]:
    """A block in which hidden states below the lowest trained layer are kept, where any rows come more than once."""
    model = setup.model
    depth = 0 if is_sharded() or not _comes_again(setup) else _lowest_trained(setup)
    most = _bytes(setup.settings)
    if not depth or not most:
        yield
        return
    states = StoredStates(
        _root(),
        _kind(model, setup.precision, inputs),
        frozen_parts(model, inputs),
        depth=depth,
        width=model.backbone.hidden_size,
        dtype=_dtype(setup.precision),
        most=most,
        rows=_PROMISED * sum(len(one.train) + len(one.validation) for one in setup.components),
    )
    model.kept = states
    try:
        yield
    finally:
        model.kept = None
        states.close()


class FrozenVectors:
    """Sentence vectors that frozen stacks give texts: each is computed once, in the run's precision, and kept.

    Args:
        progress: called while many are computed.
    """

    def __init__(
        self,
        model: RoutedModel,
        encoder: RowEncoder,
        inputs: Sequence[RecipeInputs],
        settings: RunTable,
        precision: Precision,
        progress: Progress = no_progress,
    ) -> None:
        self._engine = Engine(model, encoder)
        self._engine.precision = "bfloat16" if precision.name == "bfloat16" else "float32"
        self._inputs, self._most, self._progress = inputs, _bytes(settings), progress
        backbone = model.backbone
        self._kind = f"{_kind(model, precision, inputs)} vectors {backbone.pooling} {encoder.max_length}"

    def __call__(self, texts: Sequence[str], stack: Keys) -> Tensor:
        """The vectors of these texts through a stack, *Shape:* ``(texts, width)``, float32, on the CPU."""
        model = self._engine.model
        head = self._engine.head_of(stack)
        if not texts or (head is not None and head.embeds) or not self._most:
            return self._engine.embed(texts, stack)
        parts = tuple(part for key in stack for part in model.components[key].parts.values())
        states = StoredStates(
            _root(),
            self._kind,
            frozen_parts(model, self._inputs),
            depth=0,
            width=model.backbone.hidden_size,
            dtype=torch.float32,
            most=self._most,
            rows=len(texts),
        )
        try:
            keys = [StateKey(text.encode("utf-8", "surrogatepass"), parts) for text in texts]
            found = [states.get(key) for key in keys]
            missing = [place for place, vector in enumerate(found) if vector is None]
            rows = [(texts[place], stack) for place in missing]
            for number, (place, vector) in enumerate(zip(missing, self._engine.vectors(rows), strict=True)):
                found[place] = vector[None]
                states.put(keys[place], vector[None])
                if number % _VECTORS_AT_ONCE == 0 and len(missing) > _VECTORS_AT_ONCE:
                    self._progress(f"vectors of {len(missing):,} translations", number / len(missing))
        finally:
            states.close()
        return torch.cat([vector for vector in found if vector is not None])


def frozen_parts(model: RoutedModel, inputs: Sequence[RecipeInputs]) -> dict[Part, str]:
    """What each part is that a run reads and does not train, by the content of all that the run reads."""
    state = hashlib.sha256()
    for one in inputs:
        others = (component for _, stored in one.beside.values() for component in stored)
        for stored in (*one.stored, *one.stored_target, *one.members.values(), *others):
            state.update(component_hash(stored).encode())
    trained = {one.recipe.key for one in inputs}
    return {
        part: f"{key} {name} {state.hexdigest()}"
        for key, component in model.components.items()
        if key not in trained
        for name, part in component.parts.items()
    }


def _lowest_trained(setup: TrainingSetup) -> int:
    """The layers below which nothing is trained and nothing is random; 0 where there are none."""
    model, components = setup.model, setup.components
    if model.compiled:
        return 0
    lowest = min((model.depths.first(component.key) for component in components), default=0)
    parts = {part for component in components for part in model.depths.below(component.stack, lowest)}
    return 0 if any(_is_random(part) for part in parts) else lowest


def _is_random(part: Part) -> bool:
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in part.modules())


def _comes_again(setup: TrainingSetup) -> bool:
    """Whether some rows go through the model more than once."""
    for epoch, _ in setup.plan.after(0):
        if epoch > 1:
            return True
    return any(one.validation for one in setup.components)


def _bytes(settings: RunTable) -> int:
    return int((_DEFAULT if settings.cache_gb is None else settings.cache_gb) * 1e9)


def _root() -> Path:
    return cache_folder() / "states"


def _dtype(precision: Precision) -> torch.dtype:
    found: torch.dtype = getattr(torch, precision.name)
    return found


def _kind(model: RoutedModel, precision: Precision, inputs: Sequence[RecipeInputs]) -> str:
    backbone = model.backbone
    device = next(model.encoder.parameters()).device.type
    return f"{backbone.fingerprint} {inputs[0].recipe.backbone.weights} {precision.name} {device}"
