"""All that users and plugins may hold on to, a line each; what a release has stays until its deprecation ends.

    python tests/support/surface.py            writes tests/golden/surface/VERSION.txt, as part of a release
    python tests/support/surface.py --check    says what of the installed lect is not in there, and exits with 1

A line is a kind, a name, and after a tab the sentence of `lect.deprecation` where it is on its way out.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "golden" / "surface"
PUBLIC = (
    *("lect", "lect.cache", "lect.cli", "lect.data.files", "lect.exchange", "lect.files", "lect.languages"),
    "lect.locales",
    *(f"lect.backbones.{name}" for name in ("charsmap", "packaged", "protobuf", "sentencepiece")),
    *("lect.serving", "lect.testing", "lect.vocabulary"),
)
"""The modules whose names plugins and users may import."""


def surface() -> dict[str, str]:
    """What there is now, with its deprecation or ""."""
    from lect.host import Host

    host = Host.load(block=("affine",)) if _is_installed("lect_affine") else Host.load()
    return dict(sorted({**dict(_python()), **dict(_fields(host)), **dict(_commands(host)), **dict(_hooks())}.items()))


def text_of(found: dict[str, str]) -> str:
    """A surface as a file has it."""
    return "".join(f"{name}\t{told}\n" if told else f"{name}\n" for name, told in found.items())


def recorded() -> dict[str, dict[str, str]]:
    """The surfaces of releases by version, the oldest first."""
    from lect.versions import order

    found = {}
    for file in sorted(RECORDED.glob("*.txt"), key=lambda file: order(file.stem)):
        lines = file.read_text("utf-8").splitlines()
        found[file.stem] = {name: told for name, _, told in (line.partition("\t") for line in lines)}
    return found


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _python() -> Iterator[tuple[str, str]]:
    import lect

    for module in PUBLIC:
        owner = import_module(module)
        for name in sorted(getattr(owner, "__all__", None) or dir(owner)):
            if name.startswith("_") and name != "__version__":
                continue
            try:
                found = getattr(owner, name)
            except ImportError:
                continue
            if inspect.ismodule(found) or (not hasattr(owner, "__all__") and not _is_own(found, module)):
                continue
            told = lect._DEPRECATED.get(name, "") if owner is lect else ""
            yield from _named(f"{module}.{name}", found, told)


def _is_own(found: Any, module: str) -> bool:
    return module == "lect" or getattr(found, "__module__", module) == module


def _named(name: str, found: Any, told: str = "") -> Iterator[tuple[str, str]]:
    """A name; what is in a class, and what a function takes."""
    yield f"python {name}", told or getattr(found, "__deprecated__", "")
    if inspect.isclass(found):
        yield from _parameters(name, found)
        for owner in found.__mro__:
            if not owner.__module__.startswith("lect"):
                continue
            for member, inner in vars(owner).items():
                if member.startswith("_") or inspect.isclass(inner):
                    continue
                inner = getattr(inner, "fget", None) or getattr(inner, "__func__", inner)
                yield f"python {name}.{member}", getattr(inner, "__deprecated__", "")
                if inspect.isfunction(inner):
                    yield from _parameters(f"{name}.{member}", inner)
    elif inspect.isfunction(found):
        yield from _parameters(name, found)


def _parameters(name: str, found: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    from lect.deprecation import deprecation_of
    from lect.recipes.reference import told_in

    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return
    told = dict(told_in(found.__doc__ or ""))
    for parameter, each in parameters.items():
        is_named = each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY)
        if is_named and not parameter.startswith("_") and parameter not in ("self", "cls"):
            yield f"python {name}({parameter})", str(deprecation_of(told.get(parameter)) or "")


def _fields(host: Any) -> Iterator[tuple[str, str]]:
    from lect.recipes.reference import plugin_tables, recipe_tables

    for table in (*recipe_tables(), *plugin_tables(host)):
        for field in table.fields:
            yield f"field [{table.name}] {field.name}", field.deprecated


def _commands(host: Any) -> Iterator[tuple[str, str]]:
    import typer

    from lect.specs import CommandSpec
    from lect.subcommands import COMMANDS

    for name, entry in COMMANDS.items():
        load = getattr(import_module(entry.module), entry.attribute)
        yield from _options(f"lect {name}", typer.main.get_command(load))
    for name, provided in host.specs(CommandSpec).items():
        yield from _options(f"lect {name}", typer.main.get_command(provided.spec.load()))


def _options(name: str, command: Any) -> Iterator[tuple[str, str]]:
    from lect.deprecation import deprecation_of

    yield f"command {name}", str(deprecation_of(command.help) or "")
    for option in command.params:
        if option.param_type_name == "option" and option.name not in ("install_completion", "show_completion", "help"):
            told = str(deprecation_of(option.help) or "")
            yield from ((f"option {name} {each}", told) for each in (*option.opts, *option.secondary_opts))
    for inner, each in getattr(command, "commands", {}).items():
        yield from _options(f"{name} {inner}", each)


def _hooks() -> Iterator[tuple[str, str]]:
    from lect import hookspecs
    from lect.host.records import HOOKS, deprecation_of_hook

    for hook in HOOKS:
        yield f"hook {hook}", str(deprecation_of_hook(hook) or "")
        arguments = getattr(hookspecs, hook).lect_spec["warn_on_impl_args"] or {}
        for argument in inspect.signature(getattr(hookspecs, hook)).parameters:
            yield f"hook {hook}({argument})", str(arguments.get(argument, ""))


def main() -> int:
    """Write, or check, what the version at hand has."""
    from lect.versions import __version__

    file = RECORDED / f"{__version__}.txt"
    if "--check" not in sys.argv:
        file.write_text(text_of(surface()), "utf-8")
        return 0
    known = recorded().get(__version__, {})
    if lacking := [name for name in surface() if name not in known]:
        print(f"{file.name} lacks {len(lacking)} lines, such as: {lacking[0]}; python {Path(__file__).name} writes it")
    return bool(lacking)


if __name__ == "__main__":
    sys.exit(main())
