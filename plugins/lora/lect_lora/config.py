"""Configurations of the methods: the fields of `peft`'s own configuration classes, checked by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from lect import Config

Targets = Annotated[
    str | tuple[str, ...], BeforeValidator(lambda value: tuple(value) if type(value) is list else value)
]


class PeftConfig(Config):
    """Fields of a configuration class of `peft`, by `peft`'s own names; what is left out is as `peft` has it.

    Args:
        target_modules: the linear projections that are changed: all inside the layers by default, or the ends of
            their paths such as ``["query", "value"]``, or a regular expression over whole paths.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    #: The method's name in `peft`; None where the configuration names it.
    kind: ClassVar[str | None] = None
    #: What makes the method the one its name says, unless the user says otherwise.
    preset: ClassVar[Mapping[str, Any]] = {}

    target_modules: Targets = Field(
        "all-linear", description="ends of the paths of the projections, or a regular expression over whole paths"
    )

    @property
    def method(self) -> str:
        """The method's name in `peft`, in capitals as `peft` writes it."""
        assert self.kind is not None
        return self.kind

    @property
    def settings(self) -> dict[str, Any]:
        """The fields for `peft`'s configuration class, but for the targets."""
        return {**self.preset, **(self.__pydantic_extra__ or {})}

    @model_validator(mode="after")
    def _is_what_peft_takes(self) -> PeftConfig:
        # Here, and not at the head of the module: plugins are registered without loading `peft`.
        from lect_lora.settings import check_settings

        check_settings(self)
        return self


class LoraConfig(PeftConfig):
    """Low-rank matrices beside each projection (Hu et al. 2021)."""

    kind = "LORA"


class DoraConfig(LoraConfig):
    """LoRA for the direction of each weight, and a trained magnitude (Liu et al. 2024)."""

    preset: ClassVar[Mapping[str, Any]] = {"use_dora": True}

    @model_validator(mode="after")
    def _is_dora(self) -> DoraConfig:
        if not self.settings["use_dora"]:
            raise ValueError('use_dora = false makes it LoRA; use the method "lora"')
        return self


class PissaConfig(LoraConfig):
    """LoRA that starts from the principal singular values of each weight (Meng et al. 2024)."""

    preset: ClassVar[Mapping[str, Any]] = {"init_lora_weights": "pissa"}

    @model_validator(mode="after")
    def _is_pissa(self) -> PissaConfig:
        if not str(self.settings["init_lora_weights"]).startswith("pissa"):
            raise ValueError('init_lora_weights should be "pissa" or "pissa_niter_16"; else use the method "lora"')
        return self


class VeraConfig(PeftConfig):
    """Trained vectors between two random matrices that all projections share (Kopiczko et al. 2023)."""

    kind = "VERA"


class Ia3Config(PeftConfig):
    """Trained factors for what each projection gives, or takes where it ends a feed-forward block (Liu et al. 2022)."""

    kind = "IA3"


class AdaloraConfig(PeftConfig):
    """LoRA whose ranks shrink where they matter least (Zhang et al. 2023).

    Args:
        tinit: when ranks begin to shrink: a share of the run's steps where it is below 1, else a number of steps.
        tfinal: how long before the end they stop to, likewise.
        deltaT: steps between two rounds of shrinking.
    """

    kind = "ADALORA"

    tinit: float = Field(0.1, ge=0, description="begin of the shrinking: below 1 a share of all steps, else steps")
    tfinal: float = Field(0.3, ge=0, description="end of the shrinking, from the run's end: likewise")
    deltaT: int = Field(1, ge=1, description="steps between two rounds of shrinking")  # noqa: N815 - peft's name

    @field_validator("tinit", "tfinal")
    @classmethod
    def _share_or_steps(cls, value: float) -> float:
        if value >= 1 and value != int(value):
            raise ValueError("should be a share of the run below 1, or a whole number of steps")
        return value

    @model_validator(mode="after")
    def _leaves_time(self) -> AdaloraConfig:
        if self.tinit < 1 and self.tfinal < 1 and self.tinit + self.tfinal >= 1:
            raise ValueError("tinit and tfinal leave no steps between them")
        return self


class AnyPeftConfig(PeftConfig):
    """Any method of `peft` that changes linear projections, by its name.

    Args:
        type: such as ``loha``, ``lokr``, ``oft``, ``hra`` or ``randlora``.
    """

    type: str = Field(description="the method's name in peft, such as loha, lokr, oft, boft, hra, hira or randlora")

    @property
    def method(self) -> str:
        return self.type.upper()
