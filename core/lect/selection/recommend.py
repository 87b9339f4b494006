"""Which backbone for a language: what its tokenizer makes of the user's own text, and what it costs to run.

Measured, for models that are on this machine: the share of tokens that are unknown, and tokens per word, on the text.
Models whose tokenizer is the same cut it the same way. Estimated, from sizes: memory and work. Of models that are not
on this machine and share no tokenizer with one that is, it is said that nothing was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lect.errors import BackboneError, PluginError, UserError
from lect.languages.tags import normalise
from lect.selection.known import KNOWN, KnownModel
from lect.specs import BackboneSpec

if TYPE_CHECKING:
    from lect.host import Host
    from lect.literals import Progress

Task = Literal["classification", "retrieval", "tagging", "qa"]
_ROWS, _LENGTH = 16, 128
_UNKNOWN_MOST = 0.02
"""A share of unknown tokens above which a tokenizer does not know a language."""

_TOKENS_MOST = 5.0
"""Tokens a word above which hardly any token is more than a letter."""


@dataclass(frozen=True)
class Cut:
    """What a tokenizer makes of a text.

    Args:
        unknown: the share of tokens that are unknown.
        per_word: tokens a word, a word being what stands between spaces.
        by: the model whose tokenizer was used.
    """

    unknown: float
    per_word: float
    by: str


@dataclass(frozen=True)
class Recommendation:
    """A backbone, and what speaks for and against it.

    Args:
        parameters, embedding: in all, and in the embedding of tokens.
        covered: whether its authors name the language; None where that is not known.
        cut: None where it could not be measured here.
        memory: bytes to train a small part of it, estimated.
        work: floating-point operations a word of the text, estimated; None without `cut`.
        against: reasons to choose another.
    """

    name: str
    licence: str
    parameters: int
    embedding: int
    covered: bool | None
    cut: Cut | None
    memory: int
    work: float | None
    here: bool
    against: tuple[str, ...] = ()


def recommend(
    texts: Sequence[str],
    host: Host,
    *,
    language: str | None = None,
    task: Task = "classification",
    memory: int | None = None,
    also: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[tuple[Recommendation, ...], tuple[str, ...]]:
    """Backbones, the most fitting first, and a line for each that could not be looked at.

    In this order: by how much speaks against them; measured before not measured; by tokens a word; by parameters.

    Args:
        texts: in the language, not empty.
        language: its tag, for what models were trained on.
        memory: bytes that there are.
        also: further backbones on this machine: folders, or ids in the hub's cache.
    """
    from lect.host.backbones import load_backbone

    cuts: dict[str, Cut] = {}
    found: list[Recommendation] = []
    passed: list[str] = []
    tag = normalise(language) if language else None
    for name in (*host.specs(BackboneSpec), *also):
        try:
            backbone = load_backbone(name, host=host, progress=progress)
        except (BackboneError, PluginError) as error:
            if name in also:
                raise
            passed.append(f"{name}: {error}")
            continue
        except UserError as error:
            passed.append(f"{name}: {error}")
            continue
        cut = cut_of(backbone, texts)
        known = next((model for model in KNOWN if name in (model.local, model.id)), None)
        if known is not None:
            cuts.setdefault(known.tokens, cut)
        found.append(_measured(name, backbone, cut, known, tag))
    names = {each.name for each in found}
    for model in KNOWN:
        if model.local not in names and model.id not in names:
            found.append(_stated(model, cuts.get(model.tokens), tag))
    judged = [_judged(each, task, memory) for each in found]
    return tuple(sorted(judged, key=_order)), tuple(passed)


def cut_of(backbone: Any, texts: Sequence[str]) -> Cut:
    """What a backbone's tokenizer makes of texts. A token of several unknown characters counts as one."""
    unknown = tokens = 0
    for encoding in backbone.tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False):
        tokens += len(encoding.ids)
        unknown += encoding.ids.count(backbone.tokenizer.unk_token_id)
    words = sum(len(text.split()) for text in texts)
    return Cut(unknown / max(1, tokens), tokens / max(1, words), backbone.name)


def training_memory(parameters: int, layers: int, hidden: int) -> int:
    """Bytes to train a small part of a frozen model in float32 on 16 rows of 128 tokens.

    The weights, and the activations of every layer (Korthikanti et al. 2022, equation 2, in twice the 16 bits that
    they count in, with heads of 64).
    """
    heads = max(1, hidden // 64)
    activations = 2 * layers * (34 * _LENGTH * _ROWS * hidden + 5 * heads * _LENGTH**2 * _ROWS)
    return 4 * parameters + activations


def _measured(name: str, backbone: Any, cut: Cut, known: KnownModel | None, tag: str | None) -> Recommendation:
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    embedding = int(backbone.module(backbone.anatomy.word_embedding).weight.numel())
    return Recommendation(
        name,
        backbone.licence or (known.licence if known else ""),
        parameters,
        embedding,
        _covers(known, tag),
        cut,
        training_memory(parameters, len(backbone.anatomy.layers), backbone.hidden_size),
        2 * (parameters - embedding) * cut.per_word,
        True,
        () if backbone.kind == "encoder" else (f"reads as a {backbone.kind}",),
    )


def _stated(model: KnownModel, cut: Cut | None, tag: str | None) -> Recommendation:
    parameters, embedding = round(model.parameters * 1e6), round(model.embedding * 1e6)
    return Recommendation(
        model.id,
        model.licence,
        parameters,
        embedding,
        _covers(model, tag),
        cut,
        training_memory(parameters, model.layers, model.hidden),
        2 * (parameters - embedding) * cut.per_word if cut else None,
        False,
    )


def _covers(model: KnownModel | None, tag: str | None) -> bool | None:
    if model is None or tag is None or not model.languages:
        return None
    return tag.partition("-")[0] in model.languages.split()


def _judged(each: Recommendation, task: Task, memory: int | None) -> Recommendation:
    against = list(each.against)
    if memory is not None and each.memory > memory:
        against.append("needs more memory than there is")
    if each.cut is not None and each.cut.unknown > _UNKNOWN_MOST:
        against.append("does not know the script or its letters: it needs new tokens (method vocabulary)")
    if each.cut is not None and each.cut.per_word > _TOKENS_MOST:
        against.append("takes words to their letters or bytes")
    if each.covered is False:
        against.append("was not trained on the language")
    use = next((model.use for model in KNOWN if each.name in (model.local, model.id)), None)
    if task == "retrieval" and use == "encoder":
        against.append("gives no sentence vectors without training")
    if each.cut is None:
        against.append("not measured offline")
    return replace(each, against=tuple(against))


def _order(each: Recommendation) -> tuple[Any, ...]:
    per_word = each.cut.per_word if each.cut else float("inf")
    return len(each.against), each.cut is None, per_word, each.parameters, each.name


def bytes_of(amount: str) -> int:
    """A number of bytes as people write it: ``4GB``, ``800 MB``. Raises `UserError` for anything else."""
    import re

    units: Mapping[str, int] = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "GIB": 2**30, "MIB": 2**20}
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?B)\s*", amount.upper())
    if found is None or found[2] not in units:
        raise UserError(f'"{amount}" is no amount of memory', where="--memory", fix="write it as 4GB, say")
    return int(float(found[1]) * units[found[2]])


def sample_of(files: Sequence[Path], most: int = 2000) -> tuple[str, ...]:
    """The first lines of text files, at most so many. Raises `DataError` for a file that is no text, or is empty."""
    from itertools import islice

    from lect.errors import DataError
    from lect.selection.trim import read_lines

    texts = tuple(islice(read_lines(files), most))
    if not texts:
        raise DataError("there is no text in it", where=", ".join(map(str, files)), fix="name a file with text")
    return texts
