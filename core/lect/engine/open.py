"""A stack by its text, on its backbone, ready to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lect.components.assemble import attach_stack, must_write, read_stack
from lect.components.library import Library
from lect.components.store import StoredComponent
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack, parse_stack
from lect.data.examples import Example
from lect.device import default_device
from lect.errors import UserError
from lect.heads import WritingHead
from lect.host.backbones import load_backbone
from lect.literals import Progress

if TYPE_CHECKING:
    from lect.heads import Head
    from lect.host import Host

DEFAULT_BACKBONE = "e5-small"


@dataclass(frozen=True)
class OpenStack:
    """A stack on its backbone.

    Args:
        keys: the stack as routes take it.
        stored: what was read from disk, in the order of the stack.
    """

    stack: Stack
    model: RoutedModel
    encoder: RowEncoder
    keys: tuple[str, ...]
    stored: tuple[StoredComponent, ...]

    @property
    def head(self) -> Head | None:
        """The head of the stack, where it has one."""
        return self.model.head_of(self.keys)

    @property
    def embedding(self) -> str:
        """The component whose head gives texts their vectors; empty where these are the backbone's own."""
        heads = {key: self.model.components[key].head for key in self.keys}
        return next((key for key, head in heads.items() if head is not None and head.embeds), "")

    @property
    def notices(self) -> tuple[str, ...]:
        """A line for each component that was trained on another backbone, of which this one is a part."""
        loaded = self.model.backbone
        return tuple(
            f'"{each.manifest.key}" was trained on "{each.manifest.backbone.name}", which "{loaded.name}" was trimmed '
            "from; it is used as it is on the pieces that were kept"
            for each in self.stored
            if each.manifest.backbone.fingerprint != loaded.fingerprint
        )

    @property
    def limit(self) -> int:
        """The most pieces of a text that are read; longer ones are cut."""
        from lect.generation.answer import text_limit

        return text_limit(self.model, self.encoder, self.head)

    def truncated(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """Where the texts stand that are longer than the backbone reads, and are cut."""
        head = self.head
        if head is not None and head.windowed:
            return ()
        if isinstance(head, WritingHead):
            from lect.generation.answer import cut_texts

            return cut_texts(self.model, self.encoder, self.keys, head, examples)
        columns = [[example.text for example in examples]]
        if self.embedding:
            columns.append([example.text_pair or "" for example in examples])
        encodings = [self.encoder.pieces(texts, self.keys) for texts in columns]
        cut = [any(encoding.overflowing for encoding in own) for own in zip(*encodings, strict=True)]
        return tuple(example.origin for example, is_cut in zip(examples, cut, strict=True) if is_cut)


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
        writes=must_write(host, stored),
    )
    model = RoutedModel(loaded)
    keys = attach_stack(model, host, stack, stored)
    model.to(default_device()).eval()
    return OpenStack(stack, model, RowEncoder(model), keys, stored)


def check_heads(corpus: str, queries: str, where: str) -> None:
    """Refuse vectors of different heads.

    Args:
        corpus, queries: the components whose heads give the vectors of either side (`OpenStack.embedding`).

    Raises:
        UserError: they are not the same.
    """
    if corpus == queries:
        return
    theirs, ours = (f'vectors of "{each}"' if each else "the backbone's own vectors" for each in (corpus, queries))
    fix = "end both stacks with one of them" if corpus and queries else f'end both stacks with "{corpus or queries}"'
    raise UserError(f"{theirs} and {ours} cannot be compared", where=where, fix=fix)
