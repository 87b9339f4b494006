"""The command line: finds a subcommand, runs it, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from lect.commands.console import complain, note, warn
from lect.deprecation import deprecation_of
from lect.errors import Interrupted, UserError, nearest
from lect.subcommands import COMMANDS
from lect.threads import wait_asleep

if TYPE_CHECKING:
    from lect.host import Host

FAILURE = 1
"""The exit code where the user gave something wrong, or a check did not pass."""
USAGE = 2
"""The exit code where the command line itself is wrong."""
UNEXPECTED = 70
"""The exit code of a fault in `lect` or a plugin (``EX_SOFTWARE``)."""
INTERRUPTED = 130
"""The exit code after Ctrl-C."""
MOST_MISTAKES = 20
"""Of the mistakes in one file, how many are printed."""


@dataclass(frozen=True)
class Settings:
    """What was said before the subcommand's name.

    Args:
        block: the plugins that are not to be imported.
        owns_process: whether the process runs this one command and ends.
    """

    block: tuple[str, ...] = ()
    owns_process: bool = False


def main() -> None:
    """Run the command line on the process's arguments, and exit."""
    wait_asleep()
    # What libraries are made of stays: looking through it for garbage while it grows takes a fifth of their import.
    gc.set_threshold(10_000, 10, 10)
    app(prog_name="lect", obj=Settings(owns_process=True))


def settings_in(ctx: typer.Context) -> Settings:
    """What was said before the subcommand's name, and how `lect` was started."""
    # What stands before a group's own command, such as --no-plugin, is kept at the root.
    root: Any = ctx.find_root()
    return root.obj if isinstance(root.obj, Settings) else Settings()


def load_host(ctx: typer.Context, *, tolerant: bool = False) -> Host:
    """The host with the plugins that the user wants, loaded once for the whole command line.

    Args:
        tolerant: as `Host.load` has it.
    """
    from lect.host import Host

    key = f"lect.host.{tolerant}"
    if key not in ctx.meta:
        ctx.meta[key] = Host.load(block=settings_in(ctx).block, report=warn, tolerant=tolerant)
    host: Host = ctx.meta[key]
    return host


class Deferred(TyperCommand):
    """A subcommand of which only name and summary are known until it is run.

    Args:
        load: gives its `typer.Typer`.
        attributed: a block for its code to run in, that names the plugin it is from in exceptions.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        load: Callable[[], Any],
        attributed: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        super().__init__(name=name, callback=None, help=summary, short_help=summary, rich_markup_mode=None)
        self._load = load
        self._attributed = attributed

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the subcommand proper, which runs in this one's place."""
        with self._attributed():
            command: Any = typer.main.get_command(self._load())
        command.name = self.name
        _plain(command)
        run = command.invoke

        def invoke(ctx: Any) -> Any:
            with self._attributed():
                return run(ctx)

        command.invoke = invoke
        return command.make_context(info_name, args, parent=parent, **extra)


class LazyGroup(TyperGroup):
    """Subcommands that are imported only when they are run; those that are not in the table are plugins'."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The subcommands that come with `lect`; plugins are not loaded for help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand of this name, from the table or a plugin; for an unknown one, usage ends."""
        if entry := COMMANDS.get(cmd_name):
            return Deferred(cmd_name, entry.summary, lambda: getattr(import_module(entry.module), entry.attribute))
        if cmd_name.startswith("-") or ctx.resilient_parsing:
            return None
        from lect.specs import CommandSpec

        host = load_host(ctx)
        if not host.claims(CommandSpec, cmd_name):
            known = [*COMMANDS, *host.specs(CommandSpec)]
            ctx.fail(f'there is no command "{cmd_name}"; {nearest(cmd_name, known)}')
        provided = host.provided(CommandSpec, cmd_name)
        spec = provided.spec
        return Deferred(spec.name, spec.summary, spec.load, partial(host.attributed, provided))

    def invoke(self, ctx: Any) -> None:
        """Run the subcommand; what it returns is no exit code."""
        # Here and not in the callback: a plugin's command is looked up before that runs.
        ctx.obj = replace(settings_in(ctx), block=tuple(ctx.params.get("no_plugin") or ()))
        try:
            with _warnings_printed():
                super().invoke(ctx)
        except Interrupted as stop:
            # A training within a command that has none to go on with.
            note(str(stop))
            raise typer.Exit(INTERRUPTED) from None
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit with the code; without `standalone_mode` exceptions pass and nothing exits."""
        arguments = _hoisted(sys.argv[1:] if args is None else args)
        run = partial(super().main, arguments, prog_name or "lect", complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        # Looking for plugins of pydantic, in every installed distribution, takes longer than many a command; lect has
        # none.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        try:
            code = run()
        except Exception as error:
            code = _explain(error) if _prints_messages() else FAILURE
        sys.exit(code or 0)


app = typer.Typer(
    cls=LazyGroup,
    name="lect",
    help="Teach a frozen multilingual model languages and tasks, one small part at a time.",
    epilog="Plugins may bring more commands: lect plugins --hook register_commands",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from lect.installed import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _globals(
    ctx: typer.Context,
    no_plugin: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Do not load this plugin (may be repeated).")
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions of what matters, and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _hoisted(args: Sequence[str]) -> list[str]:
    """The arguments with every ``--no-plugin NAME`` in front, where it counts wherever it was written."""
    front: list[str] = []
    rest: list[str] = []
    remaining = list(args)
    while remaining:
        argument = remaining.pop(0)
        if argument == "--":
            rest += [argument, *remaining]
            break
        if argument.startswith("--no-plugin="):
            front.append(argument)
        elif argument == "--no-plugin" and remaining:
            front += [argument, remaining.pop(0)]
        else:
            rest.append(argument)
    return [*front, *rest]


def _plain(command: Any) -> None:
    """Give a command and those under it the one look that `lect` has, and the same short option for help."""
    command.rich_markup_mode = None
    # A subcommand's own typer application offers them too, but they belong to the whole command line.
    command.params = [option for option in command.params if option.name not in _COMPLETION]
    command.context_settings = {"help_option_names": ["-h", "--help"], **(command.context_settings or {})}
    _warns_where_deprecated(command)
    for inner in getattr(command, "commands", {}).values():
        _plain(inner)


def _warns_where_deprecated(command: Any) -> None:
    """Let a command say a line where its help begins with that it is deprecated, or that of an option that is given."""
    told = deprecation_of(command.help)
    options = {each.name: found for each in command.params if (found := deprecation_of(getattr(each, "help", None)))}
    if told is None and not options:
        return
    run = command.invoke

    def invoke(ctx: Any) -> Any:
        if told is not None:
            warn(f"{ctx.command_path}: {told.remark}")
        for option in command.params:
            source = ctx.get_parameter_source(option.name)
            if option.name in options and source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
                warn(f"{option.opts[0]}: {options[option.name].remark}")
        return run(ctx)

    command.invoke = invoke


_COMPLETION = frozenset({"install_completion", "show_completion"})


@contextmanager
def _warnings_printed() -> Iterator[None]:
    """A block in which warnings of the library are printed, once each."""
    # Here and not above: help does without it.
    import logging

    said: set[str] = set()

    class Printed(logging.Handler):
        """Prints what is logged as commands print their own warnings."""

        def emit(self, record: logging.LogRecord) -> None:
            if (message := record.getMessage()) not in said:
                said.add(message)
                warn(message)

    logger, handler = logging.getLogger("lect"), Printed(logging.WARNING)
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _prints_messages() -> bool:
    """Whether to tell an error: of processes that train together one speaks for all."""
    size, rank = os.environ.get("WORLD_SIZE", "1"), os.environ.get("RANK", "0")
    if size == "1" or not (size.isdecimal() and rank.isdecimal()):
        return True
    from lect.training.distributed.processes import prints_messages

    return prints_messages()


def _explain(error: Exception) -> int:
    """Say what went wrong; the exit code."""
    if os.environ.get("LECT_TRACE") == "1":
        traceback.print_exception(error)
    if isinstance(error, UserError):
        mistakes = error.each
        for mistake in mistakes[:MOST_MISTAKES]:
            complain(str(mistake))
        if len(mistakes) > MOST_MISTAKES:
            complain(f"{len(mistakes) - MOST_MISTAKES:,} more mistakes")
        return FAILURE
    if isinstance(error, typer.Abort):
        complain("aborted")
        return FAILURE
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _explain_usage(error)
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        place = f"{error.filename}: " if error.filename else ""
        complain(f"{place}{(error.strerror or str(error)).lower()}")
        return FAILURE
    from lect.faults import keep_fault
    from lect.host.attribution import describe, plugin_blamed

    keep_fault(error, next((word for word in sys.argv[1:] if word in COMMANDS), ""))
    plugin = plugin_blamed(error)
    culprit = f" in plugin {plugin}" if plugin else ""
    remedies = ["LECT_TRACE=1 shows where", "lect doctor --report is for an issue"]
    if plugin and plugin != "builtin":
        remedies.append(f"--no-plugin {plugin} does without it")
    complain(f"unexpected{culprit}: {describe(error)}; {', '.join(remedies)}")
    return UNEXPECTED


_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


def _explain_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    ctx = getattr(error, "ctx", None)
    help_at = f"; see {ctx.command_path} --help" if ctx is not None else ""
    complain(f"{message[:1].lower()}{message[1:]}{help_at}")
    return int(error.exit_code)
