"""`lect demo`: teaches the backbone a language that it cannot read, and shows what that is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.console import print_json, print_table, stderr_console, stdout_console
from lect.commands.options import JsonOption
from lect.files import write_aside

if TYPE_CHECKING:
    from lect.demo import DemoResult

app = typer.Typer(add_completion=False)

REPORT = "report.json"
"""Everything the demo found, in the demo's folder."""


@app.command()
def demo(
    ctx: typer.Context,
    language: Annotated[
        str, typer.Option("--language", "-l", help="A language of CLDR: nqo, chr, ff-Adlm, sat, Amharic, yo …")
    ] = "nqo",
    folder: Annotated[Path, typer.Option("--folder", help="Where components and runs are written.")] = Path(
        "lect-demo"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Teach a frozen model a language from names in CLDR, a task in English, and compose the two. No network."""
    host = load_host(ctx)
    from lect.demo import run_demo
    from lect.errors import UserError
    from lect.languages.tags import display_name

    try:
        name = display_name(language)
    except UserError:
        # What is no language tag may still be near a locale's name: the reader's error says which.
        name = language
    console = stderr_console()
    console.print(f"lect demo: teaching e5-small {name}\n")
    result = run_demo(language, folder, seed, host, console)
    summary = _summary(language, result)
    write_aside(folder / REPORT, json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
    if as_json:
        print_json(summary)
    else:
        _tell(name, language, folder, result)


def _tell(name: str, language: str, folder: Path, result: DemoResult) -> None:
    out = stdout_console()
    tag = language.replace("_", "-")
    held_out = result.retrieval.rows
    out.print(f"{result.unknown:.0%} of the tokens that e5-small cuts {name} into are unknown to it.", highlight=False)
    out.print(
        f"Language part: {result.language.parameters:,} parameters, {result.language.result.seconds:.0f} s. "
        f"Task part, from English terms only: {result.task_training.parameters:,} parameters, "
        f"{result.task_training.result.seconds:.0f} s."
    )
    out.print()
    rows = []
    for what, report in (
        (f"find a {name} term's English term among {result.candidates:,}: recall@1", result.retrieval),
        (f"say what kind of thing a {name} term names: macro-F1", result.task),
    ):
        whole, without = (variant.score(report.main) for variant in report.variants[:2])
        assert whole is not None and without is not None
        rows.append([what, f"{without.value:.1%}", f"{whole.value:.1%}", f"{whole.low:.1%} to {whole.high:.1%}"])
    print_table(
        [f"on {held_out} held-out terms", "without", f"with lang:{tag}", "95 % interval"],
        rows,
        right=["without", f"with lang:{tag}", "95 % interval"],
        narrow=["without", f"with lang:{tag}"],
        console=out,
    )
    components = folder / "components"
    out.print(f"\nParts: {components}/lang/{tag} and {components}/task/kind", soft_wrap=True)
    out.print(f"Figures: {folder / REPORT}", soft_wrap=True)
    out.print("Try next:")
    term = result.example
    commands = (
        f'lect predict --components {components} -s "lang:{tag} + task:kind" "{term}"',
        f"lect eval --components {components} -s lang:{tag} --reader cldr -o locale={language} -o part=test",
        "lect demo --language chr",
    )
    for command in commands:
        out.print(f"  {command}", soft_wrap=True, markup=False)


def _summary(language: str, result: DemoResult) -> dict[str, Any]:
    return {
        "language": language,
        "unknown_share": result.unknown,
        "seconds": {"language": result.language.result.seconds, "task": result.task_training.result.seconds},
        "parameters": {"language": result.language.parameters, "task": result.task_training.parameters},
        "components": {"language": str(result.language.folder), "task": str(result.task_training.folder)},
        "retrieval": json.loads(result.retrieval.to_json()),
        "task": json.loads(result.task.to_json()),
    }
