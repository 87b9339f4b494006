"""How strongly a language's component acts in a stack, as its gate says for what the stack is used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lect.composition.stack import Merge, Mixture, Stack, StackTerm, Weighted
from lect.composition.terms import number_text
from lect.literals import Use
from lect.specs import HeadSpec
from lect.storage.manifest import GateEntry
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Gated:
    """A term of a stack whose gate says that it acts at another strength than its own.

    Args:
        acting: what acts in its place; None where it is left out.
    """

    term: str
    entry: GateEntry
    acting: Weighted | None

    def __str__(self) -> str:
        entry = self.entry
        acts = f"acts at {number_text(entry.strength)} of its strength" if entry.strength else "is left out"
        return (
            f'"{self.term}" {acts} for {entry.task or entry.use}, as its gate says ({entry.measure} {entry.score:.1f}, '
            f"{entry.whole:.1f} at its full strength, {entry.without:.1f} without); 1*{self.term} takes all of it"
        )


def use_of(host: Host, stored: Sequence[StoredComponent]) -> Use | None:
    """What a stack is used for: what its head makes of hidden states; without a head its vectors are compared."""
    kind = next((each.manifest.head.kind for each in stored if each.manifest.head), None)
    return host.spec(HeadSpec, kind).use if kind else "retrieval"


def gated_terms(
    stack: Stack, stored: Sequence[StoredComponent], use: Use | None
) -> tuple[tuple[StackTerm, ...], tuple[Gated, ...]]:
    """The terms of a stack, each at the strength at which it acts, and those whose gates say so.

    A component whose weight the stack itself says has that weight. What was measured by a task's own answers goes
    before what was measured for its kind. Only the language that the others stand under acts by its gate, since that is
    how it was measured.

    Args:
        stored: of every component that the stack names, in its order.
    """
    manifests = {str(atom): each.manifest for atom, each in zip(stack.atoms, stored, strict=True)}
    languages = [
        term
        for term in stack.parts
        if not isinstance(term, Weighted | Merge | Mixture) and manifests[str(term)].role == "lang"
    ]
    if not languages or use is None:
        return stack.parts, ()
    last = languages[-1]
    entry = _entry_for(manifests[str(last)].gate, use, {each.key for each in manifests.values() if each.head})
    if entry is None or entry.strength == 1:
        return stack.parts, ()
    acting = Weighted(entry.strength, last) if entry.strength else None
    terms = (acting if term is last else term for term in stack.parts)
    return tuple(term for term in terms if term is not None), (Gated(str(last), entry, acting),)


def _entry_for(gate: Sequence[GateEntry], use: Use, tasks: set[str]) -> GateEntry | None:
    """What was measured by the stack's own task, else by answers that were made up."""
    entries = [each for each in gate if each.use == use and (not each.task or each.task in tasks)]
    return next((each for each in entries if each.task), next(iter(entries), None))
