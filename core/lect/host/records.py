"""What the host knows of a plugin, and of a spec that a plugin provides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from lect import hookspecs, specs

API = 1
"""The version of the seam; plugins name it in their entry point's group, ``lect.v1``."""

ESSENTIAL = "builtin"
"""The name of the plugin that comes with `lect` itself and cannot be blocked."""

Status = Literal["ok", "broken", "blocked", "incompatible", "clash"]
Kind = Literal[
    "backbone",
    "method",
    "merge",
    "initialiser",
    "head",
    "objective",
    "reader",
    "metric",
    "format",
    "executor",
    "command",
    "route",
]
Spec_co = TypeVar("Spec_co", covariant=True)


@dataclass(frozen=True)
class PluginRecord:
    """One installed plugin and what became of it.

    Args:
        name: the entry point's name.
        distribution: the installed distribution that brings it.
        version: that distribution's version.
        api: the version of the seam that it was written for.
        status: ``ok``; ``broken`` (does not load, or breaks the rules of the seam); ``blocked`` (by the user);
            ``incompatible`` (for another API, never imported); ``clash`` (wants a name that another plugin has too).
        hooks: the full names of the hooks it implements, in the order of `lect.hookspecs`.
        error: why the status is not ``ok``, in one line.
    """

    name: str
    distribution: str
    version: str
    api: int
    status: Status = "ok"
    hooks: tuple[str, ...] = ()
    error: str | None = None

    @property
    def label(self) -> str:
        """How messages name it."""
        return f'plugin "{self.name}" ({self.distribution} {self.version})'


@dataclass(frozen=True)
class Provided(Generic[Spec_co]):
    """A spec and the plugin it came from."""

    kind: Kind
    spec: Spec_co
    plugin: PluginRecord

    @property
    def hook(self) -> str:
        """The full name of the hook that registered it."""
        return REGISTRATION[self.kind][0]


REGISTRATION: Mapping[Kind, tuple[str, type[Any]]] = MappingProxyType(
    {
        "backbone": ("lect_register_backbones", specs.BackboneSpec),
        "method": ("lect_register_methods", specs.MethodSpec),
        "merge": ("lect_register_merges", specs.MergeSpec),
        "initialiser": ("lect_register_initialisers", specs.InitialiserSpec),
        "head": ("lect_register_heads", specs.HeadSpec),
        "objective": ("lect_register_objectives", specs.ObjectiveSpec),
        "reader": ("lect_register_readers", specs.ReaderSpec),
        "metric": ("lect_register_metrics", specs.MetricSpec),
        "format": ("lect_register_formats", specs.FormatSpec),
        "executor": ("lect_register_executors", specs.ExecutorSpec),
        "command": ("lect_register_commands", specs.CommandSpec),
        "route": ("lect_register_routes", specs.RouteSpec),
    }
)
"""Each kind of spec: the hook that registers it, and its type."""

HOOKS: tuple[str, ...] = tuple(name for name, thing in vars(hookspecs).items() if hasattr(thing, "lect_spec"))
"""Every hook's full name, in the order of a run's life."""
