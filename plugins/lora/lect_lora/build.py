"""Layers of `peft` for a backbone's projections, made on copies, so that the backbone is never touched."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from peft import PeftConfig as LibraryConfig
from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from lect import RecipeError, nearest
from lect_lora.adalora import AdaloraPart
from lect_lora.base import Base
from lect_lora.config import AdaloraConfig
from lect_lora.part import ADAPTER, BaseUse, PeftPart, base_use_of
from lect_lora.patterns import check_lists, matching, resolved_patterns
from lect_lora.settings import library_class_of, library_config

with suppress(ImportError):
    # `peft` asks whether weights are tensors of this module and does not import it; transformers, which does, may have
    # been imported without.
    import torch.distributed.tensor

if TYPE_CHECKING:
    from lect import Backbone
    from lect_lora.config import PeftConfig


Visit = Callable[["Wrapped", LibraryConfig], None]


class Wrapped(nn.Module):
    """What `peft` made of the copies, in the place where it looks for it when it saves and loads.

    Its tensors have the names that they have in a model of `peft`: ``base_model.model.<path>.…``.
    """

    def __init__(self, tuner: nn.Module) -> None:
        super().__init__()
        self.base_model = tuner
        self.peft_config = tuner.peft_config

    def at(self, path: str) -> nn.Module:
        """What stands at a projection's path."""
        found: nn.Module = self.base_model.model.get_submodule(path)
        return found


def build_part(config: PeftConfig, backbone: Backbone, *, fresh: bool, visit: Visit | None = None) -> PeftPart:
    """A part with layers of `peft`.

    Args:
        fresh: whether the values matter; for a part whose values will be read, initialisations that take long are
            left out.
        visit: called with what `peft` made before it becomes a part; may read and write its values.

    Raises:
        RecipeError: no projection fits the targets, or `peft` refuses the configuration for this backbone.
    """
    where = f'method "{config.method.lower()}"'
    targets = _within(find_targets(config.target_modules, backbone, where), config, backbone, where)
    changes = _defaults(config, targets, backbone) | resolved_patterns(config.settings, config.method, targets, where)
    moved_rank = moves_weight(config)
    if moved_rank and not fresh:
        changes["init_lora_weights"] = True
    settings = library_config(config, targets, **changes)
    reads_weights = fresh or config.method != "LORA" or settings.init_lora_weights not in (True, False, "gaussian")
    # DoRA's magnitudes are norms of the weight.
    reads_weights = reads_weights or settings.use_dora
    copies = {path: _copy(backbone.module(path), blank=not reads_weights) for path in targets}
    wrapped = _inject(settings, copies, where)
    layers = {path: layer for path in copies if isinstance(layer := wrapped.at(path), BaseTunerLayer)}
    for path, layer in layers.items():
        linear = backbone.module(path)
        assert isinstance(linear, nn.Linear)
        _stand_on_backbone(layer, linear, copies[path], moved_rank, fresh, where)
    if visit is not None:
        visit(wrapped, settings)
    for layer in layers.values():
        _keep_hidden_tensors(layer)
    tree = _tree(layers)
    base_uses = _base_uses(layers)
    if isinstance(config, AdaloraConfig):
        if settings.target_r >= settings.init_r:
            raise RecipeError(
                f"target_r ({settings.target_r}) should be less than init_r ({settings.init_r})", where=where
            )
        return AdaloraPart(tree, base_uses, config, settings)
    return PeftPart(tree, base_uses)


def find_targets(targets: str | Sequence[str], backbone: Backbone, where: str) -> list[str]:
    """The paths of the projections that targets name: all, ends of paths, or a regular expression.

    Raises:
        RecipeError: one of them names none.
    """
    paths = backbone.anatomy.linears
    if not paths:
        raise RecipeError(
            f'the projections of "{backbone.name}" are of a kind of its own, transposed, and layers of peft stand on '
            "torch's own kind here",
            where=where,
            fix='use the method "bottleneck" or "full", or another backbone',
        )
    if targets == "all-linear":
        return list(paths)
    where = f"{where}, target_modules"
    if isinstance(targets, str):
        found = matching(targets, paths, where)
        if not found:
            raise RecipeError(f'no projection\'s path is "{targets}" as a whole', where=where, fix=_some(paths))
        return found
    for target in targets:
        if not any(_ends(path, target) for path in paths):
            names = {path.rsplit(".", 1)[-1] for path in paths} | {".".join(path.split(".")[-2:]) for path in paths}
            raise RecipeError(
                f'"{target}" is the end of no projection\'s path', where=where, fix=nearest(target, names)
            )
    if not targets:
        raise RecipeError("no projection is named", where=where, fix="leave it out for all of them")
    return [path for path in paths if any(_ends(path, target) for target in targets)]


def in_layers(config: PeftConfig, layers: Sequence[int], backbone: Backbone) -> dict[str, Any]:
    """The fields that keep a part to these layers: `peft`'s ``layers_to_transform``, or the projections themselves.

    Raises:
        RecipeError: the configuration says itself which layers, or none of its projections is there.
    """
    if config.settings.get("layers_to_transform") is not None:
        raise RecipeError("the layers are said twice, by layers_to_transform too", fix="keep one of both")
    if any(field.name == "layers_to_transform" for field in dataclasses.fields(library_class_of(config.method))):
        return {"layers_to_transform": list(layers)}
    where = f'method "{config.method.lower()}"'
    return {"target_modules": _below(find_targets(config.target_modules, backbone, where), layers, backbone, where)}


def _within(targets: list[str], config: PeftConfig, backbone: Backbone, where: str) -> list[str]:
    """Those of the projections that lie in the layers that ``layers_to_transform`` names; all where it names none.

    Where all projections are named by their paths, as they are here, `peft` itself would not look at it.
    """
    named = config.settings.get("layers_to_transform")
    numbers = [named] if isinstance(named, int) else list(named or ())
    if not numbers:
        return targets
    lists = config.settings.get("layers_pattern") or ()
    lists = [lists] if isinstance(lists, str) else lists
    if not lists:
        return _below(targets, numbers, backbone, where)
    check_lists(lists, where)
    endings = "|".join(lists)
    chosen = "|".join(map(str, numbers))
    found = matching(rf"(?:.*\.)?(?:{endings})\.(?:{chosen})\..*", targets, f"{where}, layers_pattern")
    return found or _no_target(where)


def _below(targets: Sequence[str], layers: Sequence[int], backbone: Backbone, where: str) -> list[str]:
    """Those of the projections that lie in these layers of the backbone, counted from 0."""
    paths = backbone.anatomy.layer_paths
    for number in layers:
        if not 0 <= number < len(paths):
            raise RecipeError(
                f'"{backbone.name}" has no layer {number}',
                where=f"{where}, layers_to_transform",
                fix=f"its layers are 0 to {len(paths) - 1}",
            )
    within = tuple(f"{paths[number]}." for number in layers)
    return [path for path in targets if path.startswith(within)] or _no_target(where)


def _no_target(where: str) -> NoReturn:
    raise RecipeError(
        "none of target_modules lies in these layers", where=where, fix="choose other layers, or other projections"
    )


def _defaults(config: PeftConfig, targets: Sequence[str], backbone: Backbone) -> dict[str, Any]:
    if config.method == "FROD":
        # Its bar would break into the host's own.
        return {"progressbar": False}
    if config.method != "IA3":
        return {}
    # The paper scales what goes into the projection that ends a feed-forward block, and what others give.
    named = config.settings.get("feedforward_modules")
    if named is None:
        ends = [layer.feed_forward.projection for layer in backbone.anatomy.layers]
    elif named:
        ends = find_targets(named, backbone, 'method "ia3", feedforward_modules')
    else:
        ends = []
    return {"feedforward_modules": [path for path in targets if path in ends]}


def moves_weight(config: PeftConfig) -> bool:
    """Whether the initialisation moves a share of each weight into the method's own matrices."""
    initialisation = str(config.settings.get("init_lora_weights")).lower()
    return initialisation == "olora" or initialisation.startswith("pissa")


def _base_uses(layers: Mapping[str, nn.Module]) -> dict[str, BaseUse]:
    """What each layer does with what it stands on; layers that differ in their place alone are tried once."""
    tried: dict[tuple[type, str], BaseUse] = {}
    found = {}
    for path, layer in layers.items():
        settings = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
        kind = (type(layer), repr(settings))
        if kind not in tried:
            tried[kind] = base_use_of(layer)
        found[path] = tried[kind]
    return found


def _copy(module: nn.Module, *, blank: bool) -> nn.Linear:
    """A copy of a projection, or one of its shape that takes no memory, where nobody reads the weight."""
    assert isinstance(module, nn.Linear)
    with torch.device("meta"):
        copied = nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
    if blank:
        weight = torch.zeros((), device=module.weight.device).expand(module.weight.shape)
    else:
        weight = module.weight.detach().float().clone()
    copied.weight = nn.Parameter(weight, requires_grad=False)
    if module.bias is not None:
        copied.bias = nn.Parameter(module.bias.detach().clone(), requires_grad=False)
    return copied


def _inject(settings: LibraryConfig, copies: dict[str, nn.Linear], where: str) -> Wrapped:
    """What `peft` makes of these copies."""
    skeleton = _tree(copies)
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[PeftType(settings.peft_type)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = tuner(skeleton, settings, ADAPTER)
        except (ValueError, TypeError, RuntimeError, AssertionError, AttributeError, ImportError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RecipeError(f"peft refuses it for this backbone: {reason}", where=where) from error
    for warning in caught:
        message = " ".join(str(warning.message).split())
        # Of a misspelt pattern `peft` only warns.
        if "did not match any targeted module" in message:
            raise RecipeError(message.rstrip("."), where=where, fix="name ends of paths of what target_modules has")
        # BOFT looks for a compiler for GPUs on every machine.
        if "CUDA" not in message:
            warnings.warn(f"{where}: {message}", stacklevel=2)
    return Wrapped(made)


def _stand_on_backbone(
    layer: nn.Module, linear: nn.Linear, copied: nn.Linear, moved: bool, fresh: bool, where: str
) -> None:
    """Put what the host answers in the place of the copy."""
    rank = layer.r[ADAPTER] if moved else 0
    base = Base(linear, min(rank, linear.in_features, linear.out_features))
    if moved and fresh:
        scaling = layer.scaling[ADAPTER]
        base.take_out(layer.lora_A[ADAPTER].weight.detach(), scaling * layer.lora_B[ADAPTER].weight.detach())
    if fresh and not torch.allclose(base.weight, copied.weight, atol=1e-5 * float(linear.weight.abs().max())):
        raise RecipeError("it rewrites the weights of the backbone, and a component leaves it frozen", where=where)
    layer.base_layer = base
    own = {id(tensor) for tensor in (copied.weight, copied.bias)}
    if any(id(parameter) in own for parameter in layer.parameters()):
        raise RecipeError("it holds weights of the backbone itself", where=where)


def _keep_hidden_tensors(layer: nn.Module) -> None:
    """Make tensors that a layer keeps beside its parameters (random masks, places) part of what is saved."""
    for owner in [module for module in layer.modules() if not isinstance(module, Base)]:
        for name, value in list(vars(owner).items()):
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            for key, tensor in _tensors_in(value):
                owner.register_buffer(f"kept_{name}_{key}".rstrip("_"), tensor)


def _tensors_in(value: Any) -> Iterable[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield "", value
    elif isinstance(value, dict):
        yield from ((str(key), inner) for key, inner in value.items() if isinstance(inner, Tensor))


def _tree(modules: dict[str, Any]) -> nn.Module:
    """These modules at their paths below one empty module."""
    root = nn.Module()
    for path, module in modules.items():
        parent = root
        *above, last = path.split(".")
        for name in above:
            if name not in parent._modules:
                parent.add_module(name, nn.Module())
            parent = parent.get_submodule(name)
        parent.add_module(last, module)
    return root


def _ends(path: str, target: str) -> bool:
    return path == target or path.endswith(f".{target}")


def _some(paths: Sequence[str]) -> str:
    return f"paths are such as {paths[0]}"
