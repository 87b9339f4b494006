"""A table of new embeddings beside the frozen one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from lect import (
    BaseLayer,
    ComponentError,
    DataError,
    NewEmbeddings,
    NewTokens,
    Part,
    PluginError,
    RecipeError,
    SiteContext,
    nearest,
)
from lect_vocabulary.initialisers import INITIALISERS
from lect_vocabulary.learn import learn_pieces
from lect_vocabulary.pieces import BaseTokenizer, LearnedPieces, extended_from, new_tokens, splice, surface

if TYPE_CHECKING:
    from lect import Backbone, BuildContext, Config, InitialiserSpec
    from lect_vocabulary.plugin import VocabularyConfig


class VocabularyPart(Part):
    """The embeddings of ids from `first` on; every id below is the backbone's own.

    The frozen matrix is neither copied nor resized: training touches the new rows only, which is many times faster
    than masking the gradients of the whole matrix.

    Args:
        base: the backbone's tokenizer.
        added: the new pieces, or a whole tokenizer that has them, as components of older versions and imported ones do.
    """

    optional_tensors = ("bias",)

    def __init__(self, backbone: Backbone, base: BaseTokenizer, added: LearnedPieces | str) -> None:
        super().__init__()
        self._base, self._added = base, added
        self._site = backbone.anatomy.word_embedding
        own = backbone.tokenizer.unk_token_id
        # What is looked up in the frozen table in place of a new id; nothing of it is seen.
        self._first, self._unknown = base.size, own if own is not None else 0
        self._scale = backbone.anatomy.scale
        count = len(added.pieces) if isinstance(added, LearnedPieces) else extended_from(base, added)
        self.embeddings = nn.Embedding(count, backbone.module(self._site).weight.shape[1])
        self.bias = nn.Parameter(torch.zeros(count))

    @cached_property
    def tokenizer_json(self) -> str:  # type: ignore[override]
        """The backbone's tokenizer with the new pieces."""
        return self._added if isinstance(self._added, str) else splice(self._base, self._added)

    @property
    def saved_tokenizer(self) -> str:
        """The new pieces alone: the backbone's own, maybe a quarter of a million, are known by its fingerprint."""
        return self._added if isinstance(self._added, str) else self._added.to_json()

    def sites(self) -> Iterable[str]:
        return (self._site,)

    def reads_input(self, site: str) -> bool:
        """The frozen matrix has no rows for the new ids."""
        return True

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """The rows' embeddings, each id from the table that knows it."""
        new = inputs >= self._first
        old = base_layer(inputs.masked_fill(new, self._unknown))
        added = self.embeddings((inputs - self._first).clamp_min(0)).to(old.dtype) * self._scale
        return torch.where(new.unsqueeze(-1), added, old)

    def new_tokens(self) -> NewTokens:
        """The new rows, for objectives that predict pieces."""
        return NewTokens(self._first, self.embeddings.weight, self.bias)

    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The new rows behind those that the backbone's tokenizer uses."""
        weight = parameters["weight"]
        return {"weight": torch.cat([weight[: self._first], self.embeddings.weight.to(weight.dtype)])}


def build_vocabulary(config: VocabularyConfig, context: BuildContext) -> VocabularyPart:
    """New pieces from a corpus, or the ones that a saved component brings.

    Raises:
        DataError: the corpus holds no piece that is new, or lacks what the initialiser needs.
        RecipeError: the initialiser is unknown, or its settings are wrong.
        ComponentError: a saved component lacks its tokenizer, or a list of pieces is for another backbone.
        BackboneError: the backbone's tokenizer cannot be extended.
    """
    base = BaseTokenizer(context.backbone.tokenizer.backend_tokenizer.to_str())
    if context.corpus is None:
        if context.tokenizer_json is None:
            raise ComponentError("it has new pieces but no tokenizer.json", fix="fetch or train it again")
        listed = new_tokens(context.tokenizer_json)
        return VocabularyPart(context.backbone, base, context.tokenizer_json if listed is None else listed)
    examples = context.corpus.examples
    own = {spec.name: spec for spec in INITIALISERS}
    spec, settings = initialiser_of(config.initialise, {**own, **context.initialisers})
    if config.file is None:
        texts = [example.text for example in examples]
        added = learn_pieces(base, texts, config.pieces, config.longest_piece, config.learner)
    else:
        added = read_pieces(context.folder / Path(config.file).expanduser(), base)
    if not added.pieces:
        raise DataError(
            "the training text has no piece that the backbone's tokenizer lacks",
            fix='leave out the part with method = "vocabulary"',
        )
    part = VocabularyPart(context.backbone, base, added)
    initialise(part, spec, settings, context)
    return part


def read_pieces(file: Path, base: BaseTokenizer) -> LearnedPieces:
    """The list of pieces that `lect vocabulary build` wrote.

    Raises:
        ComponentError: it is not there, broken, or for another backbone.
    """
    fix = "name a file that lect vocabulary build wrote"
    try:
        listed = new_tokens(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ComponentError(f"cannot be read ({error})", where=str(file), fix=fix) from None
    except ComponentError as error:
        raise ComponentError(error.what, where=str(file), fix=error.fix) from None
    if listed is None:
        raise ComponentError("is no list of new pieces", where=str(file), fix=fix)
    if listed.base != base.digest:
        raise ComponentError(
            "its pieces are for another tokenizer than this backbone's", where=str(file), fix="build it for this one"
        )
    return listed


def initialiser_of(
    chosen: str | Mapping[str, Any], known: Mapping[str, InitialiserSpec]
) -> tuple[InitialiserSpec, Config]:
    """The initialiser that a recipe names, and its settings.

    Raises:
        RecipeError: there is none of this name, or its settings are wrong.
    """
    table = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = str(table.pop("name", ""))
    if name not in known:
        raise RecipeError(f'there is no initialiser "{name}"', where="initialise", fix=nearest(name, known))
    spec = known[name]
    try:
        return spec, spec.config.model_validate(table)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(["initialise", *map(str, problem["loc"])])
        raise RecipeError(problem["msg"], where=field, fix=nearest(field, spec.config.model_fields)) from None


@torch.no_grad()
def initialise(part: VocabularyPart, spec: InitialiserSpec, settings: Config, context: BuildContext) -> None:
    """Give the new rows of a part what an initialiser makes for them.

    Raises:
        DataError: the examples lack what it needs.
        PluginError: what it gives is no embeddings for these pieces.
    """
    rows = spec.initialise(settings, waiting(part, context))
    expected = tuple(part.embeddings.weight.shape)
    if not isinstance(rows, Tensor) or tuple(rows.shape) != expected or not bool(rows.isfinite().all()):
        shape = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
        raise PluginError(f'initialiser "{spec.name}" gave {shape} where numbers of shape {expected} are due')
    part.embeddings.weight.copy_(rows)


def waiting(part: VocabularyPart, context: BuildContext) -> NewEmbeddings:
    """The new pieces of a part as initialisers take them."""
    from tokenizers import Tokenizer

    base, added = part._base, part._added
    assert isinstance(added, LearnedPieces)
    tokenizer = Tokenizer.from_str(part.tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return NewEmbeddings(
        backbone=context.backbone,
        tokens=added.pieces,
        first=base.size,
        tokenizer=tokenizer,
        base_ids=[base.tokenize(piece) for piece in added.pieces],
        texts=[surface(base, piece) for piece in added.pieces],
        examples=context.corpus.examples if context.corpus else (),
        folder=context.folder,
    )
