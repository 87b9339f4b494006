"""Loads every plugin there is, one after the other, so that one's failure is its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import pluggy

from lect.errors import PluginError, nearest
from lect.host.attribution import describe
from lect.host.collection import Offers, clashing_heads, collect, merge
from lect.host.discovery import Candidate, discover
from lect.host.records import API, ESSENTIAL, HOOKS, PluginRecord
from lect.host.registration import SeamError, new_manager, register

Caller = Callable[..., Any]
"""Calls one plugin's implementation of one hook."""


@dataclass(frozen=True)
class Loaded:
    """All that loading found out.

    Args:
        records: every installed plugin.
        offers: every spec, by kind and name, of plugins that work.
        callers: of each hook, the plugins that implement it in the order of their calling.
        packages: of each plugin that was imported, the import name of its package.
        errors: of each broken plugin, the exception.
    """

    records: tuple[PluginRecord, ...] = field(repr=False)
    offers: Offers = field(repr=False)
    callers: Mapping[str, Sequence[tuple[PluginRecord, Caller]]] = field(repr=False)
    packages: Mapping[str, str]
    errors: Mapping[str, BaseException]


def load_plugins(
    *, block: Collection[str], only: Collection[str] | None, where: str | None, path: Sequence[str] | None
) -> Loaded:
    """Find every plugin, import those that may be, and collect what they register.

    Args:
        where: what `only` was read from, for messages.

    Raises:
        PluginError: for a name in `block` or `only` that is no installed plugin's.
    """
    candidates = discover(path)
    _check_names(candidates, block, None, "block")
    _check_names(candidates, only or (), where, "use")
    manager = new_manager()
    working: list[tuple[PluginRecord, list[Any]]] = []
    refused: list[PluginRecord] = []
    errors: dict[str, BaseException] = {}
    # The plugin that is registered first is called last: the essential one after all others, those by name.
    for candidate in (candidates[0], *reversed(candidates[1:])):
        record = candidate.record()
        if reason := _unwanted(candidate, block, only, where):
            refused.append(replace(record, status="blocked", error=reason))
        elif candidate.api != API:
            refused.append(
                replace(record, status="incompatible", error=f"needs API {candidate.api}, host offers {API}")
            )
        elif rivals := _rivals(candidate, [other for other in candidates if not _unwanted(other, block, only, where)]):
            sides = " and ".join(f"{rival.distribution} {rival.version}" for rival in rivals)
            refused.append(replace(record, status="clash", error=f"{sides} brings a plugin of this name too"))
        else:
            try:
                working.append(_load(manager, candidate, record))
            except (Exception, SystemExit) as error:
                # Without the essential plugin nothing works, and its failure is no matter for a user to settle.
                if _is_essential(candidate):
                    raise
                errors[record.name] = error
                what = str(error) if isinstance(error, SeamError) else describe(error, candidate.package)
                refused.append(replace(record, status="broken", error=what))
    for record, what in clashing_heads(working):
        # As a whole, since none of its heads' scores can be trusted: each would need to be looked at.
        manager.unregister(name=record.name)
        working = [pair for pair in working if pair[0] is not record]
        errors[record.name] = SeamError(what)
        refused.append(replace(record, status="broken", error=what))
    records, offers = merge(sorted(working, key=lambda pair: _place(pair[0])))
    by_name = {record.name: record for record in records}
    return Loaded(
        records=tuple(sorted([*records, *refused], key=_place)),
        offers=offers,
        callers=MappingProxyType({hook: _callers(manager, hook, by_name) for hook in HOOKS}),
        packages=MappingProxyType({candidate.name: candidate.package for candidate in candidates}),
        errors=MappingProxyType(errors),
    )


def _load(manager: pluggy.PluginManager, candidate: Candidate, record: PluginRecord) -> tuple[PluginRecord, list[Any]]:
    plugin = candidate.entry_point.load()
    record = replace(record, hooks=register(manager, plugin, candidate.name))
    try:
        return record, collect(record, {hook: _alone(manager, hook, plugin) for hook in record.hooks})
    except BaseException:
        manager.unregister(plugin)
        raise


def _alone(manager: pluggy.PluginManager, hook: str, plugin: Any) -> Caller:
    others = [other for other in manager.get_plugins() if other is not plugin]
    caller: Caller = manager.subset_hook_caller(hook, others)
    return caller


def _callers(
    manager: pluggy.PluginManager, hook: str, records: Mapping[str, PluginRecord]
) -> tuple[tuple[PluginRecord, Caller], ...]:
    # pluggy calls the implementations from the last to the first.
    implementations = reversed(getattr(manager.hook, hook).get_hookimpls())
    plugins = dict.fromkeys((implementation.plugin_name, implementation.plugin) for implementation in implementations)
    return tuple((records[name], partial(_alone(manager, hook, plugin))) for name, plugin in plugins)


def _unwanted(
    candidate: Candidate, block: Collection[str], only: Collection[str] | None, where: str | None
) -> str | None:
    if _is_essential(candidate):
        return None
    if any(candidate.matches(name) for name in block):
        return f"--no-plugin {candidate.name}"
    if only is not None and not any(candidate.matches(name) for name in only):
        return f"not in {where}" if where else "not asked for"
    return None


def _rivals(candidate: Candidate, wanted: Sequence[Candidate]) -> list[Candidate]:
    """Plugins of other distributions with the same name; there are none that the essential plugin need fear."""
    if _is_essential(candidate):
        return []
    return [
        other
        for other in wanted
        if (other.name, other.api) == (candidate.name, candidate.api) and other.distribution != candidate.distribution
    ]


def _place(record: PluginRecord) -> tuple[bool, str, str]:
    return record.name != ESSENTIAL, record.name, record.distribution


def _is_essential(candidate: Candidate) -> bool:
    return (candidate.name, candidate.distribution) == (ESSENTIAL, "lect")


def _check_names(candidates: Sequence[Candidate], names: Collection[str], where: str | None, purpose: str) -> None:
    for name in names:
        matching = [candidate for candidate in candidates if candidate.matches(name)]
        if not matching:
            known = [candidate.name for candidate in candidates if candidate.name != ESSENTIAL]
            raise PluginError(f'there is no plugin "{name}" to {purpose}', where=where, fix=nearest(name, known))
        if purpose == "block" and all(_is_essential(candidate) for candidate in matching):
            raise PluginError(f'plugin "{name}" is a part of lect and cannot be blocked')
