"""`Head`, the base class of task heads, and the records that heads take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from lect.data.examples import Example
from lect.errors import DataError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prediction:
    """A head's prediction for one example.

    Args:
        value: as the head's metrics take it: a label, a number, a tag for each word.
        score: its probability; None where the head has none.
        scores: the probability of every alternative, where they can be listed.
        shown: the prediction as people read it; empty where that is the value itself.
        record: what programs get besides, by field: values that JSON can hold.
    """

    value: Any
    score: float | None
    scores: Mapping[str, float] = field(default_factory=dict)
    shown: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The prediction as people read it; of a classification it is the label."""
        return str(self)

    @property
    def probabilities(self) -> Mapping[str, float]:
        """The probability of every alternative, where they can be listed."""
        return self.scores

    def __str__(self) -> str:
        return self.shown or str(self.value)


@dataclass(frozen=True)
class Window:
    """A stretch of a text, or of the second text of a pair, as one row.

    Args:
        ids: the tokens, special ones included.
        type_ids: which text each token is of, for backbones that tell two texts apart.
        texts: which text each token is of, 0 or 1; None for special tokens and those of the backbone's prefix.
        offsets: where each token stands in its text: its first character, and the one behind its last; (0, 0) where
            `texts` is None.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    texts: tuple[int | None, ...]
    offsets: tuple[tuple[int, int], ...]
    overflowing: tuple[()] = ()

    def tokens_of_text(self, text: int) -> list[tuple[int, int, int]]:
        """The tokens of one text: their place in the row, their first character and the one behind their last."""
        return [(place, *self.offsets[place]) for place, whose in enumerate(self.texts) if whose == text]


class RowTokenizer(Protocol):
    """The tokenizer of one stack, by which a head lays its examples out in rows."""

    def whole(self, texts: Sequence[str], pairs: Sequence[str | None] | None = None) -> list[Any]:
        """One row a text, or a pair where it has a second one; what is too long is cut.

        A row does not depend on whether others have a second text.
        """
        ...

    def windows(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, overlap: int = 0
    ) -> list[tuple[Window, ...]]:
        """Each text as one or several rows, so that nothing of it is lost; of pairs the second text is cut.

        Args:
            overlap: how many tokens two neighbouring rows share; fewer where rows are too short for it.
        """
        ...


@dataclass(frozen=True)
class Layout:
    """How examples lie in the rows of a batch.

    Args:
        rows: each row's tokens, as `RowTokenizer` gives them; those of one example side by side.
        counts: how many rows each example has, at least one.
    """

    rows: tuple[Any, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Layout:
        """The layout of the rows that each example has."""
        return cls(tuple(row for own in rows for row in own), tuple(map(len, rows)))

    def chosen(self, examples: Sequence[int]) -> Layout:
        """The layout of some of the examples, in this order."""
        spans = self.spans
        return Layout.of([[self.rows[row] for row in spans[index]] for index in examples])

    @property
    def spans(self) -> list[range]:
        """For each example, its rows."""
        ends = list(accumulate(self.counts, initial=0))
        return [range(start, end) for start, end in pairwise(ends)]

    @property
    def lengths(self) -> list[int]:
        """For each example, the tokens of all its rows."""
        return [sum(len(self.rows[row].ids) for row in rows) for rows in self.spans]


class Targets(Protocol):
    """What logits are compared with: a tensor, or several that move to a device together."""

    def to(self, device: torch.device) -> Any:
        """The same on a device."""
        ...


class Head(nn.Module):
    """Turns hidden states into predictions; its parameters and buffers are saved.

    Examples become rows (`layout`), rows hidden states, hidden states logits (`forward`), and the logits of an
    example's rows its prediction (`decode`) or a loss against its targets. Every row's logits depend on that row alone.

    `labels` is fixed when the head is built. `windowed` says that long texts are spread over rows instead of cut.
    `embeds` says that `forward` gives each row a vector, by whose cosines texts are compared: search, mining and
    evaluation then take these vectors and not the backbone's own.
    """

    labels: tuple[str, ...] = ()
    windowed: bool = False
    embeds: bool = False

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        """The rows of each example: by default one, of the text and its second one where it has one."""
        rows = tokenizer.whole([example.text for example in examples], [example.text_pair for example in examples])
        return Layout.of([[row] for row in rows])

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """What `loss` and `decode` take, such as the logits of each row.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``.
            attention_mask: *Shape:* ``(rows, length)``; 1 where there is a token, 0 where there is padding.

        Returns:
            *Shape:* ``(rows, …)``.
        """
        raise NotImplementedError

    def references(self, examples: Sequence[Example]) -> list[Any]:
        """The reference for each example, as the metrics take it: by default its label. Raises `DataError`."""
        for example in examples:
            if example.label is None:
                raise DataError("the row has no label", where=example.origin, fix='name its column with label = "…"')
        return [example.label for example in examples]

    def prepare(self, examples: Sequence[Example]) -> None:
        """Look at the training rows before the first step, for what the loss takes from them, such as class weights.

        By default nothing is taken. What is found is no part of what is saved. Raises `DataError`.
        """

    def targets(self, examples: Sequence[Example], layout: Layout) -> Any:
        """What the logits of these examples should say, in the form that `loss` takes (`Targets`).

        Raises:
            DataError: an example lacks what is needed, or has what the head does not know.
        """
        raise NotImplementedError

    def share(self, examples: Sequence[Example], indices: Sequence[int], tokenizer: RowTokenizer) -> tuple[Layout, Any]:
        """The rows, and the targets, of those examples of a batch that one of several processes has.

        By default those of these examples alone. A head whose loss compares examples with each other lays out all that
        they are compared with, so that the processes' losses together are that of the whole batch.

        Args:
            examples: the whole batch.
            indices: which of them are this process's.
        """
        chosen = [examples[index] for index in indices]
        layout = self.layout(chosen, tokenizer)
        return layout, self.targets(chosen, layout)

    def loss(self, logits: Tensor, targets: Any) -> Tensor:
        """The scalar to minimise, the mean over rows (or words, or examples: whatever is predicted)."""
        raise NotImplementedError

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        """A prediction for each example.

        Args:
            logits: what `forward` gave for the layout's rows. *Shape:* ``(rows, …)``.
        """
        raise NotImplementedError

    def compared(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> list[Prediction]:
        """The predictions of a whole data set as its metrics take them: by default as they are.

        A head whose predictions are ranks computes them here, from the examples of all batches.
        """
        return list(predictions)


@dataclass(frozen=True)
class GenerationRequest:
    """What a backbone is to generate, and from which text.

    Args:
        text: what is read; too long ones are cut.
        before: what is put in front of it.
        after: what is put behind it.
        source_code: the token that stands for the text's language, where the backbone has such tokens.
        target_code: the token that stands for the language to generate, where the backbone has such tokens.
    """

    text: str
    before: str = ""
    after: str = ""
    source_code: str | None = None
    target_code: str | None = None


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Args:
        longest: the most tokens to generate.
        beams: how many hypotheses are kept (beam search); 1 is greedy decoding.
        length_penalty: of beams: their logarithmic probability is divided by their length to this power.
        one_line: whether a decoder's text ends at the end of its first line.
    """

    longest: int = 128
    beams: int = 1
    length_penalty: float = 1.0
    one_line: bool = True


class GenerationHead(Head):
    """A head whose predictions are texts that the backbone generates: it makes the requests, and has no parameters.

    The tokens are predicted by the backbone's own table of tokens, through the parts of the row's stack. So the same
    head answers over the bare backbone, too.

    Attributes:
        decoding: how tokens are chosen.
    """

    decoding: Decoding = Decoding()

    def request(self, example: Example) -> GenerationRequest:
        """What is to be generated for an example."""
        raise NotImplementedError

    def target(self, example: Example) -> str:
        """The reference text. Raises `DataError` where the example does not say."""
        raise NotImplementedError

    def prediction(self, example: Example, text: str) -> Prediction:
        """What a generated text predicts: by default the text itself."""
        return Prediction(text, None)

    def references(self, examples: Sequence[Example]) -> list[Any]:
        return [self.target(example) for example in examples]
