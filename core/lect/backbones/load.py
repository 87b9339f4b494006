"""A backbone from a folder as `transformers` lays it out."""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lect.backbones.anatomy import check_family
from lect.backbones.backbone import Backbone
from lect.backbones.families import FAMILIES
from lect.backbones.fingerprint import folder_state
from lect.backbones.quiet import quiet_transformers
from lect.backbones.tokenizer import highest_id, load_tokenizer
from lect.backbones.trimmed import Trimmed
from lect.errors import BackboneError
from lect.literals import Pooling


def read_backbone(
    folder: Path,
    *,
    name: str,
    identity: str,
    pooling: Pooling,
    prefix: str,
    licence: str = "",
    revision: str | None = None,
    trimmed: Trimmed | None = None,
    generates: bool = False,
) -> Backbone:
    """The model in a folder as a backbone in float32, frozen and in evaluation mode.

    Args:
        name, identity, pooling, prefix, licence, revision, trimmed: as `Backbone` has them.
        generates: whether of an encoder-decoder both halves are loaded.

    Raises:
        BackboneError: what is in the folder cannot be used; the message says what to do.
    """
    state = folder_state(folder)
    with quiet_transformers():
        config = _read_config(folder)
        model, decoder = _read_model(folder, config, generates)
        tokenizer = _read_tokenizer(folder, model)
    return Backbone(
        name=name,
        identity=identity,
        model=model,
        tokenizer=tokenizer,
        pooling=pooling,
        prefix=prefix,
        revision=revision,
        licence=licence,
        folder=folder,
        trimmed=trimmed,
        decoder=decoder,
        files=state,
    )


# ---------------------------------------------------------------------------------------------------- the model alone


def model_class(config: Any, generates: bool = False) -> Any:
    """The class of `transformers` that holds what `lect` runs of a model, and as little else as there is."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING

    if not generates and config.model_type in _ENCODERS_OF_THEIR_OWN:
        return MODEL_FOR_TEXT_ENCODING_MAPPING[type(config)]
    return MODEL_MAPPING[type(config)]


def model_options(kind: Any, config: Any) -> dict[str, Any]:
    """Arguments for a model of this class, so that it has no pooler and computes each row by itself."""
    options: dict[str, Any] = {}
    if "add_pooling_layer" in inspect.signature(kind.__init__).parameters:
        options["add_pooling_layer"] = False
    if attention := FAMILIES[config.model_type].attention:
        options["attn_implementation"] = attention
    return options


def encoder_half(model: Any) -> Any:
    """The model itself, or an encoder-decoder's encoder: frozen, in evaluation mode, keeping no past keys."""
    if FAMILIES[model.config.model_type].kind == "encoder-decoder":
        model = model.get_encoder()
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    model.requires_grad_(False)
    return model.eval()


def decoder_half(model: Any) -> Any:
    """An encoder-decoder's decoder, in the state of `encoder_half`; its table of tokens has the encoder's weight.

    It is a module of its own: what acts on the encoder does not act on the decoder.
    """
    decoder, table = model.get_decoder(), model.get_encoder().get_input_embeddings()
    if decoder.get_input_embeddings() is table:
        own = copy.copy(table)
        own._parameters = dict(table._parameters)
        decoder.set_input_embeddings(own)
    decoder.config.use_cache = False
    decoder.requires_grad_(False)
    return decoder.eval()


_ENCODERS_OF_THEIR_OWN = {"t5", "mt5", "umt5"}


# ------------------------------------------------------------------------------------------------- what is in a folder


def _read_config(folder: Path) -> Any:
    from transformers.models.auto.configuration_auto import AutoConfig

    path = folder / "config.json"
    if not path.is_file():
        raise BackboneError(
            "this folder holds no model",
            where=str(folder),
            fix="name one with config.json, model.safetensors and a tokenizer",
        )
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        family = stated.get("model_type") if isinstance(stated, dict) else None
    except (OSError, ValueError) as error:
        raise BackboneError(f"it cannot be read ({_first_line(error)})", where=str(path)) from error
    if not isinstance(family, str):
        raise BackboneError("it names no model_type", where=str(path), fix="save the model with transformers")
    check_family(family)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        raise BackboneError(f"it cannot be used ({_first_line(error)})", where=str(path)) from error
    if hasattr(config, "reference_compile"):
        # ModernBERT would compile itself, which takes minutes and cannot be hooked into.
        config.reference_compile = False
    return config


def _read_model(folder: Path, config: Any, generates: bool) -> tuple[Any, Any]:
    """The model that reads, and the decoder of an encoder-decoder that is to generate."""
    import torch

    _check_weights(folder)
    generates = generates and FAMILIES[config.model_type].kind == "encoder-decoder"
    kind = model_class(config, generates)
    options = model_options(kind, config)
    try:
        model, report = kind.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except Exception as error:
        raise BackboneError(
            f"its weights cannot be read ({_first_line(error)})", where=str(folder), fix="fetch or save the model again"
        ) from error
    _check_complete(folder, report)
    return encoder_half(model), decoder_half(model) if generates else None


def _check_weights(folder: Path) -> None:
    """Refuse pickles, and files that are cut short: reading those may end the process."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        if any(folder.glob("pytorch_model*.bin")) or any(folder.glob("*.pt")):
            raise BackboneError(
                "its weights are pickled, and unpickling can run any code",
                where=str(folder),
                fix="convert them to safetensors, on a machine that may: model.save_pretrained(…) of a loaded model",
            )
        raise BackboneError(
            "this folder has no weights", where=str(folder), fix="put model.safetensors beside config.json"
        )
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise BackboneError(
                f"the file is damaged ({_first_line(error)})", where=str(file), fix="fetch or save the model again"
            ) from error


def _check_complete(folder: Path, report: Mapping[str, Any]) -> None:
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise BackboneError(
            f"its weights lack {missing[0]}{more}, which would be random",
            where=str(folder),
            fix="name a folder or hub id that holds the whole encoder",
        )
    if mismatched := sorted(str(entry[0]) for entry in report.get("mismatched_keys") or ()):
        raise BackboneError(
            f"its weights do not fit its config.json: {mismatched[0]} has another shape", where=str(folder)
        )


def _read_tokenizer(folder: Path, model: Any) -> Any:
    try:
        tokenizer = load_tokenizer(folder, model.config.model_type)
    except Exception as error:
        raise BackboneError(
            f"its tokenizer cannot be read ({_first_line(error)})",
            where=str(folder),
            fix="put its tokenizer.json beside config.json",
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise BackboneError(
            "its tokenizer has no fast version", where=str(folder), fix="put a tokenizer.json beside config.json"
        )
    backend = tokenizer.backend_tokenizer
    if backend.get_vocab_size(with_added_tokens=False) <= len(tokenizer.all_special_tokens):
        # What transformers makes up where a folder has no tokenizer.
        raise BackboneError("it has no tokenizer", where=str(folder), fix="put its tokenizer.json beside config.json")
    rows = model.get_input_embeddings().weight.shape[0]
    if (highest := highest_id(backend)) >= rows:
        raise BackboneError(
            f"its tokenizer has tokens up to id {highest:,}, and its model {rows:,} embeddings",
            where=str(folder),
            fix="name a folder whose tokenizer and model belong together",
        )
    return tokenizer


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"\s+", " ", lines[0]).rstrip(".") if lines else type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
