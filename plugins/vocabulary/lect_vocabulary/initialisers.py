"""The initialisers that this plugin registers, and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from lect import Config, InitialiserSpec

if TYPE_CHECKING:
    from torch import Tensor

    from lect import NewEmbeddings


class NoSettings(Config):
    """No settings."""


class FactorisedConfig(Config):
    """How narrow the factor is."""

    dimensions: int = Field(100, gt=0, le=4096, description="width of the factor that new rows are drawn in")


class FocusConfig(Config):
    """The auxiliary space."""

    dimensions: int = Field(100, gt=1, le=2000, description="width of the auxiliary space")
    window: int = Field(5, gt=0, le=100, description="how many pieces to each side are a piece's company")
    minimum_count: int = Field(2, gt=0, description="how often a piece of the backbone's occurs to be drawn from")
    parallel: bool = Field(
        True, description="translations come into the space as well, by the pairs that a piece occurs in"
    )


class DictionaryConfig(Config):
    """The dictionary, and how near words are weighted."""

    path: str | None = Field(
        None, min_length=1, description="a table word<TAB>translation; found in the pairs of sentences where absent"
    )
    dimensions: int = Field(100, gt=1, le=2000, description="width of the space that both languages are put into")
    window: int = Field(5, gt=0, le=100, description="how many words to each side are a word's company")
    neighbours: int = Field(10, gt=0, le=1000, description="how many of the backbone's pieces one new piece is made of")
    temperature: float = Field(0.1, gt=0, description="how evenly they are weighted")


def _random(_config: NoSettings, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.starts import random_rows

    return random_rows(new)


def _mean(_config: NoSettings, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.starts import mean_of_old_pieces

    return mean_of_old_pieces(new)


def _overlap(_config: NoSettings, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.starts import lexical_overlap

    return lexical_overlap(new)


def _translations(_config: NoSettings, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.starts import mean_of_translations

    return mean_of_translations(new)


def _factorised(config: FactorisedConfig, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.starts import factorised

    return factorised(new, config.dimensions)


def _focus(config: FocusConfig, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.transfer import focus

    return focus(config, new)


def _dictionary(config: DictionaryConfig, new: NewEmbeddings) -> Tensor:
    from lect_vocabulary.transfer import through_dictionary

    return through_dictionary(config, new)


def _spec(name: str, summary: str, config: type[Config], initialise: Any, source: str) -> InitialiserSpec:
    return InitialiserSpec(name, summary, config, initialise, source)


INITIALISERS: tuple[InitialiserSpec, ...] = (
    _spec(
        "translations",
        "the mean embedding of the translations of the texts a piece occurs in",
        NoSettings,
        _translations,
        "measured in this project",
    ),
    _spec(
        "mean",
        "the mean of the pieces that the backbone cut it into",
        NoSettings,
        _mean,
        "Gee et al. 2022, Fast Vocabulary Transfer, section 3",
    ),
    _spec(
        "overlap",
        "the piece that is written alike but for marks and capitals",
        NoSettings,
        _overlap,
        "Pfeiffer et al. 2021, UNKs Everywhere, section 3.2",
    ),
    _spec(
        "focus",
        "pieces that keep like company, by sparsemax",
        FocusConfig,
        _focus,
        "Dobler and de Melo 2023, FOCUS, section 2",
    ),
    _spec(
        "dictionary",
        "pieces near to a word's translations, by a dictionary",
        DictionaryConfig,
        _dictionary,
        "Minixhofer et al. 2022, WECHSEL, section 3",
    ),
    _spec(
        "factorised",
        "drawn inside the backbone's main directions, alike pieces taken over",
        FactorisedConfig,
        _factorised,
        "Pfeiffer et al. 2021, UNKs Everywhere, section 3.1",
    ),
    _spec("random", "drawn with the spread of the backbone's embeddings", NoSettings, _random, ""),
)
