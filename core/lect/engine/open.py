"""A stack by its text, on its backbone, ready to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from lect.backbones import Backbone
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack, parse_stack
from lect.composition.windows import describe_truncated
from lect.data.examples import Example
from lect.device import default_device
from lect.engine.engine import Engine
from lect.errors import StackError, UserError
from lect.heads import Head, Prediction
from lect.host.backbones import load_backbone
from lect.literals import Progress
from lect.storage.assemble import attach_stack, must_generate, read_stack
from lect.storage.gates import Gated, gated_terms, use_of
from lect.storage.library import Library
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.host import Host

DEFAULT_BACKBONE = "e5-small"


@dataclass(frozen=True)
class OpenStack:
    """A stack on its backbone.

    Args:
        keys: the stack as the engine takes it.
        stored: what was read from disk, in the order of the stack.
        engine: what it is attached to; other stacks may be, too.
        gated: the terms that do not act at their full strength.
    """

    stack: Stack
    keys: tuple[str, ...]
    stored: tuple[StoredComponent, ...]
    engine: Engine
    gated: tuple[Gated, ...] = ()

    def __repr__(self) -> str:
        return f"<OpenStack {str(self.stack) or 'without components'} on {self.backbone.name}>"

    @property
    def backbone(self) -> Backbone:
        """The frozen model beneath."""
        return self.engine.backbone

    @property
    def head(self) -> Head | None:
        """The head of the stack, where it has one."""
        return self.engine.head_of(self.keys)

    @property
    def head_kind(self) -> str | None:
        """The registered name of the head, where the stack has one."""
        return next((stored.manifest.head.kind for stored in self.stored if stored.manifest.head), None)

    @property
    def vectors_by(self) -> str:
        """The component whose head gives texts their vectors; empty where these are the backbone's own."""
        return self.engine.vectors_by(self.keys)

    @property
    def notices(self) -> tuple[str, ...]:
        """A line for each component that acts at another strength than its own, or is of another backbone."""
        trimmed = (
            f'"{each.manifest.key}" was trained on "{each.manifest.backbone.name}", which "{self.backbone.name}" was '
            "trimmed from; it is used as it is on the tokens that were kept"
            for each in self.stored
            if each.manifest.backbone.fingerprint != self.backbone.fingerprint
        )
        return (*map(str, self.gated), *trimmed)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The prediction of its head for each example. Raises as `Engine.predictions`."""
        return self.engine.predict(examples, self.keys)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """The sentence vector of each text. Raises as `Engine.vectors`."""
        return self.engine.embed(texts, self.keys)

    def truncation(self, examples: Sequence[Example]) -> str | None:
        """One line about texts that are longer than the stack reads, or None."""
        cut = self.engine.truncated(examples, self.keys)
        return describe_truncated(cut, len(examples), self.engine.limit(self.keys))


def open_stack(
    text: str, host: Host, library: Library, backbone: str | None = None, progress: Progress | None = None
) -> OpenStack:
    """Parse, read, check and attach a stack.

    Args:
        backbone: name, hub id or folder; by default the one that the components were trained on.

    Raises:
        UserError: the stack, a component or the backbone is wrong.
    """
    stack = parse_stack(text)
    stored = tuple(read_stack(stack, library, host))
    # Of a backbone and what was trimmed from it, only the trimmed one carries components of both.
    entry = max((each.manifest.backbone for each in stored), key=lambda own: len(own.trimmed_from), default=None)
    loaded = load_backbone(
        backbone or (entry.name if entry else DEFAULT_BACKBONE),
        host=host,
        progress=progress,
        revision=entry.revision if entry and not backbone else None,
        generates=must_generate(host, stored),
    )
    return attach(Engine(RoutedModel(loaded).to(default_device())), stack, stored, host)


def open_on(engine: Engine, text: str, host: Host, library: Library) -> OpenStack:
    """A further stack on a backbone that is in use; what it shares with others is attached once.

    Raises:
        UserError: the stack or a component is wrong, or belongs to another backbone.
    """
    stack = parse_stack(text)
    stored = tuple(read_stack(stack, library, host))
    if must_generate(host, stored) and not engine.backbone.generates:
        raise StackError(
            f'"{stack}" generates texts, and "{engine.backbone.name}" was loaded without its decoder',
            fix="load that stack first",
        )
    return attach(engine, stack, stored, host)


def attach(engine: Engine, stack: Stack, stored: tuple[StoredComponent, ...], host: Host) -> OpenStack:
    """A stack whose components were read, attached where they are not yet: on the model's device, in evaluation mode.

    Raises:
        UserError: a component belongs to another backbone, or the stack is refused.
    """
    with engine.alone():
        use = use_of(host, stored)
        keys = attach_stack(engine.model, host, stack, stored, use)
        engine.model.to(engine.device).eval()
    return OpenStack(stack, keys, stored, engine, gated_terms(stack, stored, use)[1])


def check_heads(corpus: str, queries: str, where: str) -> None:
    """Refuse vectors of different heads.

    Args:
        corpus, queries: the components whose heads give the vectors of either side (`OpenStack.vectors_by`).

    Raises:
        UserError: they are not the same.
    """
    if corpus == queries:
        return
    theirs, ours = (f'vectors of "{each}"' if each else "the backbone's own vectors" for each in (corpus, queries))
    fix = "end both stacks with one of them" if corpus and queries else f'end both stacks with "{corpus or queries}"'
    raise UserError(f"{theirs} and {ours} cannot be compared", where=where, fix=fix)
