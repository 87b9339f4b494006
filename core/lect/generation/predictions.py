"""What a stack's head answers where its answers are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lect.composition.batching import batches_by_length
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.examples import Example
from lect.errors import RecipeError, StackError
from lect.generation.logits import generation_head
from lect.generation.rows import Phrasing, Source, room_of
from lect.heads import GenerationHead, Head, Prediction

TOKENS_AT_ONCE = 8192
"""The most tokens, of all beams of a batch, whose keys and values are held."""


def generate_predictions(
    encoder: RowEncoder,
    stacks: Sequence[tuple[str, ...]],
    head: GenerationHead,
    examples: Sequence[Example],
) -> list[Prediction]:
    """The head's answer for each example, in their order.

    Args:
        stacks: each example's stack; they may differ from row to row.

    Raises:
        RecipeError: the head's settings do not fit the backbone.
        StackError: a stack brings tokens that the backbone cannot write.
    """
    # What searches is half of transformers, and of no use to whoever does not write.
    from lect.generation.search import Search, search_rows

    model = encoder.model
    check_generates(model, stacks)
    decoding, phrasings = head.decoding, dict[tuple[str, ...], Phrasing]()
    for stack in dict.fromkeys(stacks):
        phrasings[stack] = Phrasing(encoder, stack, decoding)
    sources = [phrasings[stack].source(head.request(each)) for stack, each in zip(stacks, examples, strict=True)]
    tokens = generation_head(model.backbone)
    training = model.training
    model.eval()
    found: list[Prediction | None] = [None] * len(examples)
    try:
        for rows in _batches(sources, decoding.beams, max((one.longest for one in phrasings.values()), default=0)):
            own = [stacks[row] for row in rows]
            ends = tuple(dict.fromkeys(end for stack in dict.fromkeys(own) for end in phrasings[stack].ends))
            search = Search(decoding, ends, min(phrasings[stack].longest for stack in own))
            written = search_rows(model, tokens, [sources[row] for row in rows], Routes.of(own), search)
            for row, ids in zip(rows, written, strict=True):
                found[row] = head.prediction(examples[row], phrasings[stacks[row]].text(ids))
    finally:
        model.train(training)
    return [prediction for prediction in found if prediction is not None]


def truncated_texts(
    encoder: RowEncoder, stack: tuple[str, ...], head: GenerationHead, examples: Sequence[Example]
) -> tuple[str, ...]:
    """Where the texts stand that are too long to be read whole, beside the words around them and the answer."""
    phrasing = Phrasing(encoder, stack, head.decoding)
    return tuple(each.origin for each in examples if phrasing.source(head.request(each)).truncated)


def text_limit(encoder: RowEncoder, head: Head | None) -> int:
    """The most tokens that are read of a text, with what stands around it."""
    if not isinstance(head, GenerationHead):
        return encoder.max_length
    return room_of(encoder, head.decoding)[1]


def check_generates(model: RoutedModel, stacks: Sequence[tuple[str, ...]]) -> None:
    """Refuse what cannot be written.

    Raises:
        RecipeError: the backbone reads only.
        StackError: a stack has tokens that the backbone's second half does not know.
    """
    backbone = model.backbone
    if not backbone.generates:
        raise RecipeError(
            f'"{backbone.name}" reads texts and cannot write any',
            where="backbone.name",
            fix='use a decoder, such as "smollm2-135m", or an encoder-decoder, such as "google/mt5-small"',
        )
    if backbone.decoder is None:
        return
    for key in dict.fromkeys(key for stack in stacks for key in stack):
        if model.components[key].tokenizer_json:
            raise StackError(
                f'"{key}" brings tokens of its own, which the half of "{backbone.name}" that writes does not know',
                fix="use a component without a vocabulary, or a decoder",
            )


def _batches(sources: Sequence[Source], beams: int, longest: int) -> Iterator[list[int]]:
    """Rows of like length, of those that begin with equally many forced tokens."""
    for begun in sorted({len(source.forced) for source in sources}):
        own = [row for row, source in enumerate(sources) if len(source.forced) == begun]
        lengths = [beams * (len(sources[row].ids) + longest) for row in own]
        for batch in batches_by_length(lengths, TOKENS_AT_ONCE):
            yield [own[place] for place in batch]
