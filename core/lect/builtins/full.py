"""Full fine-tuning as a component: an own copy of every weight, used in place of the backbone's.

What everything else is measured against. The backbone itself stays frozen, so that a fully tuned model can share a
batch, row by row, with small components.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lect.errors import RecipeError
from lect.parts import BaseLayer, Part, SiteContext
from lect.specs import BuildContext

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.builtins.configs import FullConfig


class FullPart(Part):
    """A trainable copy of each module of the backbone, or of some of its layers, that holds weights and no modules.

    Raises:
        RecipeError: the backbone has no such layer.
    """

    replaces_module = True

    def __init__(self, config: FullConfig, context: BuildContext) -> None:
        super().__init__()
        within = _paths_of(config.only_layers, context.backbone)
        # In a tuple, so that it does not become a submodule.
        self._backbone = (context.backbone,)
        self.copies = nn.ModuleDict(
            {
                path.replace(".", "/"): _own_copy(module)
                for path, module in context.backbone.named_modules()
                if path.startswith(within)
                and next(module.children(), None) is None
                and next(module.parameters(), None) is not None
            }
        )

    def sites(self) -> Iterable[str]:
        """Every module that holds weights itself."""
        return [name.replace("/", ".") for name in self.copies]

    def reads_input(self, site: str) -> bool:
        return True

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        output: Tensor = self.copies[site.replace(".", "/")](inputs)
        return output

    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return dict(self.copies[site.replace(".", "/")].named_parameters(recurse=False))

    def origin(self) -> Mapping[str, Tensor]:
        """The backbone's own values: arithmetic is on what was learned, a task vector (Ilharco et al. 2023)."""
        own = dict(self._backbone[0].named_parameters(remove_duplicate=False))
        return {
            f"copies.{path}.{name}": own[f"{path.replace('/', '.')}.{name}"].detach()
            for path, module in self.copies.items()
            for name, _ in module.named_parameters()
        }


def _paths_of(layers: Sequence[int] | None, backbone: Backbone) -> tuple[str, ...]:
    """What the paths of the modules begin with that are trained."""
    if layers is None:
        return ("",)
    paths = backbone.anatomy.layer_paths
    for number in layers:
        if number >= len(paths):
            raise RecipeError(
                f'"{backbone.name}" has no layer {number}',
                where='method "full", only_layers',
                fix=f"its layers are 0 to {len(paths) - 1}",
            )
    return tuple(f"{paths[number]}." for number in layers)


def _own_copy(module: nn.Module) -> nn.Module:
    # Not a deep copy: while components are attached, a module's `forward` reaches the whole model.
    own = copy.copy(module)
    own.__dict__.pop("forward", None)
    own._forward_hooks, own._forward_pre_hooks = OrderedDict(), OrderedDict()
    own._parameters = {
        name: None if value is None else nn.Parameter(value.detach().clone())
        for name, value in module._parameters.items()
    }
    own._buffers = {}
    for name, value in module._buffers.items():
        copied = None if value is None else value.clone()
        if name in module._non_persistent_buffers_set:
            # A constant, which some versions of transformers keep and others do not: it is not saved.
            own.__dict__[name] = copied
        else:
            own._buffers[name] = copied
    return own
