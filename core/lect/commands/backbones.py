"""`lect backbones`: which there are, and what one is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, print_json, print_table, shown_in, stderr_console, warn
from lect.commands.options import JsonOption, listed
from lect.specs import BackboneSpec, CheckpointSpec

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def list_backbones(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the backbones known by a short name. Any Hugging Face encoder works too, by hub id or folder."""
    if ctx.invoked_subcommand is not None:
        return
    host = load_host(ctx)
    found = [(provided.spec, provided.plugin) for provided in host.specs(BackboneSpec).values()]
    if as_json:
        print_json(
            [
                {
                    "name": spec.name,
                    "summary": spec.summary,
                    "identity": spec.identity,
                    "licence": spec.licence,
                    "pooling": spec.pooling,
                    "prefix": spec.prefix,
                    "plugin": plugin.name,
                }
                for spec, plugin in found
            ]
        )
        return
    print_table(
        ["name", "what it is", "licence", "plugin"],
        [[spec.name, spec.summary, spec.licence, plugin.name] for spec, plugin in found],
        narrow=["name", "licence", "plugin"],
    )
    echo("Models of the Hugging Face hub work too, by their ids: encoders, decoders and the encoders of")
    echo("encoder-decoders. So does a folder that holds one.")
    if formats := ", ".join(host.specs(CheckpointSpec)):
        echo(f"Folders of other frameworks are converted when they are first used: {formats}.")


@app.command("show")
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A backbone's name, hub id or folder.")],
    as_json: JsonOption = False,
) -> None:
    """Load a backbone (converting it where that is needed) and say what it is."""
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.host.backbones import load_backbone

        backbone = load_backbone(name, host=host, progress=shown_in(status))
        embedding: Any = backbone.module(backbone.anatomy.word_embedding)
        facts: dict[str, Any] = {
            "name": backbone.name,
            "identity": backbone.identity,
            "revision": backbone.revision,
            "licence": backbone.licence,
            "fingerprint": backbone.fingerprint,
            "family": backbone.model.config.model_type,
            "kind": backbone.kind,
            "layers": len(backbone.anatomy.layers),
            "hidden_size": backbone.hidden_size,
            "parameters": sum(parameter.numel() for parameter in backbone.model.parameters()),
            "embedding_parameters": embedding.weight.shape.numel(),
            "pieces": len(backbone.tokenizer),
            "max_length": backbone.max_length,
            "pooling": backbone.pooling,
            "prefix": backbone.prefix,
        }
    if as_json:
        print_json(facts)
        return
    shown = {
        key.replace("_", " "): f"{value:,}" if isinstance(value, int) else str(value) for key, value in facts.items()
    }
    print_table(["", backbone.name], list(shown.items()))


@app.command("convert")
def convert(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="A folder that another framework wrote, such as fairseq.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a backbone that lies there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint of another framework as a folder that transformers loads.

    To use it with lect it need not be converted: name its folder as any backbone's.
    """
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.selection.conversion import convert_backbone

        done = convert_backbone(
            source,
            output,
            host,
            overwrite=overwrite,
            progress=shown_in(status),
        )
    for line in done.notices:
        warn(line)
    if as_json:
        print_json({**asdict(done), "folder": str(done.folder)})
        return
    echo(
        f"{done.folder} holds the {done.format} checkpoint as a model of type {done.family}, "
        f"{done.parameters:,} parameters, fingerprint {done.fingerprint[:12]}"
    )


@app.command("trim")
def trim(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A backbone's name, hub id or folder.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to write.")],
    languages: Annotated[
        str | None,
        typer.Option("--languages", "-l", help="The languages to keep: tags or English names, such as su,id,en."),
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="A text file whose tokens are kept. Repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a backbone that lies there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of a backbone with only the tokens that some languages use.

    With --languages alone every token in their scripts is kept, so that any text in them is cut as before. With --text
    only the tokens of those texts are, and every single character of the scripts. Components of the whole backbone
    work on the copy.
    """
    host = load_host(ctx)
    wanted = listed(languages)
    with stderr_console().status("Loading") as status:
        from lect.selection.trim import trim_backbone

        report = trim_backbone(
            name,
            output,
            host,
            languages=wanted,
            files=tuple(text or ()),
            overwrite=overwrite,
            progress=shown_in(status),
        )
    if report.changed:
        warn(f"{report.changed:,} of {report.texts:,} lines are cut otherwise than by {report.parent}")
    if as_json:
        print_json({**asdict(report), "folder": str(report.folder)})
        return
    before, after = report.before, report.after
    sizes = [
        ("pieces", before.tokens, after.tokens),
        ("parameters", before.parameters, after.parameters),
        ("MB in float32", before.bytes / 1e6, after.bytes / 1e6),
    ]
    print_table(
        ["", report.parent, str(report.folder), "kept"],
        [[label, f"{whole:,.0f}", f"{kept:,.0f}", f"{kept / whole:.1%}"] for label, whole, kept in sizes],
        right=[report.parent, str(report.folder), "kept"],
    )
    if report.scripts:
        what = "every single character" if text else "every token"
        echo(f"Kept is {what} of the scripts {', '.join(report.scripts)}.")
    if text:
        echo(f"{report.texts - report.changed:,} of {report.texts:,} lines are cut as before.")


@app.command("recommend")
def recommend(
    ctx: typer.Context,
    text: Annotated[list[Path], typer.Option("--text", help="A text file in your language. Repeatable.")],
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Its tag or English name, such as bm.")
    ] = None,
    task: Annotated[
        str, typer.Option("--task", help="What for: classification, retrieval, tagging or qa.")
    ] = "classification",
    memory: Annotated[str | None, typer.Option("--memory", help="The memory there is for training: 4GB, say.")] = None,
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", help="A folder or hub id to measure, too. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rank backbones for your language, on your own text.

    Those on this machine are measured: the share of unknown tokens, and tokens per word. Well-known models of the hub
    are listed beside by what their authors state, and measured where they share a tokenizer with one that is here.
    """
    from lect.errors import UserError, nearest

    tasks = ("classification", "retrieval", "tagging", "qa")
    if task not in tasks:
        raise UserError(f'there is no task "{task}" to recommend for', where="--task", fix=nearest(task, tasks))
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.selection import recommend as advice

        limit = advice.bytes_of(memory) if memory else None
        ranked, passed = advice.recommend(
            advice.sample_of(text),
            host,
            language=language,
            task=task,  # type: ignore[arg-type]
            memory=limit,
            also=tuple(candidate or ()),
            progress=shown_in(status),
        )
    for line in passed:
        warn(line)
    if as_json:
        print_json([asdict(each) for each in ranked])
        return
    reasons = list(dict.fromkeys(reason for each in ranked for reason in each.against))
    rows = []
    for each in ranked:
        cut = each.cut
        rows.append(
            [
                each.name,
                each.licence,
                f"{each.parameters / 1e6:,.0f}",
                f"{each.memory / 1e9:.1f}",
                f"{cut.unknown:.1%}" if cut else "?",
                f"{cut.per_word:.2f}" if cut else "?",
                f"{each.work / 1e6:,.0f}" if each.work else "?",
                " ".join("abcdefghij"[reasons.index(reason)] for reason in each.against),
            ]
        )
    numbers = ["M par.", "GB", "unk.", "p./word", "MFLOP"]
    print_table(["backbone", "licence", *numbers, "against"], rows, right=numbers, narrow=[*numbers, "licence"])
    for letter, reason in zip("abcdefghij", reasons, strict=False):
        echo(f"{letter}: {reason}")
    echo("GB: to train a small part, 16 rows of 128 tokens in float32, estimated.")
    echo("MFLOP: a word, estimated.")
    shared = sorted({each.cut.by for each in ranked if each.cut and not each.here})
    if shared:
        echo(f"Models not on this machine were measured by the tokenizer of {', '.join(shared)}.")
