"""`lect search`, `pull`, `push` and `verify`: components from and for others."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import FAILURE
from lect.commands.console import echo, echo_json, print_json, print_table, shown_in, stderr_console, warn
from lect.commands.options import ComponentsOption, JsonOption, StackOption, library_of
from lect.errors import UserError, nearest

if TYPE_CHECKING:
    from lect.registry.opened import OpenRegistry
    from lect.registry.push import Key

search_app = typer.Typer(add_completion=False)
pull_app = typer.Typer(add_completion=False)
push_app = typer.Typer(add_completion=False)
lock_app = typer.Typer(add_completion=False)
verify_app = typer.Typer(add_completion=False)

RegistryOption = Annotated[
    list[str] | None,
    typer.Option("--registry", "-r", help="Look only in this registry (a name, folder or URL). Repeatable."),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine (LECT_OFFLINE=1).")]
SHOWN = 50
SEARCHED_AGAIN = 60.0
"""The seconds for which a search does not ask a server again."""


@search_app.command("search")
def search(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD]...", help="Texts that must occur; also names of languages.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="A language: mad, Madurese, or ff-Adlm.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only tasks with this word: sentiment.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="lang or task.")] = None,
    backbone: Annotated[str | None, typer.Option("--backbone", help="Its name, hub id or fingerprint.")] = None,
    plugins: Annotated[bool, typer.Option("--plugins", help="Search plugins, not components.")] = False,
    yanked: Annotated[bool, typer.Option("--yanked", help="Show what was withdrawn, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to print; 0 for all.")] = SHOWN,
    registry: RegistryOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find components, or plugins, in the registries."""
    from lect.api.registries import open_named
    from lect.registry.index import Query, canonical_tag

    if role is not None:
        from lect.composition.stack import ROLES

        if role not in ROLES:
            raise UserError(f'there is no role "{role}"', where="--role", fix=nearest(role, ROLES))
    opened = open_named(registry, offline, max_age=SEARCHED_AGAIN)
    if plugins:
        _print_plugins(opened, words or [], as_json)
        return
    tag = None if language is None else canonical_tag((each.index for each in opened), language)
    query = Query(tuple(words or ()), role, tag, task, backbone, yanked)
    found = [(each.name, record) for each in opened for record in each.index.search(query)]
    if not found:
        # That there is nothing is never told from memory.
        found = [(each.name, record) for each in open_named(registry, offline) for record in each.index.search(query)]
    if as_json:
        # The records are JSON already, and there may be ten thousand of them.
        records = (f'{{"registry": {json.dumps(name)}, {record[1:]}' for name, record in found)
        echo_json("[" + ",\n ".join(records) + "]")
    elif found:
        _print_found(found, limit)
    else:
        echo(f"Nothing found in {', '.join(each.name for each in opened)}.")
        if words and any(each.index.plugins(words) for each in opened):
            echo(f"Among plugins there is: lect search --plugins {shlex.join(words)}")
        if [each.name for each in opened] == ["bundled"]:
            echo("Add a registry with: lect registry add SOURCE")


@pull_app.command("pull")
def pull(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="REF...", help='Components: lang:mad, lang:mad@1.2, "lang:mad@^1".')
    ] = None,
    registry: RegistryOption = None,
    components: ComponentsOption = None,
    yanked: Annotated[bool, typer.Option("--yanked", help="Pull also what was withdrawn.")] = False,
    locked: Annotated[
        bool, typer.Option("--locked", help="Pull what a lock file (REF, else lect.lock) pins, by its hashes.")
    ] = False,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch components, check them, and put them where stacks find them."""
    from lect.api.registries import open_named, wanted_of
    from lect.registry.pull import pull as pull_one

    if locked:
        from lect.registry.lock import FILE, read_lock, wanted_by

        lock = read_lock(Path(references[0] if references else FILE))
        wanted = wanted_by(lock, open_named(registry, offline), library_of(components), warn)
        if not as_json:
            echo(f"stack: {lock.stack}")
    else:
        wanted = wanted_of(references or [], open_named(registry, offline), yanked, warn)
    with stderr_console().status("Pulling") as status:
        done = [pull_one(each, into=components, progress=shown_in(status)) for each in wanted]
    if as_json:
        print_json(
            [
                {
                    "component": each.entry.reference,
                    "registry": each.registry,
                    "folder": str(each.folder),
                    "fetched": each.fetched,
                    "was_there": each.was_there,
                }
                for each in done
            ]
        )
        return
    for each in done:
        # One that was named by its place has no other name than its folder's.
        named = registry[0].rstrip("/").rpartition("/")[2] if registry and len(registry) == 1 else each.registry
        how = "is there already" if each.was_there else f"from {named}, {_size(each.fetched)} fetched"
        echo(f"{each.entry.reference}  {how}\n  {each.folder}")


@push_app.command("push")
def push(
    references: Annotated[
        list[str], typer.Argument(metavar="REF...", help="Components: lang:mad, lang:mad@1.2 or ./folder.")
    ],
    to: Annotated[str, typer.Option("--to", help="A registry: its folder or git checkout, or its name.")],
    sign: Annotated[Path | None, typer.Option("--sign", help="Sign it with this secret key of minisign.")] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give components to a registry in a folder: their files and entries, ready for a pull request."""
    from lect.api.registries import atoms_of
    from lect.registry.listing import is_signed
    from lect.registry.push import push as push_one
    from lect.registry.push import registry_folder

    library, folder, key = library_of(components), registry_folder(to), key_of(sign)
    # All are found before the first is given.
    found = [library.find(atom) for atom in atoms_of(references)]
    done = [push_one(each, folder, key=key) for each in found]
    if stale := next((each for each in done if each.stale), None):
        place = shlex.quote(str(stale.registry))
        warn(f"the listing was signed, and no longer is: lect registry sign KEY --to {place}")
    if as_json:
        records = [
            {
                "component": pushed.entry.reference,
                "registry": str(pushed.registry),
                "folder": str(pushed.folder),
                "was_there": pushed.was_there,
                "signed": pushed.entry.signature is not None,
            }
            for pushed in done
        ]
        print_json(records if len(records) > 1 else records[0])
        return
    for pushed in done:
        signed = ", signed" if pushed.entry.signature else ""
        size = f"{len(pushed.entry.files)} files, {_size(pushed.entry.size)}"
        what = "is listed already" if pushed.was_there else size
        echo(f"{pushed.entry.reference}  {what}{signed}\n  {pushed.folder}")
    new = [each for each in done if not each.was_there]
    if new and (new[0].registry / ".git").exists():
        files = "registry.toml registry.toml.minisig" if is_signed(new[0].registry) else "registry.toml"
        places = " ".join(str(each.entry.place) for each in new)
        echo(f"Commit it with: git -C {new[0].registry} add {files} {places}")
    elif new:
        keys = " ".join(pushed.entry.reference.partition("@")[0] for pushed in new)
        echo(f"Others fetch it with:\n  lect pull {keys} --registry {shlex.quote(to)}")


@verify_app.command("verify")
def verify(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[REF]...", help="Components; all of them by default.")
    ] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that components are sound, and what was pulled is unchanged."""
    from lect.api.registries import atoms_of
    from lect.registry.record import read_record
    from lect.registry.verify import problems_of

    library = library_of(components)
    if references:
        folders = [(str(atom), library.find(atom)) for atom in atoms_of(references)]
    else:
        folders = [(listing.reference, listing.folder) for listing in library.all()]
    checked = []
    for name, folder in folders:
        problems = problems_of(folder)
        try:
            record = read_record(folder)
        except UserError:
            record = None
        checked.append(
            {
                "component": name,
                "folder": str(folder),
                "source": record.source if record else None,
                "signed": record.key if record else None,
                "problems": problems,
            }
        )
    if as_json:
        print_json(checked)
    else:
        for each in checked:
            _print_checked(each)
        if not checked:
            echo("There are no components to check.")
    if any(each["problems"] for each in checked):
        raise typer.Exit(FAILURE)


@lock_app.command("lock")
def lock(
    stack: StackOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("lect.lock"),
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pin a stack to the versions and hashes of its components: lect pull --locked fetches just these."""
    from lect.registry.lock import lock_stack, write_lock

    locked = lock_stack(stack, library_of(components))
    write_lock(locked, output)
    if as_json:
        print_json(locked.model_dump(mode="json", by_alias=True, exclude_none=True))
        return
    echo(f"{output}  {locked.stack}")


def _print_checked(checked: dict[str, Any]) -> None:
    if checked["problems"]:
        echo(f"{checked['component']}  is damaged")
        for problem in checked["problems"]:
            echo(f"  {problem}")
        return
    origin = f"as pulled from {checked['source']}" if checked["source"] else "made here; nothing to compare it with"
    signed = f", signed with {checked['signed']}" if checked["signed"] else ""
    echo(f"{checked['component']}  sound, {origin}{signed}")


def key_of(file: Path | None) -> Key | None:
    """What to sign with, its password asked for where it has one."""
    from lect.registry.push import Key
    from lect.registry.signing import is_encrypted

    if file is None:
        return None
    password = typer.prompt("Password of the key", hide_input=True, err=True) if is_encrypted(file) else None
    return Key(file, password)


def _print_found(found: list[tuple[str, str]], limit: int) -> None:
    several = len({name for name, _ in found}) > 1
    rows = []
    for name, record in found[: limit or None]:
        entry = json.loads(record)
        version = entry["version"] + (" (withdrawn)" if entry.get("yanked") else "")
        rows.append(
            (
                f"{entry['role']}:{entry['name']}",
                version,
                ", ".join(entry.get("languages", ())),
                entry["backbone"]["name"],
                entry.get("licence") or "none",
                _size(sum(file["size"] for file in entry["files"])),
                *((name,) if several else ()),
            )
        )
    columns = ("component", "version", "languages", "backbone", "licence", "size", *(("registry",) if several else ()))
    print_table(columns, rows, right=("size",), narrow=("version", "size"))
    if len(rows) < len(found):
        echo(f"{len(found) - len(rows):,} more: add words, or --limit 0 for all")


def _print_plugins(opened: list[OpenRegistry], words: list[str], as_json: bool) -> None:
    from lect.registry.index import Query

    found = [(each.name, entry) for each in opened for entry in each.index.plugins(words)]
    if as_json:
        print_json([{"registry": name, **entry.model_dump(mode="json")} for name, entry in found])
    elif not found:
        echo(f"No plugin found in {', '.join(each.name for each in opened)}.")
        if any(each.index.search(Query(tuple(words))) for each in opened):
            echo(f"Among components there is: lect search {shlex.join(words)}")
    else:
        rows = [(entry.distribution, entry.version, entry.licence, entry.summary) for _, entry in found]
        print_table(("plugin", "version", "licence", "summary"), rows, narrow=("plugin", "version"))


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
