"""Calls the registration hooks of one plugin and checks what they give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from lect.host.attribution import attributed
from lect.host.bundled import COMMANDS
from lect.host.records import ESSENTIAL, REGISTRATION, Kind, PluginRecord, Provided
from lect.host.registration import SeamError
from lect.scores import named_by_two

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Offers = Mapping[Kind, Mapping[str, tuple[Provided[Any], ...]]]
"""Of each kind and name, every spec under it: one where all is well, more where plugins clash."""


def collect(record: PluginRecord, callers: Mapping[str, Callable[[], Iterable[Any]]]) -> list[tuple[Kind, Any]]:
    """Every spec that a plugin registers.

    Args:
        callers: of the registration hooks it implements, what calls its implementation alone.

    Raises:
        SeamError: where a hook gives something else than well-formed specs.
        Exception: whatever the plugin's own code raises, with a note.
    """
    specs: list[tuple[Kind, Any]] = []
    for kind, (hook, expected) in REGISTRATION.items():
        if hook not in callers:
            continue
        with attributed(record, hook):
            given = [spec for result in callers[hook]() for spec in _listed(result, hook, expected)]
        for spec in given:
            _check(spec, hook, kind, expected)
        names = [spec.name for spec in given]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SeamError(f'{hook} gave the {kind} "{twice}" twice')
        specs += [(kind, spec) for spec in given]
    return specs


def merge(collected: Sequence[tuple[PluginRecord, list[tuple[Kind, Any]]]]) -> tuple[list[PluginRecord], Offers]:
    """What all plugins offer together; of plugins that want the same name, records that say so."""
    claims: dict[tuple[Kind, str], list[PluginRecord]] = {}
    for record, specs in collected:
        for kind, spec in specs:
            claims.setdefault((kind, spec.name), []).append(record)
    records = [_judged(record, claims) for record, _ in collected]
    offers: dict[Kind, dict[str, tuple[Provided[Any], ...]]] = {kind: {} for kind in REGISTRATION}
    for record, (_, specs) in zip(records, collected, strict=True):
        for kind, spec in specs:
            offers[kind][spec.name] = (*offers[kind].get(spec.name, ()), Provided(kind, spec, record))
    return records, offers


def clashing_heads(
    collected: Sequence[tuple[PluginRecord, list[tuple[Kind, Any]]]],
) -> list[tuple[PluginRecord, str]]:
    """The plugins of which a head has two metrics that declare a score of one name, each with a clause that says so."""
    metrics = {spec.name: spec for _, specs in collected for kind, spec in specs if kind == "metric"}
    found = []
    for record, specs in collected:
        for head in (spec for kind, spec in specs if kind == "head"):
            clash = named_by_two([metrics[name] for name in dict.fromkeys(head.metrics) if name in metrics])
            if clash is not None:
                name, first, second = clash
                what = (
                    f'the head "{head.name}" has two scores "{name}": of the metrics "{first.name}" and "{second.name}"'
                )
                found.append((record, what))
                break
    return found


def _judged(record: PluginRecord, claims: Mapping[tuple[Kind, str], Sequence[PluginRecord]]) -> PluginRecord:
    reasons = []
    for (kind, name), claimants in claims.items():
        rivals = [other.label for other in claimants if other.name != record.name]
        if record not in claimants:
            continue
        if kind == "command" and name in COMMANDS:
            rivals.append("lect itself")
        if rivals:
            reasons.append(f'{kind} "{name}" comes from {" and ".join(rivals)} too')
    # The essential plugin is never the one at fault: what it offers is documented and was there first.
    if not reasons or record.name == ESSENTIAL:
        return record
    return replace(record, status="clash", error="; ".join(reasons))


def _listed(result: Any, hook: str, expected: type[Any]) -> list[Any]:
    if isinstance(result, (expected, str)) or not isinstance(result, Iterable):
        raise SeamError(f"{hook} gave a {type(result).__name__} where an iterable of {expected.__name__} is due")
    return list(result)


def _check(spec: Any, hook: str, kind: Kind, expected: type[Any]) -> None:
    if not isinstance(spec, expected):
        raise SeamError(f"{hook} gave a {type(spec).__name__} among its specs where a {expected.__name__} is due")
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise SeamError(f"{hook} gave the name {spec.name!r}; a name is of letters, digits, dots, hyphens, underscores")
    if kind == "metric" and (wrong := sorted({*spec.scores.values()} - {"higher", "lower"})):
        raise SeamError(f'a score of metric "{spec.name}" is better "{wrong[0]}"; say "higher" or "lower"')
    if not hasattr(spec, "config"):
        return
    if not (isinstance(spec.config, type) and issubclass(spec.config, BaseModel)):
        raise SeamError(f'the config of {kind} "{spec.name}" is not a pydantic model; derive it from lect.Config')
    # "allow" hands unknown fields on, to a validator that knows what else there may be; "ignore" loses a misspelt one.
    if spec.config.model_config.get("extra", "ignore") == "ignore":
        raise SeamError(f'the config of {kind} "{spec.name}" drops unknown fields; derive it from lect.Config')
