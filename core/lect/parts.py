"""`Part`: the base class of what methods train, a change to the backbone at some of its modules."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


class BaseLayer(Protocol):
    """What stands below a part at a place: the backbone's own module and the parts applied before.

    Called with the very tensor that the part was given, it returns what is already computed; called with another
    one (a scaled input, say) it computes anew, for the same rows.
    """

    def __call__(self, inputs: Tensor) -> Tensor:
        """The output below, for these inputs."""
        ...


@dataclass(frozen=True)
class SiteContext:
    """What a part may need beside its input, cut to the same rows.

    Args:
        residual: *Shape:* ``(rows, length, hidden)``; what the backbone adds to this module's output, where the
            module ends a sublayer (`Sublayer.output` in `lect.backbones.anatomy`), else None.
        norm: the frozen layer norm that follows that addition in a post-norm model, else None.
    """

    residual: Tensor | None = None
    norm: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class NewTokens:
    """What a part needs so that its own tokens can be predicted, as the backbone's are.

    Args:
        first: the id of the first new token; those below are the backbone's.
        embeddings: *Shape:* ``(new tokens, width)``; as in the backbone's table, before anything is multiplied.
        bias: *Shape:* ``(new tokens,)``; added to their logits.
    """

    first: int
    embeddings: Tensor
    bias: Tensor


class Part(nn.Module):
    """A trained change to the frozen backbone at one or more *sites* (paths of its modules).

    The host calls `at` with exactly the rows whose stack holds the part, and puts the result back in its place. A
    part never holds a module of the backbone as its submodule: its parameters and buffers are what is saved.
    """

    #: The component's own tokenizer (the `tokenizers` library's JSON), where the part brings new tokens.
    tokenizer_json: str | None = None

    #: Whether the part takes the module's place at its sites. It then stands below all others there, wherever its
    #: component stands in a stack, so that none of them is lost.
    replaces_module: bool = False

    #: Names of tensors that components of older versions do not have; as the method builds them they change nothing.
    optional_tensors: tuple[str, ...] = ()

    @property
    def saved_tokenizer(self) -> str | None:
        """The content of the component's ``tokenizer.json``, from which the method's builder makes the tokenizer again.

        By default the whole tokenizer; a part may save less.
        """
        return self.tokenizer_json

    def sites(self) -> Iterable[str]:
        """The paths of the backbone's modules that the part changes."""
        raise NotImplementedError

    def reads_input(self, site: str) -> bool:
        """Whether the part gives `base_layer` another input than its own there, so that nothing is computed in vain."""
        return False

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """The module's new output for these rows.

        Args:
            inputs: *Shape:* ``(rows, length, features)``; at the word embedding ``(rows, length)`` of token ids.

        Returns:
            *Shape:* as the module's own output.
        """
        raise NotImplementedError

    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """The parameters with which the module alone would give what it gives with this part, or None.

        Args:
            parameters: the module's own (``weight``, ``bias``), with the parts below already folded in.

        Returns:
            Parameters of the same names; None where no parameters do, so that the part cannot be merged.
        """
        return None

    def at_rows(
        self,
        parts: Sequence[Part],
        site: str,
        base_layer: BaseLayer,
        inputs: Tensor,
        context: SiteContext,
        assignment: Tensor,
    ) -> Tensor | None:
        """The module's new output where every row goes through one of several parts of this class, at once.

        A batch of many languages has few rows for each. A part that can compute all of them with one batched matrix
        product saves the time of going through them one by one.

        Args:
            parts: this one first; all of its class.
            assignment: *Shape:* ``(rows,)``; each row's index into `parts`, -1 where the row has none of them.

        Returns:
            *Shape:* as the module's own output; None where the parts cannot act together, before anything is computed.
        """
        return None

    def scaled(self, strength: float) -> Part | None:
        """A part whose change to what the module gives is so many times this one's; it uses the same tensors.

        A language that acts at part of its strength goes through a batch together with others where its parts can be
        scaled so. It is asked for in evaluation alone.

        Returns:
            None where there is none; then what the part makes is computed, and the change scaled.
        """
        return None

    def signature(self) -> Hashable | None:
        """What is equal for parts of this class that differ in the values of their parameters and buffers alone.

        A copy of one of them, given the other's tensors, is then the other. The host puts parts of one kind in each
        other's place, so that batches of any of them go through one CUDA graph. Names, shapes and types of tensors need
        not be in it, nor the sites.

        Returns:
            None where this is not known; batches with the part go through without graphs.
        """
        return None

    def origin(self) -> Mapping[str, Tensor]:
        """The values of parameters at which the part changes nothing, by name; zero for those not named.

        Arithmetic on parameters is on the differences from them.
        """
        return {}

    def new_tokens(self) -> NewTokens | None:
        """The embeddings of the tokens that the part adds, for objectives that predict them; None for no tokens."""
        return None

    def after_step(self, step: int, total_steps: int) -> None:
        """Called after each step of the optimiser; AdaLoRA, for one, lowers its rank budget here."""

    def penalty(self) -> Tensor | None:
        """A regularisation term that is added to the loss, such as orthogonality; None for none."""
        return None


def in_order(parts: Iterable[Part]) -> list[Part]:
    """Parts in the order in which they are applied at a site."""
    return sorted(parts, key=lambda part: not part.replaces_module)
