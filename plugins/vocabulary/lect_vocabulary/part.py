"""A table of new embeddings beside the frozen one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from lect.composition.part import Inner, NewPieces, Part, SiteContext
from lect.errors import ComponentError, DataError
from lect_vocabulary.pieces import learn_pieces, size_of, splice

if TYPE_CHECKING:
    from lect import Backbone, BuildContext, Example
    from lect_vocabulary.plugin import VocabularyConfig


class VocabularyPart(Part):
    """The embeddings of ids from `first` on; every id below is the backbone's own.

    The frozen matrix is neither copied nor resized: training touches the new rows only, which is many times faster
    than masking the gradients of the whole matrix.
    """

    def __init__(self, backbone: Backbone, tokenizer_json: str, first: int) -> None:
        super().__init__()
        self.tokenizer_json = tokenizer_json
        self._site = backbone.anatomy.word_embedding
        self._first, self._unknown = first, backbone.tokenizer.unk_token_id
        self._scale = backbone.anatomy.scale
        self.embeddings = nn.Embedding(size_of(tokenizer_json) - first, backbone.module(self._site).weight.shape[1])
        self.bias = nn.Parameter(torch.zeros(len(self.embeddings.weight)))

    def sites(self) -> Iterable[str]:
        """The word embedding."""
        return (self._site,)

    def reads_input(self, site: str) -> bool:
        """The frozen matrix has no rows for the new ids."""
        return True

    def at(self, site: str, inner: Inner, inputs: Tensor, context: SiteContext) -> Tensor:
        """The rows' embeddings, each id from the table that knows it."""
        new = inputs >= self._first
        old = inner(inputs.masked_fill(new, self._unknown))
        added = self.embeddings((inputs - self._first).clamp_min(0)).to(old.dtype) * self._scale
        return torch.where(new.unsqueeze(-1), added, old)

    def new_pieces(self) -> NewPieces:
        """The new rows, for objectives that predict pieces."""
        return NewPieces(self._first, self.embeddings.weight, self.bias)

    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The new rows behind those that the backbone's tokenizer uses."""
        weight = parameters["weight"]
        return {"weight": torch.cat([weight[: self._first], self.embeddings.weight.to(weight.dtype)])}


def build_vocabulary(config: VocabularyConfig, context: BuildContext) -> VocabularyPart:
    """New pieces from a corpus, or the ones that a saved component brings.

    Raises:
        DataError: the corpus holds no piece that is new.
        ComponentError: a saved component lacks its tokenizer.
    """
    backbone_json = context.backbone.tokenizer.backend_tokenizer.to_str()
    first = size_of(backbone_json)
    if context.corpus is None:
        if context.tokenizer_json is None:
            raise ComponentError("it has new pieces but no tokenizer.json", fix="fetch or train it again")
        return VocabularyPart(context.backbone, context.tokenizer_json, first)
    examples = context.corpus.examples
    pieces = learn_pieces(backbone_json, [example.text for example in examples], config.pieces, config.longest_piece)
    if not pieces:
        raise DataError(
            "the training text has no piece that the backbone's tokenizer lacks",
            fix='leave out the part with method = "vocabulary"',
        )
    part = VocabularyPart(context.backbone, splice(backbone_json, pieces), first)
    if config.initialise == "translations":
        initialise_from_translations(part, context.backbone, examples)
    else:
        nn.init.normal_(part.embeddings.weight, std=float(_matrix(context.backbone).std()))
    return part


@torch.no_grad()
def initialise_from_translations(part: VocabularyPart, backbone: Backbone, examples: Sequence[Example]) -> None:
    """Set each new embedding to the mean of the frozen embeddings of what its texts translate into.

    A piece that occurs in no translated text gets the mean of the others.

    Raises:
        DataError: no example has a translation.
    """
    pairs = [(example.text, example.translation) for example in examples if example.translation]
    if not pairs:
        raise DataError(
            "no training row has a translation to take new embeddings from",
            fix='name the column with translation = "…", or set initialise = "random"',
        )
    matrix = _matrix(backbone)
    own, base = Tokenizer.from_str(part.tokenizer_json), backbone.tokenizer.backend_tokenizer
    texts = own.encode_batch([text for text, _ in pairs], add_special_tokens=False)
    translations = base.encode_batch([translation for _, translation in pairs], add_special_tokens=False)
    total = torch.zeros_like(part.embeddings.weight)
    count = torch.zeros(len(total), 1)
    for text, translation in zip(texts, translations, strict=True):
        new = torch.tensor([piece - part._first for piece in text.ids if piece >= part._first], dtype=torch.long)
        if len(new) and translation.ids:
            mean = matrix[torch.tensor(translation.ids)].mean(0)
            total.index_add_(0, new, mean.expand(len(new), -1))
            count.index_add_(0, new, torch.ones(len(new), 1))
    known = count.squeeze(1) > 0
    embeddings = total / count.clamp_min(1)
    embeddings[~known] = embeddings[known].mean(0) if known.any() else matrix.mean(0)
    part.embeddings.weight.copy_(embeddings)


def _matrix(backbone: Backbone) -> Tensor:
    matrix: Tensor = backbone.module(backbone.anatomy.word_embedding).weight
    return matrix.detach()
