"""What `lect predict` and `lect embed` share: their options, and rows that are answered while they are read."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.app import load_host, settings_in
from lect.commands.console import note, stderr_console, warn
from lect.commands.options import settings_of, source_of, with_auto
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.data.dataset import Source
    from lect.data.examples import Example
    from lect.host import Host
    from lect.literals import ComputePrecision
    from lect.storage.library import Library
    from lect.streams.formats import Format
    from lect.streams.rows import RowsDigest, StackChoice, StreamRow
    from lect.streams.run import Summary, Work
    from lect.streams.worker import Answered, StreamTask, WorkerSettings

DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", "-d", help="Read texts from a file, a folder or - (standard input) instead. Repeatable."),
]
StackForOption = Annotated[
    list[str] | None,
    typer.Option(
        "--stack-for", help="The stack for rows of a language, such as jv=lang:jav+task:sentiment. Repeatable."
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", help="Write answers to this file, which appears when all are there.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the answers that an interrupted process has left.")
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="Where the model runs, such as cpu or cuda:1; by default the first GPU.")
]
OnOption = Annotated[
    str, typer.Option("--on", help="Where rows are answered: local, ray, or what else a plugin brings.")
]
OnSettingsOption = Annotated[
    list[str] | None,
    typer.Option("--on-option", help="A setting of that place, such as address=auto. Repeatable."),
]
BatchTokensOption = Annotated[
    int | None, typer.Option("--batch-tokens", min=1, help="The most tokens of a batch, padding included.")
]


@dataclass(frozen=True)
class Request:
    """What is to be answered, how, and where the answers go.

    Args:
        rows: with their stacks, as they are read.
        source: where they are from; None where they were given on the command line.
        print_answers: prints a stretch of answers, where no file is named.
        on: the executor that answers them; ``local`` for this process.
        on_options: its settings.
    """

    host: Host
    rows: Iterator[StreamRow]
    source: Source | None
    choice: StackChoice
    settings: WorkerSettings
    form: Format | None
    output: Path | None
    resume: bool
    print_answers: Callable[[Answered], None]
    on: str = "local"
    on_options: Sequence[str] = ()


def have_stacks(option: Sequence[str] | None) -> bool:
    """Whether rows name their own stacks, as ``-o stack=COLUMN`` says."""
    return any(each.partition("=")[0].strip() == "stack" for each in option or ())


def import_to_read(ctx: typer.Context) -> None:
    """Where this process does nothing else, import no more of `transformers` than answering takes."""
    if settings_in(ctx).owns_process:
        from lect.backbones.light import import_transformers_to_read

        import_transformers_to_read()


def stream(
    ctx: typer.Context,
    task: StreamTask,
    given: Sequence[Example],
    *,
    data: list[str] | None,
    reader: str | None,
    option: list[str] | None,
    stack: str,
    stack_for: Sequence[str] | None,
    language: str | None,
    nearest: int,
    settings: WorkerSettings,
    form: Format | None,
    output: Path | None,
    resume: bool,
    print_answers: Callable[[Answered], None],
    on: str,
    on_options: Sequence[str] | None,
) -> None:
    """Answer what the options name; `given` are texts of the command line, in the place of data.

    Raises:
        UserError: something that is named is wrong; what was answered before is printed or kept.
    """
    host = load_host(ctx)
    from lect.streams.rows import read_rows, with_empty_rows

    choice = _stack_choice(
        stack,
        stack_for,
        lambda text, tag: _with_language(text, tag or language, nearest, settings.library),
        needed=not have_stacks(option),
    )
    source = None
    if given:
        rows: Iterator[StreamRow] = ((example, choice.of(example)) for example in given)
    else:
        source = with_empty_rows(host, source_of(host, data, reader, option))
        rows = read_rows(host, source, choice, "--data")
    settings = replace(settings, origins=not given, block=settings_in(ctx).block, precision=_precision(settings, on))
    _answer(Request(host, rows, source, choice, settings, form, output, resume, print_answers, on, on_options or ()))


def _precision(settings: WorkerSettings, on: str) -> ComputePrecision:
    """What ``auto`` is here: a later process that goes on with the answers takes the same."""
    if settings.precision != "auto":
        return settings.precision
    if on != "local":
        fix = "name one, such as bfloat16"
        raise UserError("the fastest precision may be another on each machine", where="--precision auto", fix=fix)
    from lect.backbones.precision import resolve_precision
    from lect.device import default_device, device_named

    return resolve_precision("auto", default_device() if settings.device is None else device_named(settings.device))


def _with_language(stack: str, language: str | None, nearest: int, library: Library) -> str:
    """The stack with components in the place of ``lang:auto``; where no language is named, each text gets its own."""
    if language is None and nearest == 1:
        return stack
    return with_auto(stack, language, nearest, library)


def _stack_choice(
    stack: str, stack_for: Sequence[str] | None, resolve: Callable[[str, str | None], str], *, needed: bool
) -> StackChoice:
    """Which stack each row goes through, as ``--stack`` and ``--stack-for`` say.

    Args:
        resolve: gives the stack for texts of a language, None where it is not named.
        needed: whether rows have no stacks of their own.

    Raises:
        UserError: an option is no LANGUAGE=STACK.
    """
    from lect.languages.tags import normalise
    from lect.streams.rows import StackChoice

    by_language: dict[str, str] = {}
    for given in stack_for or ():
        language, equals, own = given.partition("=")
        if not equals or not own.strip():
            raise UserError(
                f'"{given}" is no LANGUAGE=STACK',
                where="--stack-for",
                fix="write it as jv=lang:jav+task:sentiment, say",
            )
        try:
            tag = normalise(language.strip())
        except UserError as error:
            raise error.at(UserError, lambda _: "--stack-for") from None
        if tag in by_language:
            raise UserError(f'two stacks are given for "{tag}"', where="--stack-for", fix="take one of them out")
        by_language[tag] = resolve(own.strip(), tag)
    default = resolve(stack, None) if stack or (needed and not by_language) else None
    return StackChoice(default, by_language)


def _answer(request: Request) -> None:
    """Answer the rows, and print what they are answered with or write it to the file.

    Raises:
        UserError: a row, a stack or the file is wrong; what was answered before is printed or kept.
    """
    from lect.streams.rows import RowsDigest
    from lect.streams.run import Summary

    digest, summary = RowsDigest(), Summary()
    if request.output is None:
        if request.resume:
            raise UserError("--resume goes on with a file", fix="name it with --output")
        with _pipe_may_close():
            _run(request, digest, summary, request.print_answers)
    else:
        _write_file(request, request.output, digest, summary)
    for line in summary.remarks:
        warn(line)


def _write_file(request: Request, output: Path, digest: RowsDigest, summary: Summary) -> None:
    from lect.streams.run import components_of
    from lect.streams.unfinished import unfinished

    form, settings, source = request.form, request.settings, request.source
    if output.is_symlink():
        output = output.resolve()
    assert form is not None
    command = {
        "task": settings.task,
        "format": form.name,
        "stack": request.choice.default,
        "stacks": request.choice.by_language,
        "components": components_of(request.choice, settings.library),
        "backbone": settings.backbone,
        "precision": settings.precision,
        "exact": settings.exact,
        "normalize": settings.normalize,
        "reader": source.reader if source else "",
        "data": source.config if source else {},
    }
    comparable = json.loads(json.dumps(command, default=str))
    with unfinished(output, comparable, resume=request.resume, start=form.start) as file:
        if file is None:
            note(f"{output} is complete: there is nothing to go on with")
            return
        if not file.is_complete:
            if file.rows:
                digest.skip(request.rows, file.rows, file.sha256, str(source))
                note(f"{file.rows:,} rows are answered already")

            def write(answered: Answered) -> None:
                file.add(form.encode(answered.answers), digest.rows, digest.sha256)

            try:
                _run(request, digest, summary, write)
            except BaseException:
                if file.rows:
                    note(f"{file.rows:,} rows are answered; the same command with --resume goes on behind them")
                raise
        file.finish(form.make)


def _run(request: Request, digest: RowsDigest, summary: Summary, write: Callable[[Answered], None]) -> None:
    from lect.streams.ahead import as_they_come
    from lect.streams.rows import MOST_AT_ONCE, in_stretches, is_live
    from lect.streams.run import answer_rows

    live = request.source is not None and is_live(request.source)
    rows, known = request.rows, request.choice.known
    if not (live and known):
        # What is wrong with the data is said before a model is loaded.
        first = next(rows, None)
        if first is None:
            return
        rows = chain([first], rows)
        known = known or (first[1],)
    settings = replace(request.settings, stack=known[0])
    most = max(MOST_AT_ONCE, (settings.tokens_per_batch or 0) // 8)
    here = request.on == "local"
    work = _local(request.host, settings) if here else _elsewhere(request, settings, digest.rows, most)
    with _progress(request, digest.rows) as advance:

        def written(answered: Answered) -> None:
            write(answered)
            advance(len(answered.answers))

        stretches = as_they_come(rows, most) if live else in_stretches(rows, most)
        answer_rows(stretches, work, written, digest, summary)


def _local(host: Host, settings: WorkerSettings) -> Work:
    """Answers rows in this process."""
    with stderr_console().status("Loading"):
        worker = settings.open(host)
    for line in worker.opened.notices:
        note(line)

    def work(stretches: Iterator[list[StreamRow]]) -> Generator[Answered, None, None]:
        yield from map(worker, stretches)

    return work


def _elsewhere(request: Request, settings: WorkerSettings, skipped: int, most: int) -> Work:
    """Answers rows on a cluster, whose machines read them, too.

    Args:
        skipped: rows that are answered already.
    """
    from lect.runs import StreamWork
    from lect.specs import ExecutorSpec
    from lect.streams.elsewhere import SourceStretches, WorkerElsewhere, answered_elsewhere
    from lect.streams.rows import is_live

    on, source = request.on, request.source
    configured = request.host.configured(ExecutorSpec, on, settings_of(list(request.on_options)), f"--on {on}")
    if configured.spec.answer is None:
        raise UserError(f'rows are not answered on "{on}"', where=f"--on {on}", fix="leave --on out")
    if source is None or is_live(source):
        what = "texts of the command line" if source is None else "standard input and pipes"
        raise UserError(f"{what} are read here alone", where=f"--on {on}", fix="name a file with --data")
    folder = Path.cwd()
    items = SourceStretches(folder, source, request.choice, skipped, most, settings.block)
    return answered_elsewhere(request.host, configured, StreamWork(items, WorkerElsewhere(folder, settings)))


@contextmanager
def _progress(request: Request, done: int) -> Iterator[Callable[[int], None]]:
    """A block with a bar on standard error, where that is a terminal that nothing else is printed on."""
    if not sys.stderr.isatty() or (request.output is None and sys.stdout.isatty()) or request.source is None:
        yield lambda rows: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from lect.streams.total import expected_rows

    source = request.source
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[rows]} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=stderr_console(), transient=True) as bar:
        line = bar.add_task("", total=None, completed=done, rows=f"{done:,}", rate="")

        def count() -> None:
            total = expected_rows(source)
            bar.update(line, total=total)

        # A long file takes seconds to count.
        threading.Thread(target=count, daemon=True).start()

        def advance(rows: int) -> None:
            bar.advance(line, rows)
            task = bar.tasks[0]
            # Lines are no more than what rows are expected by.
            total = None if task.total is None else max(task.total, task.completed)
            of_all = "" if total is None else f" of {total:,.0f}"
            rate = (task.completed - done) / max(task.elapsed or 0.0, 1e-3)
            bar.update(line, total=total, rows=f"{task.completed:,.0f}{of_all}", rate=f"{rate:,.0f} rows/s")

        yield advance


@contextmanager
def _pipe_may_close() -> Iterator[None]:
    """A block that ends quietly where nobody reads what it prints any more, as behind ``| head``."""
    try:
        yield
    except BrokenPipeError:
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_CLOSED_PIPE) from None


_CLOSED_PIPE = 141
"""The exit code that shells know a closed pipe by."""
