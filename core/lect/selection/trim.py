"""A backbone with only the tokens that some languages use: the same vectors from a much smaller embedding.

The rows of the embedding that are kept, and everything above it, stay bit for bit. A text that the parent cuts into
kept tokens is cut into the same ones, so that its hidden states are the parent's (Abdaoui et al. 2020, "Load What You
Need", without any loss on such texts):

- unigram tokenizers choose the likeliest of all ways to cut a text: where the parent's choice is still there, it is
  still the likeliest;
- byte pair encoding applies the lowest merge that there is: where every merge that the parent applied is still there,
  the same ones are applied, in the same order;
- WordPiece takes the longest token that fits: where that is still there, it is still the longest.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lect.backbones.backbone import Backbone
from lect.backbones.quiet import quiet_transformers
from lect.backbones.settings import FILE as SETTINGS
from lect.backbones.settings import FolderSettings, folder_settings_text
from lect.backbones.trimmed import KEPT, ParentEntry, TrimmedTable
from lect.backbones.vocabulary import Tokens, batches, count_tokens, scripts_of, trim_tokenizer
from lect.data.lines import read_lines as lines_of
from lect.errors import BackboneError, DataError
from lect.files import check_target, folder_aside
from lect.host.backbones import load_backbone

if TYPE_CHECKING:
    from lect.host import Host
    from lect.literals import Progress

_COUNTED_FROM_PADDING = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}


@dataclass(frozen=True)
class Size:
    """What a backbone takes: its tokens, its parameters, and the bytes of these in float32."""

    tokens: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class TrimReport:
    """What was kept.

    Args:
        scripts: of which every single character is kept, or every token where no text was given.
        texts: lines that tokens were counted in.
        changed: of these, the lines that the trimmed tokenizer cuts otherwise.
    """

    folder: Path
    fingerprint: str
    parent: str
    scripts: tuple[str, ...]
    before: Size
    after: Size
    texts: int
    changed: int


def trim_backbone(
    name: str,
    folder: Path,
    host: Host,
    *,
    languages: Sequence[str] = (),
    files: Sequence[Path] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrimReport:
    """Write a backbone with only the tokens that languages use.

    Args:
        languages: without files, every token in the scripts of these languages is kept; with files, every single
            character of them.
        files: texts, of which every token is kept that occurs in them.

    Raises:
        UserError: the backbone cannot be trimmed, a file cannot be read, or the folder holds something already.
    """
    check_target(folder, overwrite, lambda there: (there / SETTINGS).is_file() and (there / "config.json").is_file())
    if not languages and not files:
        raise DataError("nothing says what to keep", fix="add --languages su,id, or --text FILE, or both")
    scripts = scripts_of(languages)
    parent = load_backbone(name, host=host, progress=progress)
    _check(parent)
    tell = progress or (lambda what, share: None)
    tell("counting tokens", 0.0)
    ids = _choose(parent, scripts, files)
    tell("writing", 0.0)
    tokenizer_json = trim_tokenizer(_json(parent), ids)
    changed, total = _recut(parent, tokenizer_json, ids, files)
    with folder_aside(folder) as aside:
        _write_model(parent, tokenizer_json, ids, aside)
        settings = FolderSettings(pooling=parent.pooling, prefix=parent.prefix, licence=parent.licence)
        (aside / SETTINGS).write_text(folder_settings_text(settings), encoding="utf-8")
        child = load_backbone(str(aside), host=host)
        table = _table(parent, child, ids, aside)
        settings = settings.model_copy(update={"trimmed": table})
        (aside / SETTINGS).write_text(folder_settings_text(settings), encoding="utf-8")
        report = TrimReport(
            folder, table.fingerprint, parent.name, scripts, _size(parent), _size(child), total, changed
        )
        (aside / "README.md").write_text(_card(parent, report, languages, files), encoding="utf-8")
    return report


def read_lines(files: Iterable[Path]) -> Iterable[str]:
    """The lines of text files that are not empty. Raises `DataError` for a file that is not there or is no text."""
    for file in files:
        yield from filter(None, (line.strip() for _, line in lines_of(file, str(file))))


# -------------------------------------------------------------------------------------------------- which tokens


def _check(backbone: Backbone) -> None:
    if backbone.kind == "encoder-decoder":
        raise BackboneError(
            f'"{backbone.name}" is an encoder-decoder, whose halves share one embedding; it cannot be trimmed yet',
            fix="choose an encoder or a decoder",
        )


def _json(backbone: Backbone) -> str:
    return str(backbone.tokenizer.backend_tokenizer.to_str())


def _tokenizer(tokenizer_json: str) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _choose(parent: Backbone, scripts: Sequence[str], files: Sequence[Path]) -> list[int]:
    tokens = Tokens(_json(parent))
    kept = tokens.essential()
    if files:
        counts = count_tokens(_tokenizer(_json(parent)), read_lines(files), parent.prefix)
        if not counts:
            raise DataError("there is no text in it", where=", ".join(map(str, files)), fix="name files with text")
        kept |= set(counts) | tokens.single_characters(scripts, read_lines(files))
    else:
        kept |= tokens.of_scripts(scripts)
    kept |= set(count_tokens(_tokenizer(_json(parent)), [parent.prefix]))
    kept = tokens.with_parts(kept)
    padding = parent.tokenizer.pad_token_id
    if parent.model.config.model_type in _COUNTED_FROM_PADDING and padding is not None:
        # Positions are counted from the padding's id on, so that it must stay where it is.
        kept |= set(range(int(padding) + 1))
    return sorted(kept)


def _recut(parent: Backbone, tokenizer_json: str, ids: Sequence[int], files: Sequence[Path]) -> tuple[int, int]:
    """How many lines are cut otherwise than by the parent, and of how many."""
    whole, trimmed = _tokenizer(_json(parent)), _tokenizer(tokenizer_json)
    changed = total = 0
    for batch in batches(read_lines(files)):
        texts = [f"{parent.prefix}{text}" for text in batch]
        for before, after in zip(whole.encode_batch(texts), trimmed.encode_batch(texts), strict=True):
            changed += before.ids != [ids[index] for index in after.ids]
            total += 1
    return changed, total


# -------------------------------------------------------------------------------------------------- what is written


def _write_model(parent: Backbone, tokenizer_json: str, ids: Sequence[int], folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    model = copy.deepcopy(parent.model)
    table: Any = model.get_submodule(parent.anatomy.word_embedding)
    new = {old: index for index, old in enumerate(ids)}
    table.weight = nn.Parameter(table.weight.detach()[torch.tensor(ids)].clone(), requires_grad=False)
    table.num_embeddings = model.config.vocab_size = len(ids)
    if table.padding_idx is not None:
        table.padding_idx = new[table.padding_idx]
    for field, value in list(vars(model.config).items()):
        if field.endswith("_token_id") and value is not None:
            kept = [new[index] for index in (value if isinstance(value, list) else [value]) if index in new]
            setattr(model.config, field, kept if isinstance(value, list) else next(iter(kept), None))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(tokenizer_json),
        model_max_length=parent.tokenizer.model_max_length,
        model_input_names=list(parent.tokenizer.model_input_names),
        clean_up_tokenization_spaces=False,
        **parent.tokenizer.special_tokens_map,
    )
    with quiet_transformers():
        model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)


def _table(parent: Backbone, child: Backbone, ids: Sequence[int], folder: Path) -> TrimmedTable:
    from safetensors.torch import save_file

    own = torch.tensor(ids, dtype=torch.int32)
    entry = ParentEntry(
        name=parent.name,
        identity=parent.identity,
        revision=parent.revision,
        fingerprint=parent.fingerprint,
        tokens=len(parent.tokenizer),
        rows=parent.vocabulary_size,
    )
    maps, parents = {entry.fingerprint: own}, [entry]
    if parent.trimmed is not None and parent.trimmed.table.fingerprint == parent.fingerprint:
        for earlier in parent.trimmed.table.parents:
            maps[earlier.fingerprint] = parent.trimmed.ids(earlier)[own.long()].int()
            parents.append(earlier)
    save_file(maps, folder / KEPT)
    return TrimmedTable(fingerprint=child.fingerprint, parents=tuple(parents))


def _size(backbone: Backbone) -> Size:
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    return Size(len(backbone.tokenizer), parameters, 4 * parameters)


def _card(parent: Backbone, report: TrimReport, languages: Sequence[str], files: Sequence[Path]) -> str:
    kept = f"the languages {', '.join(languages)}" if languages else "some texts"
    texts = f", counted in {report.texts:,} lines of {', '.join(file.name for file in files)}" if files else ""
    return "\n".join(
        [
            "# A trimmed model",
            "",
            f"`{parent.identity}` with {report.after.tokens:,} of its {report.before.tokens:,} tokens: those of {kept}"
            f"{texts}. It is loaded like any other model of `transformers`.",
            "",
            f"Texts that the whole model cuts into kept tokens have the same hidden states. Components of lect that "
            f"were trained on the whole model (fingerprint {parent.fingerprint}) can be used on it.",
            "",
            f"Sentence vectors are the {parent.pooling} of the hidden states"
            + (f', and every text begins with "{parent.prefix}".' if parent.prefix else "."),
            "",
        ]
    )
