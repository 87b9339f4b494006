"""What tests of plugins need: tiny backbones, and the contracts that every method, head and reader keeps.

Importing this package imports neither torch nor transformers; each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect.testing.backbones import TINY_FAMILIES, save_tiny_backbone, tiny_backbone
    from lect.testing.contract import MethodContract, method_contract
    from lect.testing.heads import HeadContract, head_contract
    from lect.testing.readers import ReaderContract, reader_contract

_HOMES = {
    "TINY_FAMILIES": "lect.testing.backbones",
    "HeadContract": "lect.testing.heads",
    "MethodContract": "lect.testing.contract",
    "ReaderContract": "lect.testing.readers",
    "head_contract": "lect.testing.heads",
    "method_contract": "lect.testing.contract",
    "reader_contract": "lect.testing.readers",
    "save_tiny_backbone": "lect.testing.backbones",
    "tiny_backbone": "lect.testing.backbones",
}

__all__ = [
    "TINY_FAMILIES",
    "HeadContract",
    "MethodContract",
    "ReaderContract",
    "head_contract",
    "method_contract",
    "reader_contract",
    "save_tiny_backbone",
    "tiny_backbone",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lect.testing' has no attribute {name!r}")
