"""Masks, candidates and the loss over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lect.builtins.pieces import candidates as module
from lect.builtins.pieces.candidates import CandidateLoss, Candidates, choose_candidates, full_losses
from lect.builtins.pieces.head import PieceHead
from lect.builtins.pieces.masks import Masking
from lect.builtins.pieces.rows import Row
from lect.composition.part import NewPieces

CPU = torch.device("cpu")
SIZE, WIDTH = 60, 8


def head_of(seed=0, cap=None):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(SIZE, WIDTH, generator=generator)
    return PieceHead(nn.Identity(), matrix, torch.randn(SIZE, generator=generator), cap)


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


def test_the_sampled_denominator_is_right_in_expectation():
    # The mean of exp(loss) over samples is the full softmax's, for right pieces that are always looked at and others.
    head, states, labels = head_of(), states_of(4), torch.tensor([1, 9, 30, 59])
    candidates = choose_candidates(torch.cat([torch.ones(10), torch.zeros(SIZE - 10)]), SIZE, "corpus", 6)
    assert candidates.always.tolist() == list(range(10)) and len(candidates.others) == 50
    loss = CandidateLoss(head, candidates, CPU)
    torch.manual_seed(0)
    found = torch.stack([loss._losses(states, labels, loss.draw(), None).exp() for _ in range(4_000)])
    expected = cross_entropy(states @ head.matrix.T + head.bias, labels, reduction="none").exp()
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - expected).abs() < 4 * error).all()
    # Without the correction it would be far away, so that this test can fail.
    loss._corrections.zero_()
    uncorrected = torch.stack([loss._losses(states, labels, loss.draw(), None).exp() for _ in range(400)])
    assert ((uncorrected.mean(0) - expected).abs() > 10 * error).all()


def test_a_right_piece_that_was_drawn_as_well_counts_once():
    head, states, labels = head_of(), states_of(1), torch.tensor([30])
    loss = CandidateLoss(head, Candidates(torch.arange(10), torch.arange(10, SIZE), 3), CPU)
    drawn = loss._losses(states, labels, torch.tensor([30, 30, 30]), None)
    logits = states @ head.matrix.T + head.bias
    expected = torch.logsumexp(torch.cat([logits[0, :10], logits[0, 30:31]]), 0) - logits[0, 30]
    torch.testing.assert_close(drawn[0], expected)


@pytest.mark.parametrize("wanted", ["all", "corpus"])
def test_new_pieces_are_predicted_from_their_own_rows(wanted):
    head, states = head_of(), states_of(5)
    first, new = 50, NewPieces(50, torch.randn(4, WIDTH).requires_grad_(), torch.randn(4).requires_grad_())
    labels = torch.tensor([3, 50, 53, 9, 51])
    counts = torch.ones(first) if wanted == "all" else torch.cat([torch.ones(10), torch.zeros(first - 10)])
    loss = CandidateLoss(head, choose_candidates(counts, first, wanted, 40), CPU)
    value = loss(states, labels, loss.draw() if wanted == "all" else loss._others, new)
    rows, bias = torch.cat([head.matrix[:first], new.embeddings]), torch.cat([head.bias[:first], new.bias])
    expected = cross_entropy(states @ rows.T + bias, labels)
    if wanted == "corpus":
        loss._corrections.zero_()
        value = loss(states, labels, loss._others, new)
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


def test_of_a_large_text_the_frequent_pieces_are_always_looked_at(monkeypatch):
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
