"""What the Kronecker layers of one part share (Compacter, Mahabadi et al. 2021)."""

from __future__ import annotations

from adapters import BnConfig
from adapters.methods.modeling import PHMLayer, init_shared_parameters
from torch import nn


def share_projections(config: BnConfig, layers: nn.Module, hidden_size: int) -> None:
    """Give every Kronecker layer the same rule, and the same weights where they are shared, as its own parameters.

    The library keeps them at the model and looks them up by the component's name in a context of its own forward
    pass. A parameter that several modules own is trained and saved once all the same.
    """
    if not config.phm_layer or not (config.shared_phm_rule or config.shared_W_phm):
        return
    shared = init_shared_parameters(config, hidden_size, "cpu")
    for layer in layers.modules():
        if not isinstance(layer, PHMLayer):
            continue
        if config.shared_phm_rule and config.factorized_phm_rule:
            layer.set_phm_rule(phm_rule_left=shared["phm_rule_left"], phm_rule_right=shared["phm_rule_right"])
        elif config.shared_phm_rule:
            layer.set_phm_rule(phm_rule=shared["phm_rule"])
        if config.shared_W_phm:
            side = layer.position
            layer.set_W(W_left=shared[f"W_{side}_left"], W_right=shared[f"W_{side}_right"])
        # From here on the layer finds at itself what it would have looked up.
        layer.shared_phm_rule = layer.shared_W_phm = False
