"""A component in memory: its parts and head as modules, ready to be attached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lect.heads import Head
from lect.literals import Role
from lect.parts import Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Component:
    """One trained or trainable part of a stack.

    Args:
        key: what it is called in a model, such as ``lang:jav``; unique among what is attached.
        parts: by method, in the order in which they are applied.
    """

    key: str
    role: Role
    parts: Mapping[str, Part] = field(default_factory=dict)
    head: Head | None = None

    def __repr__(self) -> str:
        head = [] if self.head is None else [type(self.head).__name__]
        return f"<Component {self.key}: {', '.join([*self.parts, *head])}>"

    @property
    def tokenizer_json(self) -> str | None:
        """The tokenizer that texts of this component's rows are cut with, where it brings one."""
        return next((part.tokenizer_json for part in self.parts.values() if part.tokenizer_json), None)

    @property
    def saved_tokenizer(self) -> str | None:
        """What a saved component keeps of its tokenizer, where it brings one."""
        return next((saved for part in self.parts.values() if (saved := part.saved_tokenizer)), None)

    def tensors(self) -> dict[str, Tensor]:
        """What is saved: every parameter and buffer once, on the CPU, as ``<method>.<name>`` or ``head.<name>``."""
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensor_references().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Overwrite every parameter and buffer with the saved value of its name.

        Raises:
            KeyError: a name is missing or unexpected.
            ValueError: a shape differs, or a tensor is not of the kind (integers, reals, complex numbers) that it
                should be.
            NotFiniteError: a value is no finite number. Buffers may hold infinities, as masks do, but no NaN.
        """
        from torch import nn

        from lect.composition.finite import NotFiniteError, non_finite_tensor

        own = self.tensor_references()
        added_since = {f"{method}.{name}" for method, part in self.parts.items() for name in part.optional_tensors}
        missing, unexpected = sorted(own.keys() - tensors.keys() - added_since), sorted(tensors.keys() - own.keys())
        if missing or unexpected:
            raise KeyError(f"missing tensors {missing[:3]}, unexpected tensors {unexpected[:3]}")
        import torch

        with torch.no_grad():
            for name, target in own.items():
                if name not in tensors:
                    continue
                if target.shape != tensors[name].shape:
                    raise ValueError(f'"{name}" has shape {tuple(tensors[name].shape)}, not {tuple(target.shape)}')
                if _kind(tensors[name]) != _kind(target):
                    raise ValueError(f'"{name}" holds {_kind(tensors[name])}, not {_kind(target)}')
                spoilt = non_finite_tensor({name: tensors[name]})
                if spoilt is not None and (spoilt[1] == "NaN" or isinstance(target, nn.Parameter)):
                    raise NotFiniteError(f'the tensor "{name}" holds {spoilt[1]}', where=self.key)
            # Only now, so that what is refused has changed nothing.
            for name, target in own.items():
                if name in tensors:
                    target.copy_(tensors[name])

    def tensor_references(self) -> dict[str, Tensor]:
        """The live parameters and buffers under the names that `tensors` gives them."""
        modules = {**self.parts, **({"head": self.head} if self.head is not None else {})}
        return {
            f"{prefix}.{name}": tensor
            for prefix, module in modules.items()
            for name, tensor in (*module.named_parameters(), *module.named_buffers())
        }


def _kind(tensor: Tensor) -> str:
    """What a tensor's values are, in words."""
    if tensor.is_complex():
        return "complex numbers"
    return "real numbers" if tensor.is_floating_point() else "integers or truth values"
