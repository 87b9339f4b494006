"""From the configuration in a PEFT folder to ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect import ComponentError, RecipeError
from lect.exchange import validate_model
from lect_lora.config import (
    AdaloraConfig,
    AnyPeftConfig,
    DoraConfig,
    Ia3Config,
    LoraConfig,
    PeftConfig,
    PissaConfig,
    VeraConfig,
)
from lect_lora.formats.refusals import refuse_config
from lect_lora.settings import library_class_of

#: Of how the part was made, trained or loaded: nothing of it is in a trained part.
_OF_NO_CONSEQUENCE = {
    "auto_mapping", "base_model_name_or_path", "deltaT", "eva_config", "exclude_modules", "inference_mode",
    "layers_pattern", "layers_to_transform", "lora_ga_config", "modules_to_save", "peft_type", "peft_version",
    "revision", "runtime_config", "target_modules", "task_type", "tfinal", "tinit", "total_step",
}  # fmt: skip
#: Initialisations that change the backbone's weights, so that they count after training too.
_CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class ReadConfig:
    """The configuration of a PEFT folder, but for the places it acts at.

    Args:
        method: ours.
        kind: the method's name in `peft`.
        values: of our method's configuration.
        notices: what was left out.
    """

    method: str
    kind: str
    values: Mapping[str, Any]
    notices: tuple[str, ...]

    def checked(self, where: str) -> PeftConfig:
        """Our configuration. Raises `ComponentError` where it cannot be a component."""
        try:
            return validate_model(_CLASSES[self.method], self.values, where)
        except RecipeError as error:
            raise error.at(ComponentError) from None


_CLASSES: Mapping[str, type[PeftConfig]] = {
    "adalora": AdaloraConfig,
    "dora": DoraConfig,
    "ia3": Ia3Config,
    "lora": LoraConfig,
    "peft": AnyPeftConfig,
    "pissa": PissaConfig,
    "vera": VeraConfig,
}


def read_config(stated: Mapping[str, Any], file: Path) -> ReadConfig:
    """Our configuration for what ``adapter_config.json`` says.

    Raises:
        ComponentError: `peft` has no such method, or it cannot be a component.
    """
    kind = str(stated["peft_type"]).upper()
    try:
        library_class = library_class_of(kind)
    except ValueError as error:
        raise ComponentError(str(error), where=f"{file}, peft_type") from None
    refuse_config(stated, kind, file)
    fields = {field.name: field for field in dataclasses.fields(library_class)}
    values: dict[str, Any] = {}
    notices = []
    for name, value in stated.items():
        if name in _OF_NO_CONSEQUENCE:
            continue
        if name not in fields:
            if value not in (None, False, [], {}):
                notices.append(f'left out the field "{name}" = {value!r} of {file.name}, which this peft does not know')
        elif value is not None and value != _default(fields[name]):
            values[name] = value
    if kind == "ADALORA":
        # Which ranks are left is seen in the weights.
        values.pop("rank_pattern", None)
    initialisation = str(values.get("init_lora_weights", "")).lower()
    if not initialisation.startswith(_CHANGING):
        values.pop("init_lora_weights", None)
    method = _method(kind, values, initialisation)
    if method == "peft":
        values["type"] = kind.lower()
    elif method == "dora":
        del values["use_dora"]
    # Where IA3 acts is read off its vectors.
    values.pop("feedforward_modules", None)
    return ReadConfig(method, kind, values, tuple(notices))


def checked_config(method: str) -> type[PeftConfig] | None:
    """The configuration class of one of our methods; None for a method of another plugin."""
    return _CLASSES.get(method)


def _method(kind: str, values: Mapping[str, Any], initialisation: str) -> str:
    if kind == "LORA":
        if initialisation.startswith("pissa"):
            return "pissa"
        return "dora" if values.get("use_dora") else "lora"
    return kind.lower() if kind.lower() in _CLASSES and kind != "PEFT" else "peft"


def _default(field: dataclasses.Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None
