"""A head over tokens for a backbone whose checkpoint has none: trained once, kept in the cache, taken by every run."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lect.backbones import Backbone
from lect.cache import cache_folder, is_whole, make_once, mark_whole, read_marker
from lect.composition.batching import batches_by_length
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.files import folder_aside
from lect.language_model.candidates import CandidateLoss, choose_candidates
from lect.language_model.head import LanguageModelHead, Transform
from lect.language_model.masks import Masking
from lect.language_model.rows import Row, RowTokens, token_counts
from lect.language_model.stored_head import embedding_rows
from lect.literals import Progress

_TOKENS_PER_BATCH = 2048
_RATE = 2e-3
_WARMUP = 0.1
_FLOOR = -20.0
_AGAIN = 3


def trained_head(
    model: RoutedModel,
    cutter: RowTokens,
    texts: Callable[[], Sequence[Example]],
    *,
    source: str,
    steps: int,
    masking: Masking,
    progress: Progress,
) -> LanguageModelHead:
    """The backbone's head from the cache, trained first if it is not there. Processes wait for each other.

    Args:
        cutter: cuts texts for the bare backbone.
        texts: what to train on, asked for only if it is needed.
        source: says which text a head is for; heads of another text are not taken. "" for any.
    """
    backbone = model.backbone
    made_from = {"fingerprint": backbone.fingerprint, "source": source, "steps": steps, "masked": masking.share}
    if not source:
        # Whichever run came first has trained it, unless that was a shorter training.
        made_from = {"fingerprint": backbone.fingerprint, "source": ""}
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_folder() / "heads" / f"masked-lm-{name}"

    def make() -> None:
        rows = cutter.rows(texts())
        head = _train(model, cutter, rows, steps, masking, progress)
        with folder_aside(folder) as aside:
            save_file({**head.transform.state_dict(), "bias": head.bias.detach()}, aside / "weights.safetensors")
            mark_whole(aside, {**made_from, "backbone": backbone.identity, "trained": steps, "rows": len(rows)})

    def is_ready() -> bool:
        return is_whole(folder, made_from) and read_marker(folder).get("trained", 0) >= steps

    make_once(
        folder,
        is_ready,
        make,
        lambda: progress("another process trains the backbone's head over tokens", 0.0),
    )
    return read_head(folder, backbone)


def read_head(folder: Path, backbone: Backbone) -> LanguageModelHead:
    """A head that `trained_head` has kept."""
    tensors = load_file(folder / "weights.safetensors")
    matrix = embedding_rows(backbone)
    bias = tensors.pop("bias")
    # Without drawing what is overwritten at once.
    with torch.device("meta"):
        transform = Transform(backbone.hidden_size, matrix.shape[1])
    transform.load_state_dict(tensors, assign=True)
    return LanguageModelHead(transform.requires_grad_(False).to(matrix.device).eval(), matrix, bias.to(matrix.device))


def _train(
    model: RoutedModel, cutter: RowTokens, rows: Sequence[Row], steps: int, masking: Masking, progress: Progress
) -> LanguageModelHead:
    """A head on the frozen backbone's hidden states; leaves torch's random state as it was."""
    backbone = model.backbone
    matrix = embedding_rows(backbone)
    device = matrix.device
    counts = token_counts(rows, len(matrix))
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(0)
        transform = Transform(backbone.hidden_size, matrix.shape[1]).to(device)
        bias = torch.nn.Parameter(_prior(backbone, len(matrix)).to(device))
        head = LanguageModelHead(transform, matrix, bias)
        loss = CandidateLoss(head, choose_candidates(counts, len(matrix), "auto", 1024), device)
        optimiser = torch.optim.AdamW([*transform.parameters(), bias], lr=_RATE, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / (_WARMUP * steps + 1), (steps - step) / steps)
        )
        generator, seen = random.Random(0), list[tuple[Tensor, Tensor]]()
        was_training = model.training
        model.eval()
        for step, batch in enumerate(_batches(rows, steps)):
            progress("training a head over tokens for the backbone, once", step / steps)
            states, labels = _hidden(model, cutter, batch, masking, device)
            if not len(labels):
                continue
            # The frozen backbone costs nearly all of the time: what it has given is learned from several times.
            for old_states, old_labels in [(states, labels), *generator.choices(seen or [(states, labels)], k=_AGAIN)]:
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss(old_states.float(), old_labels, loss.draw()))
                torch.nn.utils.clip_grad_norm_(transform.parameters(), 1.0)
                optimiser.step()
            schedule.step()
            seen.append((states.half(), labels))
        model.train(was_training)
    return LanguageModelHead(transform.requires_grad_(False).eval(), matrix, bias.detach())


@torch.no_grad()
def _hidden(
    model: RoutedModel, cutter: RowTokens, batch: Sequence[Row], masking: Masking, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The bare backbone's states at hidden tokens, and these tokens."""
    encoded, plain = cutter.padded(batch)
    ids, chosen = masking.draw(encoded.input_ids, plain)
    moved = encoded.to(device)
    hidden = model(moved.with_ids(ids.to(device)))
    places = chosen.to(device)
    return hidden[places], moved.input_ids[places]


def _batches(rows: Sequence[Row], steps: int) -> list[list[Row]]:
    """Batches of rows of like length in random order, again and again."""
    generator = random.Random(0)
    batches: list[list[int]] = []
    while len(batches) < steps:
        epoch = batches_by_length([len(row.ids) for row in rows], _TOKENS_PER_BATCH)
        generator.shuffle(epoch)
        batches += epoch
    return [[rows[index] for index in batch] for batch in batches[:steps]]


def _prior(backbone: Backbone, size: int) -> Tensor:
    """How likely the backbone's tokenizer holds each token to be, as logarithms; nothing where it does not say."""
    prior = torch.zeros(size)
    state = json.loads(backbone.tokenizer.backend_tokenizer.to_str())["model"]
    if state.get("type") == "Unigram":
        scores = torch.tensor([max(float(score), _FLOOR) for _, score in state["vocab"]][:size])
        prior[: len(scores)] = scores
    return prior
