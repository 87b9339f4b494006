"""What `peft` takes of a configuration, and what of it makes no sense in a component."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from peft import PeftConfig as LibraryConfig
from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lect import nearest

if TYPE_CHECKING:
    from lect_lora.config import PeftConfig

_EMBEDDED = "it puts trained vectors before the text, and changes no projection"
REFUSED: Mapping[str, str] = {
    "ADAPTION_PROMPT": "it rewires the attention of Llama and Mistral",
    "CARTRIDGE": _EMBEDDED,
    "CPT": _EMBEDDED,
    "LILY": "its router takes a mean over the whole batch, so that a row's result depends on the others",
    "LN_TUNING": "it trains layer norms, not projections",
    "MULTITASK_PROMPT_TUNING": _EMBEDDED,
    "OSF": "it rewrites every weight of the backbone, and a component leaves it frozen",
    "POLY": "it needs a task's number beside each text",
    "PREFIX_TUNING": _EMBEDDED,
    "PROMPT_TUNING": _EMBEDDED,
    "P_TUNING": _EMBEDDED,
    "SHADOW": "it runs a second model beside the backbone",
    "TRAINABLE_TOKENS": 'it trains embeddings; use the method "vocabulary"',
    "XLORA": "it mixes trained adapters by a router over the whole model; mix components in a stack",
}
"""Methods of `peft` that cannot be a component here, and why."""

_DATA = "it needs a pass over data through the model before the layers are made"
_OURS = "lect sets it"
_UNSUPPORTED: Mapping[str, str] = {
    "alora_invocation_tokens": "it depends on the tokens of the whole text, which a projection does not see",
    "arrow_config": "it routes between trained adapters; mix components in a stack",
    "auto_mapping": _OURS,
    "base_model_name_or_path": _OURS,
    "corda_config": _DATA,
    "ensure_weight_tying": "no projection of an encoder's layers is tied",
    "eva_config": _DATA,
    "fan_in_fan_out": "the projections are all of torch's own form",
    "inference_mode": _OURS,
    "kasa_config": "it truncates the weights of the backbone, and a component leaves it as it is",
    "layer_replication": "it changes how many layers the backbone has",
    "loftq_config": "it quantises the backbone, and a component leaves it as it is",
    "lora_ga_config": _DATA,
    "megatron_config": "the projections are all of torch's own form",
    "megatron_core": "the projections are all of torch's own form",
    "modules_to_save": "other modules of the backbone stay frozen; a head is a part of its own",
    "monteclora_config": "its loss needs a hook over the whole model",
    "peft_type": _OURS,
    "peft_version": _OURS,
    "qalora_group_size": "the projections are not quantised",
    "rank_pattern.adalora": "training finds it",
    "revision": _OURS,
    "runtime_config": "lect places the tensors",
    "target_parameters": "an encoder's projections are modules",
    "task_type": _OURS,
    "total_step.adalora": "the run's length sets it",
    "trainable_token_indices": 'embeddings are not projections; use the method "vocabulary"',
    "use_asa": "its importance scores need the training loop",
    "use_qalora": "the projections are not quantised",
}
_UNSUPPORTED_INITS = {"corda": _DATA, "eva": _DATA, "lora_ga": _DATA, "loftq": _UNSUPPORTED["loftq_config"]}


def check_settings(config: PeftConfig) -> None:
    """Refuse what `peft` does not take, and what a component cannot have.

    Raises:
        ValueError: a method or field that does not exist, with the nearest that does; a value of the wrong type; a
            field that cannot work here, with the reason.
    """
    library_class = library_class_of(config.method)
    known = {field.name for field in dataclasses.fields(library_class)} - {"target_modules"}
    own = set(type(config).model_fields)
    for name, value in config.settings.items():
        if name not in known:
            possible = (known | own) - _UNSUPPORTED.keys()
            raise ValueError(f'unknown field "{name}"; {nearest(name, possible)}')
        reason = _UNSUPPORTED.get(name) or _UNSUPPORTED.get(f"{name}.{config.method.lower()}")
        if reason and value not in (None, False):
            raise ValueError(f'"{name}" cannot be set: {reason}')
        _check_type(library_class, name, value)
    if config.settings.get("bias", "none") != "none":
        raise ValueError('"bias" should be "none": the biases of the backbone stay frozen')
    initialisation = str(config.settings.get("init_lora_weights")).split("_niter_")[0]
    if initialisation in _UNSUPPORTED_INITS:
        raise ValueError(
            f'init_lora_weights = "{initialisation}" is not possible: {_UNSUPPORTED_INITS[initialisation]}'
        )
    # Places are only known with a backbone; `peft` would hold these against the one given here.
    places = {"feedforward_modules": []} if config.method == "IA3" else {}
    library_config(config, ["query"], **places)


def library_class_of(method: str) -> type[LibraryConfig]:
    """The configuration class of a method. Raises `ValueError` where there is none, or none that can work here."""
    if method in REFUSED:
        raise ValueError(f'"{method.lower()}" cannot be a component: {REFUSED[method]}')
    usable = {kind.value for kind in PEFT_TYPE_TO_TUNER_MAPPING} - REFUSED.keys()
    if method not in usable:
        raise ValueError(
            f'peft has no method "{method.lower()}"; {nearest(method.lower(), [kind.lower() for kind in usable])}'
        )
    return PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(method)]


def library_config(config: PeftConfig, targets: list[str], **changes: Any) -> LibraryConfig:
    """`peft`'s own configuration, for the projections at these paths. Raises `ValueError` as `peft` does."""
    settings = {**config.settings, "target_modules": targets, **changes}
    if config.method == "ADALORA":
        # The run's length is not known before training; nothing reads these until then.
        settings.update(total_step=1, tinit=0, tfinal=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return library_class_of(config.method)(**settings)
        except (TypeError, ImportError) as error:
            raise ValueError(" ".join(str(error).split())) from error


def _check_type(library_class: type[LibraryConfig], name: str, value: Any) -> None:
    if re.fullmatch(r"pissa_niter_\d+", str(value)):
        # The annotation has a placeholder for the number.
        return
    try:
        adapter = TypeAdapter(get_type_hints(library_class)[name], config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # an annotation that only a type checker understands: `peft` itself will have to complain
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        message = " ".join(problem["msg"].split())
        raise ValueError(f'"{name}": {message[:1].lower()}{message[1:]}, not {value!r}') from None
