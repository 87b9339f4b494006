"""A language's gate measured anew: on translations of the kind that it will read, and by tasks that stand on it.

What is held out from a component's own training data is of the kind that it was trained on. On other texts a component
may do harm where it helped there, and the agreement of a task's own answers with those that translations get says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lect.auditing.card import write_card
from lect.composition.stack import parse_component, parse_stack
from lect.data.examples import Example
from lect.engine.open import OpenStack, open_on, open_stack
from lect.errors import ComponentError, DataError, StackError
from lect.literals import Progress, no_progress
from lect.registry.record import read_record
from lect.specs import HeadSpec
from lect.storage.manifest import GateEntry
from lect.storage.store import read_folder_manifest
from lect.training.gate import FEWEST, Asked, measure_gate, measure_tasks

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.library import Library


def regate(
    reference: str,
    pairs: Sequence[Example],
    host: Host,
    library: Library,
    *,
    on: str,
    tasks: Sequence[str] = (),
    keep: bool = True,
    progress: Progress = no_progress,
) -> tuple[GateEntry, ...]:
    """Measure a language's gate anew, and write it into the component.

    Args:
        reference: the component, such as ``lang:jav``.
        pairs: sentences with translations that it was not trained on.
        on: what messages and the card call them.
        tasks: stacks of a task, such as ``task:topic``, whose own answers are compared.
        keep: whether it is written.

    Returns:
        What was measured: for each kind of use, and for each task.

    Raises:
        ComponentError: it is no language, or was pulled, and what it says is its author's.
        DataError: there are too few pairs.
        StackError: a task gives no labels for whole texts.
        UserError: a component cannot be read or used.
    """
    folder = library.find(parse_component(reference))
    manifest = read_folder_manifest(folder)
    if manifest.role != "lang":
        raise ComponentError("is no language, and has no gate", where=reference, fix="name one, such as lang:jav")
    if keep and read_record(folder) is not None:
        raise ComponentError(
            "was pulled, and what it says of itself is its author's",
            where=reference,
            fix="add --dry-run to measure it only",
        )
    paired = [pair for pair in pairs if pair.translation]
    if len(paired) < FEWEST:
        raise DataError(
            f"has {len(paired):,} translated sentences, and {FEWEST} are the fewest to measure on",
            where=on,
            fix="give more",
        )
    stack = " + ".join(filter(None, (manifest.stack, f"1*{reference}")))
    opened = open_stack(stack, host, library, progress=progress)
    component, beneath = opened.engine.model.components[opened.keys[-1]], opened.keys[:-1]
    own = {_task_key(each): _asked(each, opened, host, library) for each in tasks}
    progress("Measuring", 0.0)
    known = [pair.translation or "" for pair in paired]
    said = f"translations in {Path(on).name if len(on) > 60 else on}"
    entries = measure_gate(opened.engine, component, beneath, opened.engine.embed, paired, known, on=said)
    entries += measure_tasks(opened.engine, component, beneath, paired, own, on=said) if own else ()
    if keep:
        write_card(folder, host, gate=entries)
    return entries


def _task_key(stack: str) -> str:
    return str(parse_stack(stack).parts[-1])


def _asked(stack: str, opened: OpenStack, host: Host, library: Library) -> Asked:
    """A task's stack as the engine takes it. Raises `StackError` where it has no labels."""
    found = open_on(opened.engine, stack, host, library)
    use = host.spec(HeadSpec, found.head_kind).use if found.head_kind else None
    if found.head is None or not found.head.labels or use not in ("classification", "tagging"):
        raise StackError(
            "gives texts and words no labels that a translation's could be compared with",
            where=f'"{stack}"',
            fix="name a task such as topics, sentiment or parts of speech",
        )
    return Asked(found.keys, use)
