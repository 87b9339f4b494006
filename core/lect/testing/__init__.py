"""What tests of plugins need: tiny backbones, and the contract that every method keeps.

Importing this package imports neither torch nor transformers; `method_contract` is in `lect.testing.contract`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect.testing.backbones import TINY_FAMILIES, save_tiny_backbone, tiny_backbone
    from lect.testing.contract import MethodContract, method_contract

_HOMES = {
    "TINY_FAMILIES": "lect.testing.backbones",
    "MethodContract": "lect.testing.contract",
    "method_contract": "lect.testing.contract",
    "save_tiny_backbone": "lect.testing.backbones",
    "tiny_backbone": "lect.testing.backbones",
}

__all__ = ["TINY_FAMILIES", "MethodContract", "method_contract", "save_tiny_backbone", "tiny_backbone"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lect.testing' has no attribute {name!r}")
