"""Words pulled to the words that translate them: alignment below the sentence.

A word's state is the mean of its tokens' last hidden states. Which word translates which is read off the states that
the model has at the time: two words are taken for partners where each is the nearest to the other by cosine (Argmax of
Jalili Sabet et al. 2020, section 2.2), or where a dictionary says so. The loss is the mean squared error between a
word's state and the frozen state of its partner (words in context are aligned so by Cao et al. 2020, section 3).

For a language that the backbone does not know the states at the start say nothing. So partners are looked for only in
rows whose sentence is nearer to its own translation than to the others of the batch: few at first, nearly all later.
That takes no count of steps, and a run that goes on from a checkpoint is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lect.builtins.dictionaries import DictionaryConfig, read_dictionary
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.data.dictionary import Dictionary, fold_words, word_places
from lect.data.examples import Example
from lect.errors import RecipeError
from lect.objectives import ObjectiveContext


@dataclass(frozen=True)
class WordsOfRows:
    """Both sides of a batch.

    Args:
        own: *Shape:* ``(rows, words, length)``; how a word's state is the mean of its tokens' states. All zero for what
            pads the rows, and for words of which no token is left.
        frozen: the same of the translations.
        translations: the translations, as the target stack takes them.
        linked: *Shape:* ``(rows, words)``; the partner that the dictionary gives each word, -1 where it gives none.
    """

    own: Tensor
    frozen: Tensor
    translations: EncodedRows
    linked: Tensor


class WordAlignment:
    """Makes the words of batches, and the loss over them.

    Raises:
        UserError: the dictionary cannot be read, or has no entry of single words.
    """

    def __init__(self, dictionary: DictionaryConfig | None, context: ObjectiveContext) -> None:
        self._context = context
        self._prefix = len(context.model.backbone.prefix)
        self._links: Mapping[str, tuple[str, ...]] = {}
        if dictionary is not None:
            self._links = _single_words(Dictionary.of(read_dictionary(dictionary, context.folder)))
            if not self._links:
                raise RecipeError(
                    "the dictionary has no entry of one word with one word for a translation",
                    where=f"objective.dictionary, {dictionary.path}",
                    fix="name another, or leave it out",
                )

    def words(self, examples: Sequence[Example], length: int, device: torch.device) -> WordsOfRows:
        """The words of a batch.

        Args:
            length: of the batch's rows.
        """
        encoder, target = self._context.encoder, self._context.target
        texts = [example.text for example in examples]
        others = [example.translation or "" for example in examples]
        encodings = encoder.tokenize(others, target)
        rows = encoder.assemble(encodings, Routes.uniform(target, len(others)))
        own = self._means(texts, encoder.tokenize(texts, self._context.stack), length)
        frozen = self._means(others, encodings, rows.length)
        linked = torch.full(own.shape[:2], -1)
        for row, (text, other) in enumerate(zip(texts, others, strict=True)):
            for word, partner in self._linked(text, other):
                linked[row, word] = partner
        return WordsOfRows(own.to(device), frozen.to(device), rows.to(device), linked.to(device))

    def loss(
        self, model: RoutedModel, hidden_states: Tensor, words: WordsOfRows, found: Tensor
    ) -> tuple[Tensor, float]:
        """The loss, and the share of words that have a partner.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``; of the texts.
            found: *Shape:* ``(rows,)``; the rows in which partners are looked for by their states.
        """
        own = words.own @ hidden_states.float()
        frozen = words.frozen @ _without_gradient(model, words.translations).float()
        partners = mutual_argmax(own.detach(), frozen, words.own.any(-1), words.frozen.any(-1))
        partners = torch.where(found[:, None], partners, -1)
        partners = torch.where(words.linked >= 0, words.linked, partners)
        has_partner = (partners >= 0) & words.own.any(-1)
        # A linked word may have been cut off.
        index = partners.clamp_min(0)
        has_partner &= words.frozen.any(-1).gather(1, index)
        share = float(has_partner.sum() / words.own.any(-1).sum().clamp_min(1))
        if not has_partner.any():
            return hidden_states.sum() * 0.0, share
        wanted = frozen.gather(1, index[..., None].expand(-1, -1, frozen.shape[-1]))
        return (own - wanted).pow(2).mean(-1)[has_partner].mean(), share

    def _means(self, texts: Sequence[str], encodings: Sequence[Any], length: int) -> Tensor:
        """How words' states are means of tokens' states, *Shape:* ``(rows, words, length)``."""
        places = [word_places(text) for text in texts]
        means = torch.zeros(len(texts), max(1, *map(len, places)), length)
        for row, (words, encoding) in enumerate(zip(places, encodings, strict=True)):
            offsets = [(start - self._prefix, end - self._prefix) for start, end in encoding.offsets]
            special = encoding.special_tokens_mask
            first = 0
            for word, (start, end) in enumerate(words):
                # Tokens are in the text's order.
                while first < len(offsets) and (special[first] or offsets[first][1] <= start):
                    first += 1
                last = first
                while last < len(offsets) and not special[last] and offsets[last][0] < end:
                    last += 1
                if last > first:
                    means[row, word, first:last] = 1 / (last - first)
        return means

    def _linked(self, text: str, translation: str) -> list[tuple[int, int]]:
        """The words and their partners by the dictionary, each partner once."""
        if not self._links:
            return []
        others = [fold_words(translation[start:end]) for start, end in word_places(translation)]
        free = set(range(len(others)))
        links = []
        for word, (start, end) in enumerate(word_places(text)):
            wanted = self._links.get(fold_words(text[start:end]), ())
            partner = next((index for index in sorted(free) if others[index] in wanted), None)
            if partner is not None:
                free.discard(partner)
                links.append((word, partner))
        return links


def mutual_argmax(own: Tensor, other: Tensor, is_own: Tensor, is_other: Tensor) -> Tensor:
    """The partner of each word: the nearest one by cosine, where each is the other's nearest; -1 for none.

    Args:
        own, other: *Shape:* ``(rows, words, hidden)``, ``(rows, other words, hidden)``.
        is_own, is_other: *Shape:* ``(rows, words)``, ``(rows, other words)``; False for what is no word.

    Returns:
        *Shape:* ``(rows, words)``.
    """
    cosines = normalize(own, dim=-1) @ normalize(other, dim=-1).transpose(1, 2)
    cosines = cosines.masked_fill(~(is_own[:, :, None] & is_other[:, None, :]), -torch.inf)
    nearest, back = cosines.argmax(2), cosines.argmax(1)
    places = torch.arange(own.shape[1], device=own.device)
    is_mutual = (back.gather(1, nearest) == places) & is_own & is_other.any(1, keepdim=True)
    return torch.where(is_mutual, nearest, -1)


@torch.no_grad()
def _without_gradient(model: RoutedModel, rows: EncodedRows) -> Tensor:
    """The hidden states of rows through frozen components, free of their dropout."""
    training, reads = model.training, model.encoder.training
    model.eval()
    hidden: Tensor = model(rows)
    model.train(training)
    model.encoder.train(reads)
    return hidden


def _single_words(dictionary: Dictionary) -> dict[str, tuple[str, ...]]:
    """The entries of one word, with those of their translations that are one word, folded."""
    found = {}
    for entry, translations in dictionary.translations.items():
        single = tuple(fold_words(one) for one in translations if len(word_places(one)) == 1)
        if " " not in entry and single:
            found[entry] = single
    return found
