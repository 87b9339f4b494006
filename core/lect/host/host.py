"""The host: every installed plugin, what each provides, and the calls of their hooks."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lect.errors import PluginError, nearest
from lect.host import attribution
from lect.host.bundled import bundled
from lect.host.loading import Caller, Loaded, load_plugins
from lect.host.records import ESSENTIAL, HOOKS, Configured, PluginRecord, Provided
from lect.spec import ConfiguredSpec, Spec
from lect.specs import CommandSpec, Problem
from lect.subcommands import COMMANDS
from lect.validation import validate_model
from lect.visible import visible

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.composition.stack import Stack

Report = Callable[[str], None]
"""Told, in one line, of a plugin's failure that stops nothing."""

AnySpec = TypeVar("AnySpec", bound=Spec)
WithConfig = TypeVar("WithConfig", bound=ConfiguredSpec)


class Host:
    """Every installed plugin and what it provides; made by `Host.load`.

    Args:
        loaded: the plugins.
        report: told of failures that stop nothing.
    """

    def __init__(self, loaded: Loaded, report: Report) -> None:
        self._loaded = loaded
        self._report = report
        self._reported: set[tuple[str, str]] = set()

    @classmethod
    def load(
        cls,
        *,
        block: Collection[str] = (),
        only: Collection[str] | None = None,
        path: Sequence[str] | None = None,
        report: Report | None = None,
        tolerant: bool = False,
    ) -> Host:
        """Find, import and ask every plugin.

        Args:
            block: names of plugins, or of their distributions, that are not to be imported.
            only: the plugins to import beside the essential one; by default those that the environment variable
                ``LECT_PLUGINS`` names (``a,b``; empty for none), and all where it is not set.
            path: folders to look for installed distributions in instead of `sys.path`; what they hold must be
                importable.
            report: told of a broken plugin that nobody asked for, and of observers that fail; by default a line
                on standard error.
            tolerant: whether broken plugins are only recorded: neither reported nor, where asked for, an error.

        Raises:
            PluginError: for a plugin in `only` that is not installed or does not work, and for one in `block` that
                is not installed or is essential.
        """
        asked, where = _asked(only)
        loaded = load_plugins(block=block, only=asked, where=where, path=path)
        host = cls(loaded, report or _to_stderr)
        if not tolerant:
            host._complain(asked or (), where)
        return host

    # ------------------------------------------------------------------------------------------------- what there is

    @property
    def plugins(self) -> tuple[PluginRecord, ...]:
        """A record of every installed plugin, whatever became of it."""
        return self._loaded.records

    def specs(self, kind: type[AnySpec]) -> Mapping[str, Provided[AnySpec]]:
        """Every usable spec of a class, by name, in alphabetical order."""
        offered = self._loaded.offers[kind]
        return {name: offered[name][0] for name in sorted(offered) if self._usable(kind, name)}

    def claims(self, kind: type[AnySpec], name: str) -> tuple[Provided[AnySpec], ...]:
        """Every plugin's spec of this class and name: more than one where plugins clash over it."""
        return self._loaded.offers[kind].get(name, ())

    def offers(self, plugin: PluginRecord, kind: type[AnySpec]) -> tuple[AnySpec, ...]:
        """The specs of a class that one plugin registered, those that clash with another's too."""
        return tuple(
            provided.spec
            for claims in self._loaded.offers[kind].values()
            for provided in claims
            if provided.plugin.name == plugin.name
        )

    def provided(self, kind: type[AnySpec], name: str) -> Provided[AnySpec]:
        """The spec of this class and name, with the plugin that provides it: ``host.provided(MethodSpec, "lora")``.

        Raises:
            PluginError: where no plugin, only one that does not work, or more than one provides it; the message says
                what to install, mend or block.
        """
        if self._usable(kind, name):
            return self.claims(kind, name)[0]
        raise self._missing(kind, name)

    def spec(self, kind: type[AnySpec], name: str) -> AnySpec:
        """The spec alone of what `provided` gives. Raises as it does."""
        return self.provided(kind, name).spec

    def configured(
        self, kind: type[WithConfig], name: str, values: Mapping[str, Any], where: str
    ) -> Configured[WithConfig]:
        """The spec of this class and name, and its configuration, read from a mapping.

        To use it: ``with host.attributed(configured) as spec: spec.build(configured.config, …)``.

        Args:
            where: the file and the path inside it, such as ``recipe.toml, part[0]``, for messages.

        Raises:
            PluginError: as `provided` does.
            RecipeError: for a wrong field, with its path and the nearest valid name.
        """
        provided = self.provided(kind, name)
        with self.attributed(provided) as spec:
            return Configured(spec, provided.plugin, validate_model(spec.config, values, where))

    @contextmanager
    def attributed(self, provided: Provided[AnySpec]) -> Iterator[AnySpec]:
        """A block that runs a spec's own code: an exception in it gets a note that names the plugin.

        Gives the spec: ``with host.attributed(host.provided(MethodSpec, "lora")) as spec: spec.build(...)``.
        """
        with attribution.attributed(provided.plugin, provided.spec.hook):
            yield provided.spec

    # ------------------------------------------------------------------------------------------------- calls of hooks

    def check_composition(self, stack: Stack, backbone: Backbone) -> list[tuple[Problem, PluginRecord]]:
        """Every plugin's reasons against a stack.

        Raises:
            PluginError: for a plugin that returns something else than problems.
            Exception: whatever a plugin's own code raises, with a note.
        """
        found: list[tuple[Problem, PluginRecord]] = []
        for record, call in self._callers("lect_check_composition"):
            with attribution.attributed(record, "lect_check_composition"):
                problems = [problem for result in call(stack=stack, backbone=backbone) for problem in result]
            if wrong := next((problem for problem in problems if not isinstance(problem, Problem)), None):
                raise PluginError(
                    f"lect_check_composition of {record.label} gave a {type(wrong).__name__} where a Problem is due",
                    fix=_without(record),
                )
            found += [(problem, record) for problem in problems]
        return found

    def resolve_component(self, reference: str) -> Path | None:
        """The folder that the first plugin to know it gives for a reference such as ``lang:jav``.

        Raises:
            PluginError: for a plugin that returns something else than a path.
            Exception: whatever a plugin's own code raises, with a note.
        """
        for record, call in self._callers("lect_resolve_component"):
            with attribution.attributed(record, "lect_resolve_component"):
                folder = call(reference=reference)
            if isinstance(folder, Path):
                return folder
            if folder is not None:
                raise PluginError(
                    f"lect_resolve_component of {record.label} gave a {type(folder).__name__} where a Path is due",
                    fix=_without(record),
                )
        return None

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin of an event in a run's life, such as ``lect_step_finished``.

        No plugin's failure stops the run or keeps the others from being told; the first one of each plugin and hook is
        reported. An interruption (Ctrl-C) is passed on once all have been told.
        """
        interruption: BaseException | None = None
        for record, call in self._callers(hook):
            try:
                with attribution.attributed(record, hook):
                    call(**arguments)
            except (Exception, SystemExit) as error:
                self._report_once(record, hook, error)
            except BaseException as error:
                interruption = interruption or error
        if interruption is not None:
            raise interruption

    # ------------------------------------------------------------------------------------------------------- complaints

    def _callers(self, hook: str) -> Sequence[tuple[PluginRecord, Caller]]:
        if hook not in HOOKS:
            raise ValueError(f'there is no hook "{hook}"; {nearest(hook, HOOKS)}')
        return self._loaded.callers.get(hook, ())

    def _report_once(self, record: PluginRecord, hook: str, error: BaseException) -> None:
        if (record.name, hook) in self._reported:
            return
        self._reported.add((record.name, hook))
        package = self._loaded.packages.get(record.name)
        line = (
            f"{record.label} failed in {hook}: {attribution.describe(error, package)}; "
            "the run goes on, and its later failures there are not shown"
        )
        if os.environ.get("LECT_TRACE") == "1":
            line += "\n" + "".join(traceback.format_exception(error)).rstrip()
        self._report(line)

    def _complain(self, asked: Collection[str], where: str | None) -> None:
        for record in self.plugins:
            if record.status not in ("broken", "incompatible", "clash"):
                continue
            # Of a plugin that shares one name of a spec with another, all the rest works.
            if record.status == "clash" and record.hooks:
                continue
            if record.name in asked or record.distribution in asked:
                raise PluginError(
                    f"{record.label} {_state(record)}", where=where, fix="mend it, or do not ask for it"
                ) from self._loaded.errors.get(record.name)
            if record.status != "incompatible":
                self._report(f"{record.label} {_state(record)}; {_without(record)}")

    def _usable(self, kind: type[Spec], name: str) -> bool:
        return len(self.claims(kind, name)) == 1 and (kind is not CommandSpec or name not in COMMANDS)

    def _missing(self, kind: type[Spec], name: str) -> PluginError:
        if claims := self.claims(kind, name):
            sides = " and ".join([provided.plugin.label for provided in claims])
            remedies = [
                f"lect --no-plugin {provided.plugin.name}" for provided in claims if provided.plugin.name != ESSENTIAL
            ]
            return PluginError(f'{kind.kind} "{name}" comes from {sides}', fix=f"use {' or '.join(remedies)}")
        distribution = bundled().get((kind.kind, name))
        for record in self.plugins:
            if record.distribution != distribution or record.status == "ok":
                continue
            error = PluginError(
                f'{kind.kind} "{name}" comes from {record.label}, which {_state(record)}',
                fix=f"reinstall it: pip install --force-reinstall {distribution}"
                if record.status == "broken"
                else None,
            )
            error.__cause__ = self._loaded.errors.get(record.name)
            return error
        what = f'no plugin provides {kind.kind} "{name}"'
        if distribution is not None:
            return PluginError(what, fix=f"try: pip install {distribution}")
        known = {*self.specs(kind), *(other for family, other in bundled() if family == kind.kind)}
        unusable = [record.name for record in self.plugins if record.status not in ("ok", "clash")]
        aside = f" (not in use: {', '.join(unusable)}; see lect plugins)" if unusable else ""
        return PluginError(what + aside, fix=nearest(name, known))


def _asked(only: Collection[str] | None) -> tuple[Collection[str] | None, str | None]:
    if only is not None:
        return only, None
    setting = os.environ.get("LECT_PLUGINS")
    if setting is None:
        return None, None
    return [name.strip() for name in setting.split(",") if name.strip()], "LECT_PLUGINS"


def _state(record: PluginRecord) -> str:
    return {
        "broken": f"is broken: {record.error}",
        "blocked": f"is blocked ({record.error})",
        "incompatible": f"cannot be used: it {record.error}",
        "clash": f"cannot be used: {record.error}",
    }.get(record.status, "works")


def _without(record: PluginRecord) -> str:
    # Of two plugins of one name, the name would block both.
    shared = record.status == "clash" and not record.hooks
    return f"to do without it: lect --no-plugin {record.distribution if shared else record.name}"


def _to_stderr(line: str) -> None:
    print(f"warning: {visible(line)}", file=sys.stderr)
