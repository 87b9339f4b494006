"""What the distributions of this repository provide, so that a message can say what to install."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PROVIDES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "lect-cldr": {"reader": ("cldr",)},
    "lect-e5": {"backbone": ("e5-small",)},
    "lect-heads": {
        "head": (
            *("classification", "multi-label", "regression", "tagging", "pos"),
            *("qa", "multiple-choice", "parsing", "retrieval", "translation"),
        ),
        "metric": (
            *("tagging", "tagging-tokens", "token", "squad", "multiple-choice", "parsing", "regression", "multi-label"),
            "translation",
        ),
        "reader": ("conll", "conllu", "spans", "squad", "choices", "triples"),
        "ending": (".conll", ".conllu", ".conllup"),
    },
    "lect-language": {"method": ("bottleneck",), "format": ("adapters",)},
    "lect-lora": {
        "method": ("adalora", "dora", "ia3", "lora", "peft", "pissa", "vera"),
        "format": ("peft",),
        "merge": ("dare", "dare_linear", "dare_ties", "magnitude_prune", "ties"),
    },
    "lect-ray": {"executor": ("ray",)},
    "lect-smollm": {"backbone": ("smollm2-135m",)},
    "lect-vocabulary": {
        "method": ("vocabulary",),
        "initialiser": ("dictionary", "factorised", "focus", "mean", "overlap", "random", "translations"),
        "command": ("vocabulary",),
    },
}

BUNDLED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (kind, name): distribution
        for distribution, kinds in _PROVIDES.items()
        for kind, names in kinds.items()
        for name in names
    }
)
"""Kind and name of a spec, and endings of files that readers know → the distribution to install for it."""
