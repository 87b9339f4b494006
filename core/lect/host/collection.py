"""Calls the registration hooks of one plugin and checks what they give."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from lect.host.attribution import attributed
from lect.host.records import ESSENTIAL, SPECS, PluginRecord, Provided
from lect.host.registration import SeamError
from lect.scores import named_by_two
from lect.spec import Spec
from lect.specs import CommandSpec, HeadSpec, MetricSpec
from lect.subcommands import COMMANDS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Offers = Mapping[type[Spec], Mapping[str, tuple[Provided[Any], ...]]]
"""Of each kind and name, every spec under it: one where all is well, more where plugins clash."""


def collect(record: PluginRecord, callers: Mapping[str, Callable[[], Iterable[Any]]]) -> list[Any]:
    """Every spec that a plugin registers.

    Args:
        callers: of the registration hooks it implements, what calls its implementation alone.

    Raises:
        SeamError: where a hook gives something else than well-formed specs.
        Exception: whatever the plugin's own code raises, with a note.
    """
    specs: list[Any] = []
    for kind in SPECS:
        if kind.hook not in callers:
            continue
        with attributed(record, kind.hook):
            given = [spec for result in callers[kind.hook]() for spec in _listed(result, kind)]
        for spec in given:
            _check(spec, kind)
        names = [spec.name for spec in given]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SeamError(f'{kind.hook} gave the {kind.kind} "{twice}" twice')
        specs += given
    return specs


def merge(collected: Sequence[tuple[PluginRecord, list[Any]]]) -> tuple[list[PluginRecord], Offers]:
    """What all plugins offer together; of plugins that want the same name, records that say so."""
    offers: dict[type[Spec], dict[str, tuple[Provided[Any], ...]]] = {kind: defaultdict(tuple) for kind in SPECS}
    for record, specs in collected:
        for spec in specs:
            offers[next(kind for kind in SPECS if isinstance(spec, kind))][spec.name] += (Provided(spec, record),)
    judged = {record.name: _judged(record, offers) for record, _ in collected}
    return list(judged.values()), {
        kind: {
            name: tuple(replace(provided, plugin=judged[provided.plugin.name]) for provided in claims)
            for name, claims in named.items()
        }
        for kind, named in offers.items()
    }


def clashing_heads(collected: Sequence[tuple[PluginRecord, list[Any]]]) -> list[tuple[PluginRecord, str]]:
    """The plugins of which a head has two metrics that declare a score of one name, each with a clause that says so."""
    metrics = {spec.name: spec for _, specs in collected for spec in specs if isinstance(spec, MetricSpec)}
    found = []
    for record, specs in collected:
        for head in (spec for spec in specs if isinstance(spec, HeadSpec)):
            clash = named_by_two([metrics[name] for name in dict.fromkeys(head.metrics) if name in metrics])
            if clash is not None:
                name, first, second = clash
                what = (
                    f'the head "{head.name}" has two scores "{name}": of the metrics "{first.name}" and "{second.name}"'
                )
                found.append((record, what))
                break
    return found


def _judged(record: PluginRecord, offers: Offers) -> PluginRecord:
    reasons = []
    for kind, named in offers.items():
        for name, claims in named.items():
            rivals = [provided.plugin.label for provided in claims if provided.plugin.name != record.name]
            if len(rivals) == len(claims):
                continue
            if kind is CommandSpec and name in COMMANDS:
                rivals.append("lect itself")
            if rivals:
                reasons.append(f'{kind.kind} "{name}" comes from {" and ".join(rivals)} too')
    # The essential plugin is never the one at fault: what it offers is documented and was there first.
    if not reasons or record.name == ESSENTIAL:
        return record
    return replace(record, status="clash", error="; ".join(reasons))


def _listed(result: Any, kind: type[Spec]) -> list[Any]:
    if isinstance(result, (kind, str)) or not isinstance(result, Iterable):
        raise SeamError(f"{kind.hook} gave a {type(result).__name__} where an iterable of {kind.__name__} is due")
    return list(result)


def _check(spec: Any, kind: type[Spec]) -> None:
    if not isinstance(spec, kind):
        raise SeamError(f"{kind.hook} gave a {type(spec).__name__} among its specs where a {kind.__name__} is due")
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise SeamError(
            f"{kind.hook} gave the name {spec.name!r}; a name is of letters, digits, dots, hyphens, underscores"
        )
    if isinstance(spec, MetricSpec) and (wrong := sorted({*spec.scores.values()} - {"higher", "lower"})):
        raise SeamError(f'a score of metric "{spec.name}" is better "{wrong[0]}"; say "higher" or "lower"')
    if not hasattr(spec, "config"):
        return
    if not (isinstance(spec.config, type) and issubclass(spec.config, BaseModel)):
        raise SeamError(f'the config of {kind.kind} "{spec.name}" is not a pydantic model; derive it from lect.Config')
    # "allow" hands unknown fields on, to a validator that knows what else there may be; "ignore" loses a misspelt one.
    if spec.config.model_config.get("extra", "ignore") == "ignore":
        raise SeamError(f'the config of {kind.kind} "{spec.name}" drops unknown fields; derive it from lect.Config')
