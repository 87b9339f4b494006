"""The plugin's layers beside those of `adapters`: the same start from the same draws, outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lect_language.config import BottleneckConfig
from lect_language.kronecker import KroneckerLinear, share_parameters
from lect_language.layers import Bottleneck, CouplingBlock
from lect_language.settings import PRESETS, settings_of

pytestmark = [pytest.mark.adapters, pytest.mark.models]

WIDTH = 32
CHANGES = (
    # What Compacter's layers share lies at the library's whole model: see tests/plugins/test_language_parity.py.
    *({"preset": preset} for preset in ("seq_bn", "double_seq_bn", "par_bn", "scaled_par_bn")),
    *({"init_weights": kind, "ln_before": True} for kind in ("bert", "houlsby", "mam_adapter")),
    {"ln_after": True},
    {"ln_after": True, "adapter_residual_before_ln": True},
    {"preset": "par_bn", "ln_after": True, "adapter_residual_before_ln": True},
    {"residual_before_ln": False},
    {"residual_before_ln": "post_add"},
    {"original_ln_before": False, "residual_before_ln": False},
    {"scaling": "channel", "non_linearity": "leakyrelu"},
    {"scaling": 2, "non_linearity": "prelu"},
    {"dropout": 0.3},
    *(
        {"preset": "compacter", "shared_phm_rule": False, **more}
        for more in (
            {"factorized_phm_rule": True, "phm_c_init": "uniform"},
            {"factorized_phm_W": False, "phm_bias": False},
            {"phm_dim": 2, "phm_rank": 2, "hypercomplex_nonlinearity": "normal", "phm_init_range": 0.5},
        )
    ),
)


def library_config(settings):
    from adapters import BnConfig

    return BnConfig(**settings.to_dict())


def pair(settings, size):
    """A bottleneck of ours and the library's, each from the same random state."""
    from adapters.methods.modeling import Adapter, ParallelAdapter

    torch.manual_seed(3)
    ours, after = Bottleneck(WIDTH, size, settings), torch.rand(1)
    torch.manual_seed(3)
    kind = ParallelAdapter if settings.is_parallel else Adapter
    theirs = kind("part", WIDTH, size, library_config(settings))
    assert torch.equal(after, torch.rand(1)), "as many draws"
    return ours, theirs


def check_start(ours, theirs):
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name


def fill(ours, theirs):
    torch.manual_seed(4)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.2)
    theirs.load_state_dict(ours.state_dict())


def check_equal(ours, theirs, inputs):
    """Outputs, and gradients of inputs and parameters."""

    def gradients(output, module):
        torch.autograd.backward((output * torch.linspace(-1, 1, WIDTH)).sum())
        found = [inputs.grad, *(parameter.grad for parameter in module.parameters())]
        inputs.grad = None
        return found

    for one, other in zip(gradients(*ours), gradients(*theirs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_bottleneck(changes):
    settings = settings_of(BottleneckConfig(**changes))
    ours, theirs = pair(settings, 8)
    check_start(ours, theirs)
    fill(ours, theirs)
    norm = nn.LayerNorm(WIDTH)
    hidden, residual = torch.randn(2, 5, WIDTH, requires_grad=True), torch.randn(2, 5, WIDTH)
    for training in (False, True):
        ours.train(training), theirs.train(training)
        torch.manual_seed(5)
        output = ours(hidden, residual, norm)
        torch.manual_seed(5)
        read, _, skip = theirs.pre_forward(hidden, residual, norm)
        given = theirs(read, skip)[0]
        check_equal((output, ours), (hidden + given if settings.is_parallel else given, theirs), hidden)
        for parameter in (*ours.parameters(), *theirs.parameters()):
            parameter.grad = None


@pytest.mark.parametrize(("width", "factor", "activation"), [(32, 2.0, "relu"), (33, 4.0, "gelu")])
def test_a_coupling_block_and_its_inverse(width, factor, activation):
    from adapters.methods.modeling import Adapter, NICECouplingBlock

    torch.manual_seed(3)
    ours = CouplingBlock(width, activation, factor)
    torch.manual_seed(3)
    theirs = NICECouplingBlock([[width]], non_linearity=activation, reduction_factor=factor)
    theirs.apply(Adapter.init_bert_weights)
    check_start(ours, theirs)
    fill(ours, theirs)
    inputs = torch.randn(2, 5, width)
    torch.testing.assert_close(ours(inputs), theirs(inputs), atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.inverse(inputs), theirs(inputs, rev=True), atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.inverse(ours(inputs)), inputs)


@pytest.mark.parametrize(
    "changes",
    [{}, {"factorized_phm_rule": True}, {"shared_W_phm": True}, {"phm_c_init": "uniform", "learn_phm": False}],
    ids=str,
)
def test_what_kronecker_layers_share_starts_the_same(changes):
    from adapters.methods.modeling import init_shared_parameters

    settings = settings_of(BottleneckConfig(preset="compacter++", reduction_factor=4, **changes))
    layers = nn.ModuleList([KroneckerLinear(WIDTH, 8, "down", settings), KroneckerLinear(8, WIDTH, "up", settings)])
    torch.manual_seed(3)
    share_parameters(settings, layers, WIDTH)
    torch.manual_seed(3)
    theirs = init_shared_parameters(library_config(settings), WIDTH, "cpu")
    found = {
        name.replace("W_", f"W_{layer.side}_"): parameter
        for layer in layers
        for name, parameter in layer.named_parameters()
    }
    for name, parameter in theirs.items():
        assert torch.equal(found[name], parameter), name
        assert found[name].requires_grad is parameter.requires_grad


def test_the_presets_are_the_librarys():
    from adapters.configuration import ADAPTER_CONFIG_MAP

    for name, settings in PRESETS.items():
        if name != "par_bn_inv":
            assert settings.to_dict() == ADAPTER_CONFIG_MAP[name].to_dict(), name
    assert list(PRESETS["seq_bn"].to_dict()) == list(ADAPTER_CONFIG_MAP["seq_bn"].to_dict())
