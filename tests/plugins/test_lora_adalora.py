"""AdaLoRA's budget of ranks over a run."""

from __future__ import annotations

import copy

import peft
import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import RecipeError
from lect.testing.backbones import tiny_backbone
from lect_lora.build import build_part
from lect_lora.config import AdaloraConfig

TEXTS = ["the old house on the way home", "two of a kind", "one more bright day"]
STEPS = 12
SETTINGS = {"init_r": 4, "target_r": 2, "orth_reg_weight": 0.1}


def ranks(part):
    return sum(int((value != 0).sum()) for name, value in part.named_parameters() if ".lora_E." in name)


def steps(part, backbone, count=STEPS, start=0):
    """Train on arbitrary targets; what the number of ranks was after each step."""
    model = RoutedModel(backbone)
    model.attach(Component("task:t", "task", {"adalora": part}))
    rows = RowEncoder(model).encode(TEXTS, [("task:t",)] * len(TEXTS))
    target = torch.randn(backbone.hidden_size, generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.SGD([value for value in part.parameters() if value.requires_grad], lr=0.05)
    counts = []
    for step in range(start + 1, start + count + 1):
        hidden = model(rows)
        loss = (hidden.mean((0, 1)) - target).square().mean() + part.penalty()
        loss.backward()
        optimiser.step()
        part.after_step(step, STEPS)
        optimiser.zero_grad()
        counts.append(ranks(part))
    model.detach("task:t")
    return counts


def new_part(backbone, **config):
    torch.manual_seed(0)
    return build_part(AdaloraConfig(**{**SETTINGS, **config}), backbone, fresh=True)


def test_ranks_shrink_to_the_budget_and_stay_there():
    backbone = tiny_backbone("bert")
    part = new_part(backbone, tinit=2, tfinal=0.25)
    counts = steps(part, backbone)
    places = len(list(part.sites()))
    assert counts[:2] == [4 * places] * 2
    assert counts[2] < 4 * places
    assert counts[8] <= 2 * places
    assert counts[8:] == [counts[8]] * 4


def test_masks_and_orthogonality_equal_pefts_own():
    backbone = tiny_backbone("bert")
    part = new_part(backbone, tinit=2, tfinal=3)
    torch.manual_seed(0)
    settings = peft.AdaLoraConfig(
        target_modules=list(part.sites()), tinit=2, tfinal=3, deltaT=1, total_step=STEPS, **SETTINGS
    )
    reference = peft.get_peft_model(copy.deepcopy(backbone.model), settings)
    steps(part, backbone)

    rows = RowEncoder(RoutedModel(backbone)).encode(TEXTS, [()] * len(TEXTS))
    target = torch.randn(backbone.hidden_size, generator=torch.Generator().manual_seed(1))
    trained = [value for value in reference.parameters() if value.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.05)
    for step in range(1, STEPS + 1):
        hidden = reference.base_model.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
        loss = (hidden.mean((0, 1)) - target).square().mean()
        loss = type("Output", (), {"loss": loss})
        # The library's own orthogonality term is added to the loss that a model gives.
        reference.base_model.model.forward, forward = lambda loss=loss: loss, reference.base_model.model.forward
        reference.base_model.forward().loss.backward()
        reference.base_model.model.forward = forward
        optimiser.step()
        reference.base_model.update_and_allocate(step)
        optimiser.zero_grad()
    theirs = dict(reference.named_parameters())
    for name, value in part.named_parameters():
        torch.testing.assert_close(value, theirs[name.replace("linears.", "base_model.model.", 1)], atol=1e-5, rtol=0)


def test_a_run_that_goes_on_keeps_the_decision():
    backbone = tiny_backbone("bert")
    part = new_part(backbone, tinit=2, tfinal=4)
    counts = steps(part, backbone, 9)
    again = new_part(backbone, tinit=2, tfinal=4)
    again.load_state_dict(part.state_dict())
    assert steps(again, backbone, 3, start=9) == [counts[-1]] * 3


def test_steps_that_do_not_use_the_part_decide_nothing():
    backbone = tiny_backbone("bert")
    part = new_part(backbone, tinit=0, tfinal=0)
    for name, value in part.named_parameters():
        if ".lora_E." in name:
            torch.nn.init.ones_(value)
    for step in range(1, STEPS + 1):
        part.after_step(step, STEPS)
    assert ranks(part) == SETTINGS["init_r"] * len(list(part.sites()))


def test_a_run_without_steps_between_is_refused():
    part = new_part(tiny_backbone("bert"), tinit=3, tfinal=2)
    with pytest.raises(RecipeError, match="a run of 5 steps has none between tinit"):
        part.after_step(1, 5)
