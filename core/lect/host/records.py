"""What the host knows of a plugin, and of a spec that a plugin provides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from lect import hookspecs, specs
from lect.deprecation import Deprecation, deprecation_of
from lect.spec import Spec

API = 1
"""The version of the seam; plugins name it in their entry point's group, ``lect.v1``."""

ESSENTIAL = "builtin"
"""The name of the plugin that comes with `lect` itself and cannot be blocked."""

Status = Literal["ok", "broken", "blocked", "incompatible", "clash"]


Spec_co = TypeVar("Spec_co", bound=Spec, covariant=True)


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

    spec: Spec_co
    plugin: PluginRecord


@dataclass(frozen=True)
class Configured(Provided[Spec_co]):
    """A spec, the plugin it came from, and one configuration of it, checked.

    Args:
        config: an instance of the spec's own model.
    """

    config: Any


SPECS: tuple[type[Spec], ...] = (
    specs.BackboneSpec,
    specs.CheckpointSpec,
    specs.MethodSpec,
    specs.MergeSpec,
    specs.InitialiserSpec,
    specs.TokenLearnerSpec,
    specs.HeadSpec,
    specs.ObjectiveSpec,
    specs.ReaderSpec,
    specs.MetricSpec,
    specs.FormatSpec,
    specs.IdentifierSpec,
    specs.ExecutorSpec,
    specs.CommandSpec,
    specs.RouteSpec,
)
"""Every kind of spec that a plugin can register."""

HOOKS: tuple[str, ...] = tuple(name for name, thing in vars(hookspecs).items() if hasattr(thing, "lect_spec"))
"""Every hook's full name, in the order of a run's life."""


def deprecation_of_hook(name: str) -> Deprecation | None:
    """What its declaration says of a hook that is on its way out."""
    return deprecation_of(str(getattr(hookspecs, name).lect_spec["warn_on_impl"] or ""))
