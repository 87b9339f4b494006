"""Every registered method keeps the contract."""

from __future__ import annotations

import pytest

from lect import Example, MethodSpec
from lect.host import Host
from lect.testing.contract import PROPERTIES, MethodContract, method_contract

FEW = ("xlm-roberta", "deberta-v2", "modernbert")
# For what is built as LoRA is, and differs in what it computes.
TWO = ("xlm-roberta", "modernbert")
# In tests/core/test_routing_families.py rows of these methods stand alone on a backbone of every family.
ON_ITS_OWN = [name for name in PROPERTIES if name != "rows_stand_alone"]

test_bottleneck = method_contract("bottleneck", {"reduction_factor": 4}, identity_at_start=False)
test_bottleneck_invertible = method_contract(
    "bottleneck",
    {"preset": "double_seq_bn_inv", "reduction_factor": {"1": 2, "default": 4}},
    families=FEW,
    identity_at_start=False,
    properties=ON_ITS_OWN,
)
test_bottleneck_parallel = method_contract("bottleneck", {"preset": "par_bn"}, families=FEW, properties=ON_ITS_OWN)
test_bottleneck_kronecker = method_contract(
    "bottleneck", {"preset": "compacter++", "reduction_factor": 4}, families=FEW
)
test_lora = method_contract("lora", {"r": 4, "lora_dropout": 0.1}, properties=ON_ITS_OWN)
test_dora = method_contract("dora", {"r": 4, "target_modules": ["dense"]}, families=("bert", "xlm-roberta"))
test_pissa = method_contract("pissa", {"r": 4}, families=TWO)
test_vera = method_contract("vera", {"r": 4}, families=TWO)
test_adalora = method_contract("adalora", {"init_r": 4, "target_r": 2}, families=TWO)
test_ia3 = method_contract("ia3", properties=ON_ITS_OWN)
test_peft = method_contract("peft", {"type": "hra", "r": 4}, families=TWO)
TRANSLATED = tuple(
    Example(text=text, translation=translation)
    for text, translation in (
        ("ߒߞߏ ߞߊ߲", "the language"),
        ("ߒ ߓߘߊ߫ ߞߏ", "one happy day"),
        ("ߞߏ ߟߎ߬", "two things"),
        ("ߞߊ߲", "kind"),
    )
)
test_vocabulary = method_contract(
    "vocabulary",
    {"pieces": 12},
    families=("xlm-roberta", "llama", "m2m_100"),
    identity_at_start=False,
    examples=TRANSLATED,
    # Only objectives that predict tokens need it.
    without_gradient=("bias",),
)
# DeBERTa reads this table's weight without calling the module, so that no part can act there.
test_full = method_contract("full", families=FEW, without_gradient=("*rel_embeddings.weight",), properties=ON_ITS_OWN)

# Decoders, and the encoders of encoder-decoders: one of each shape. The rest is in tests/core/test_routing_families.py.
WIDER = ("gemma2", "llama", "mbart", "mt5", "qwen3")

test_bottleneck_wider = method_contract(
    "bottleneck", {"reduction_factor": 4}, families=WIDER, identity_at_start=False, properties=ON_ITS_OWN
)
test_bottleneck_invertible_wider = method_contract(
    "bottleneck",
    {"preset": "double_seq_bn_inv", "reduction_factor": 4},
    families=("gemma3_text", "gpt2", "m2m_100"),
    identity_at_start=False,
    properties=ON_ITS_OWN,
)
test_lora_wider = method_contract("lora", {"r": 4}, families=WIDER, properties=ON_ITS_OWN)
test_ia3_wider = method_contract("ia3", families=("gemma3_text", "m2m_100", "qwen2"), properties=ON_ITS_OWN)
test_full_wider = method_contract("full", families=("gpt2", "llama", "m2m_100", "t5"), properties=ON_ITS_OWN)

# A fusion stands on other components, which tests/core/test_mixing.py gives it.
COVERED = {"fusion", "bottleneck", "lora", "dora", "pissa", "vera", "adalora", "ia3", "peft", "vocabulary", "full"}


@pytest.mark.parametrize("name", sorted(set(Host.load(report=lambda line: None).specs(MethodSpec)) - COVERED))
def test_others(name):
    """Methods of plugins that are installed here beside the bundled ones."""
    for holds in PROPERTIES:
        if holds != "starts_as_said":
            getattr(MethodContract(name), holds)()
