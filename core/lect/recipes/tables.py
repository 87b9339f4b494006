"""What the tables of recipes have in common."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from lect.fields import tuple_of

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(tuple_of)]


class Table(BaseModel):
    """A table of a recipe: frozen, of exact types, and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OpenTable(Table):
    """A table in which a plugin's own keys stand beside those of the recipe; the plugin's spec checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @property
    def config(self) -> dict[str, Any]:
        """The plugin's keys."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _misspelt(cls, values: Any) -> Any:
        # Any key may be the plugin's, so that a misspelt one of the recipe's would only be seen as missing.
        for name, field in cls.model_fields.items():
            if field.is_required() and isinstance(values, dict) and name not in values:
                for close in difflib.get_close_matches(name, [str(key) for key in values], n=1):
                    raise ValueError(f'there is no "{name}"; did you misspell it "{close}"?')
        return values
