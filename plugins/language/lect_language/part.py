"""Bottleneck adapters as a part: layers of `adapters`, applied where the host says, to the rows it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from adapters import BnConfig
from adapters.methods.modeling import Adapter, NICECouplingBlock, ParallelAdapter
from torch import Tensor, nn

from lect import FAMILIES, Inner, Part, SiteContext
from lect_language.settings import check_fits, library_config, reduction_at
from lect_language.shared import share_projections
from lect_language.together import Plain, can_act_together, changed

if TYPE_CHECKING:
    from lect import Backbone
    from lect_language.config import BottleneckConfig


class BottleneckPart(Part):
    """Small bottlenecks after, or beside, the frozen model's blocks, and one invertible block on its embeddings.

    The places follow Houlsby et al. (2019), Pfeiffer et al. (2020, MAD-X for the invertible block) and He et al.
    (2021); layers, defaults and initialisation are those of `adapters`. The frozen model adds its residual, and its
    norm where it has one there, after each place: what `adapters` calls ``original_ln_after``.

    Args:
        invertible_non_linearity: the invertible block's activation; that of the bottlenecks where None.
        before_projection: whether the invertible block acts where embeddings still have a width of their own.
    """

    def __init__(
        self,
        config: BnConfig,
        backbone: Backbone,
        invertible_non_linearity: str | None = None,
        before_projection: bool = False,
    ) -> None:
        super().__init__()
        self._places: dict[str, tuple[str, str]] = {}
        self._embeddings, width = embeddings_of(backbone, before_projection)
        self.layers = nn.ModuleDict()
        for number, layer in enumerate(backbone.anatomy.layers):
            if number in config.leave_out:
                continue
            blocks = nn.ModuleDict()
            if config.mh_adapter:
                blocks["attention"] = _adapter(config, number, backbone.hidden_size)
                self._places[layer.attention.output] = (str(number), "attention")
            if config.output_adapter:
                blocks["feed_forward"] = _adapter(config, number, backbone.hidden_size)
                self._places[layer.feed_forward.output] = (str(number), "feed_forward")
            if len(blocks):
                self.layers[str(number)] = blocks
        share_projections(config, self.layers, backbone.hidden_size)
        self.invertible = _invertible(config, width, invertible_non_linearity or config.non_linearity)
        # Looked up once: with many parts in a batch, looking is a good share of the time.
        self._plain = {site: Plain.of(self._adapter_at(site)) for site in self._places}

    def sites(self) -> Iterable[str]:
        """The projections that end the blocks, and the embeddings."""
        if self.invertible is None:
            return tuple(self._places)
        assert self._embeddings is not None
        return (*self._places, self._embeddings)

    def at(self, site: str, inner: Inner, inputs: Tensor, context: SiteContext) -> Tensor:
        """What the module gives, taken through the bottleneck."""
        hidden = inner(inputs)
        if site not in self._places:
            assert self.invertible is not None
            mixed: Tensor = self.invertible(hidden)
            return mixed
        adapter = self._adapter_at(site)
        if isinstance(adapter, ParallelAdapter):
            # `adapters` gives a parallel bottleneck the block's residual, and adds what the block gave afterwards.
            return hidden + adapter(context.residual, None)[0]
        prepared, _, residual = adapter.pre_forward(hidden, context.residual, context.norm)
        output: Tensor = adapter(prepared, residual_input=residual)[0]
        return output

    def at_rows(
        self, parts: Sequence[Part], site: str, inner: Inner, inputs: Tensor, context: SiteContext, assignment: Tensor
    ) -> Tensor | None:
        """What the module gives, each row taken through its own bottleneck, where these are plain and alike."""
        plains = [part._plain.get(site) for part in parts if isinstance(part, BottleneckPart)]
        if len(plains) < len(parts) or not can_act_together(plains):
            return None
        first, hidden = plains[0].adapter, inner(inputs)
        if isinstance(first, ParallelAdapter):
            assert context.residual is not None
            return changed(plains, context.residual, hidden, assignment)
        prepared, _, residual = first.pre_forward(hidden, context.residual, context.norm)
        output = changed(plains, prepared, residual, assignment)
        return output if residual is hidden else torch.where((assignment >= 0)[:, None, None], output, hidden)

    def origin(self) -> Mapping[str, Tensor]:
        """Norms of the bottleneck's own scale by one where they change nothing; all else is zero there."""
        return {
            f"{path}.weight": torch.ones_like(module.weight)
            for path, module in self.named_modules()
            if isinstance(module, nn.LayerNorm)
        }

    def _adapter_at(self, site: str) -> Adapter:
        number, block = self._places[site]
        blocks = self.layers[number]
        assert isinstance(blocks, nn.ModuleDict)
        adapter = blocks[block]
        assert isinstance(adapter, Adapter)
        return adapter


def build_bottleneck(config: BottleneckConfig, backbone: Backbone) -> BottleneckPart:
    """A freshly initialised part.

    Raises:
        RecipeError: the configuration does not fit the backbone, or is one that `adapters` cannot build.
    """
    settings = library_config(config)
    check_fits(settings, backbone)
    return BottleneckPart(
        settings, backbone, config.inv_adapter_non_linearity, bool(config.inv_adapter_before_projection)
    )


def embeddings_of(backbone: Backbone, before_projection: bool) -> tuple[str | None, int]:
    """Where an invertible part acts, and how wide what it changes is there."""
    family = FAMILIES[backbone.model.config.model_type]
    if not before_projection or not projects(backbone):
        return backbone.anatomy.embeddings, backbone.hidden_size
    return family.embeddings, int(backbone.module(backbone.anatomy.word_embedding).weight.shape[1])


def projects(backbone: Backbone) -> bool:
    """Whether the embeddings have a width of their own, and are brought to the layers' before the first one."""
    projection = FAMILIES[backbone.model.config.model_type].projection
    return projection is not None and backbone.anatomy.embeddings == projection


def _adapter(config: BnConfig, layer: int, hidden_size: int) -> Adapter:
    kind = ParallelAdapter if config.is_parallel else Adapter
    return kind("part", hidden_size, int(hidden_size // reduction_at(config, layer)), config)


def _invertible(config: BnConfig, hidden_size: int, non_linearity: str) -> NICECouplingBlock | None:
    if config.inv_adapter is None:
        return None
    block = NICECouplingBlock(
        [[hidden_size]], non_linearity=non_linearity, reduction_factor=config.inv_adapter_reduction_factor
    )
    block.apply(Adapter.init_bert_weights)
    return block
