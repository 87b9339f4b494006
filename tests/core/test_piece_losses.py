"""Masks, candidates and the loss over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lect.language_model import candidates as module
from lect.language_model.candidates import CandidateLoss, Candidates, choose_candidates, full_losses
from lect.language_model.head import LanguageModelHead
from lect.language_model.masks import Masking
from lect.language_model.rows import Row
from lect.parts import NewTokens

CPU = torch.device("cpu")
SIZE, WIDTH = 60, 8


def head_of(seed=0, cap=None):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(SIZE, WIDTH, generator=generator)
    return LanguageModelHead(nn.Identity(), matrix, torch.randn(SIZE, generator=generator), cap)


def states_of(places, seed=1):
    return torch.randn(places, WIDTH, generator=torch.Generator().manual_seed(seed))


def full(head, states, labels):
    logits = states @ head.matrix.T + head.bias
    return cross_entropy(logits if head.cap is None else torch.tanh(logits / head.cap) * head.cap, labels)


@pytest.mark.parametrize("cap", [None, 3.0])
def test_all_candidates_are_the_full_softmax(cap):
    head, states, labels = head_of(cap=cap), states_of(7), torch.randint(SIZE, (7,))
    loss = CandidateLoss(head, choose_candidates(torch.ones(SIZE), SIZE, "all", 5), CPU)
    assert len(loss.draw()) == 0
    torch.testing.assert_close(loss(states, labels, loss.draw()), full(head, states, labels))
    losses, hits = full_losses(head, states, labels, None)
    torch.testing.assert_close(losses.mean(), full(head, states, labels))
    assert hits.tolist() == ((states @ head.matrix.T + head.bias).argmax(1) == labels).tolist()


def chances(head, others):
    """With which probability each of the others is drawn: as the bias alone has it, half of them evenly."""
    return (head.bias[others].double().softmax(0) + 1 / len(others)) / 2


def test_others_are_drawn_as_the_bias_has_it_and_evenly():
    head, others, count = head_of(), torch.arange(10, SIZE), 200_000
    torch.manual_seed(0)
    drawn = CandidateLoss(head, Candidates(torch.arange(10), others, count), CPU).draw()
    found, expected = torch.bincount(drawn, minlength=SIZE)[others] / count, chances(head, others)
    assert len(drawn) == count and torch.isin(drawn, others).all()
    assert ((found - expected).abs() < 4 * (expected * (1 - expected) / count).sqrt()).all()


@pytest.mark.parametrize("label", [1, 9, 55, 59])
def test_the_sampled_denominator_is_right_in_expectation(label):
    # exp(loss) over all samples, each as likely as it is, is the full softmax's: for right tokens that are always
    # looked at, and for others.
    head, states, labels, others = head_of(), states_of(1), torch.tensor([label]), torch.arange(54, SIZE)
    loss, likely = CandidateLoss(head, Candidates(torch.arange(54), others, 2), CPU), chances(head, others)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    found = torch.stack([loss(states, labels, others[pair]).exp() * likely[pair].prod() for pair in pairs]).sum()
    torch.testing.assert_close(found.float(), full(head, states, labels).exp())


def test_a_right_token_that_was_drawn_as_well_counts_once():
    head, states, labels = head_of(), states_of(1), torch.tensor([30])
    loss = CandidateLoss(head, Candidates(torch.arange(10), torch.arange(10, SIZE), 3), CPU)
    found = loss(states, labels, torch.tensor([30, 30, 30]))
    logits = states @ head.matrix.T + head.bias
    expected = torch.logsumexp(torch.cat([logits[0, :10], logits[0, 30:31]]), 0) - logits[0, 30]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("others", [0, 40])
def test_new_tokens_are_predicted_from_their_own_rows(others):
    # Of a head without a bias the others are drawn evenly; each of them once stands for itself.
    head, states = replace(head_of(), bias=torch.zeros(SIZE)), states_of(5)
    first, new = 50, NewTokens(50, torch.randn(4, WIDTH).requires_grad_(), torch.randn(4).requires_grad_())
    labels, sample = torch.tensor([3, 50, 53, 9, 51]), torch.arange(first - others, first)
    loss = CandidateLoss(head, Candidates(torch.arange(first - others), sample, others), CPU)
    value = loss(states, labels, sample, new)
    rows, bias = torch.cat([head.matrix[:first], new.embeddings]), torch.cat([head.bias[:first], new.bias])
    expected = cross_entropy(states @ rows.T + bias, labels)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(full_losses(head, states, labels, new)[0].mean(), expected.detach())
    gradients = torch.autograd.grad(value, [new.embeddings, new.bias])
    for found, right in zip(gradients, torch.autograd.grad(expected, [new.embeddings, new.bias]), strict=True):
        torch.testing.assert_close(found, right)


def test_stretches_give_the_same_loss_and_gradient(monkeypatch):
    head, labels = head_of(), torch.randint(SIZE, (9,))
    loss = CandidateLoss(head, choose_candidates(torch.ones(SIZE), SIZE, "all", 5), CPU)
    values = []
    for largest in (10**6, 2 * SIZE):
        monkeypatch.setitem(module.LARGEST, "cpu", largest)
        states = states_of(9).requires_grad_()
        value = loss(states, labels, loss.draw())
        values.append((value.detach(), torch.autograd.grad(value, states)[0]))
    torch.testing.assert_close(values[0], values[1])


@pytest.mark.parametrize(
    ("used", "wanted", "sampled", "always", "others"),
    [(10, "auto", 8, 10, 50), (40, "auto", 8, 60, 0), (40, "corpus", 8, 40, 20), (10, "all", 8, 60, 0)],
)
def test_candidates_are_chosen_by_what_the_text_uses(used, wanted, sampled, always, others):
    counts = torch.cat([torch.ones(used), torch.zeros(SIZE - used)])
    found = choose_candidates(counts, SIZE, wanted, sampled)
    assert (len(found.always), len(found.others)) == (always, others)
    assert sorted([*found.always.tolist(), *found.others.tolist()]) == list(range(SIZE))


def test_of_a_large_text_the_frequent_tokens_are_always_looked_at(monkeypatch):
    monkeypatch.setattr(module, "MOST_USED", 4)
    counts = torch.zeros(SIZE)
    counts[[3, 9, 20, 40, 41, 50]] = torch.tensor([5.0, 1.0, 7.0, 8.0, 2.0, 9.0])
    assert choose_candidates(counts, SIZE, "auto", 8).always.tolist() == [3, 20, 40, 50]


def test_masks_are_distributed_as_said_and_depend_on_the_seed_alone():
    masking, ids = Masking(0.15, 3, 1000), torch.randint(4, 1000, (200, 500))
    plain = torch.ones_like(ids, dtype=torch.bool)
    plain[:, :5] = False
    torch.manual_seed(5)
    seen, chosen = masking.draw(ids, plain)
    assert not chosen[:, :5].any() and torch.equal(seen[~chosen], ids[~chosen])
    assert float(chosen[:, 5:].float().mean()) == pytest.approx(0.15, abs=0.005)
    assert float((seen[chosen] == 3).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert float((seen[chosen] == ids[chosen]).float().mean()) == pytest.approx(0.1, abs=0.01)
    state = torch.get_rng_state()
    following = masking.draw(ids, plain)
    torch.manual_seed(5)
    assert torch.equal(masking.draw(ids, plain)[0], seen)
    # What a checkpoint keeps is enough to go on with the same masks.
    torch.set_rng_state(state)
    assert all(map(torch.equal, masking.draw(ids, plain), following))


def test_fixed_masks_are_the_same_everywhere_and_hide_something():
    masking = Masking(0.15, 3, 1000)
    row = Row(np.array([0, 7, 2], np.int32), np.array([False, True, False]), np.zeros(3, np.int8))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = masking.draw_fixed(row)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(map(torch.equal, masking.draw_fixed(row), first))
    assert first[1].tolist() == [False, True, False]
