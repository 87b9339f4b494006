"""Loads one plugin and holds it to the rules of the seam."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from lect import hookspecs
from lect.errors import nearest
from lect.host.attribution import one_line
from lect.host.records import HOOKS


class SeamError(Exception):
    """A rule of the seam that a plugin breaks."""


def new_manager() -> pluggy.PluginManager:
    """A manager that knows every hook of `lect` and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def register(manager: pluggy.PluginManager, plugin: Any, name: str) -> tuple[str, ...]:
    """Add a loaded plugin to the manager.

    Returns:
        The full names of the hooks it implements.

    Raises:
        SeamError: for a hook, or an argument of one, that does not exist, and for anything else that `pluggy` refuses.
    """
    hooks = {hook for attribute in dir(plugin) if (hook := _hook_of(manager, plugin, attribute))}
    try:
        manager.register(plugin, name)
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.get_plugin(name) is plugin:
            manager.unregister(plugin)
        raise SeamError(one_line(str(error))) from error
    return tuple(hook for hook in HOOKS if hook in hooks)


def _hook_of(manager: pluggy.PluginManager, plugin: Any, attribute: str) -> str | None:
    options = manager.parse_hookimpl_opts(plugin, attribute)
    if options is None:
        function = getattr(plugin, attribute, None) if attribute in HOOKS else None
        if function is not None and not hasattr(function, "lect_spec"):
            raise SeamError(f"{attribute} lacks its decorator, @lect.hookimpl")
        return None
    hook = options.get("specname") or attribute
    if hook not in HOOKS:
        if options.get("optionalhook"):
            return None
        raise SeamError(f'there is no hook "{hook}"; {nearest(hook, HOOKS)}')
    if options.get("wrapper") or options.get("hookwrapper"):
        raise SeamError(f"{hook} is a wrapper; hooks of lect are called plugin by plugin and cannot be wrapped")
    _check_arguments(hook, getattr(plugin, attribute))
    return hook


def _check_arguments(hook: str, function: Any) -> None:
    known = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for argument in inspect.signature(function).parameters.values():
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise SeamError(
                f"{hook} takes *{argument.name}; name the arguments it needs, of: {', '.join(known) or 'none'}"
            )
        if argument.name not in known and argument.default is argument.empty:
            raise SeamError(f'{hook} has no argument "{argument.name}"; {nearest(argument.name, known)}')
        if argument.kind is argument.KEYWORD_ONLY and argument.default is argument.empty:
            raise SeamError(f'the argument "{argument.name}" of {hook} is keyword-only; drop the * before it')
