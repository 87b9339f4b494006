"""`lect languages`: the languages of texts, and components near a language that has none of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, print_json, print_table, stderr_console
from lect.commands.options import BackboneOption, ComponentsOption, JsonOption, LocaleOption, library_of
from lect.counts import number_of
from lect.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def languages() -> None:
    """Know the language of a text, and find components for a language that has none of its own."""


@app.command("identify")
def identify(
    ctx: typer.Context,
    texts: Annotated[list[str], typer.Argument(help="The texts.")],
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say the language of texts, as `lang:auto` knows it.

    By the profiles that components bring, and by an identifier that is installed.
    """
    from lect.languages.tags import display_name
    from lect.selection.automatic import identifier_of

    found = list(map(identifier_of(library_of(components), load_host(ctx)), texts))
    if as_json:
        print_json(
            [
                {
                    "text": text,
                    "language": each.language,
                    "probability": each.probability,
                    "identified_by": each.by,
                    "others": dict(each.others),
                }
                for text, each in zip(texts, found, strict=True)
            ]
        )
        return
    rows = [
        [
            text,
            each.language or "",
            display_name(each.language) if each.language else "not known",
            f"{each.probability:.2f}" if each.language else "",
            each.by,
        ]
        for text, each in zip(texts, found, strict=True)
    ]
    print_table(["text", "tag", "language", "probability", "by"], rows, right=["probability"], narrow=["probability"])


@app.command("suggest")
def suggest(
    ctx: typer.Context,
    language: Annotated[str, typer.Argument(help="The language: a tag or its English name, such as bjn or Banjar.")],
    text: Annotated[Path | None, typer.Option("--text", help="A text file in that language.")] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option("--sample", help="A text file in a component's language, such as jav=FILE. Repeatable."),
    ] = None,
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the library's language components by how near their languages are, and say by what.

    By descent, place and script; with --text and --sample also by the tokens that the texts share and by the cosine of
    their sentence vectors. The score is the mean of what is known.
    """
    from lect.languages.relations import source
    from lect.languages.tags import display_name, normalise
    from lect.selection.donors import COLUMNS
    from lect.selection.donors import suggest as ranked

    library = library_of(components)
    name = display_name(language)
    files = _samples(sample)
    if bool(text) != bool(files):
        raise UserError(
            "--text and --sample are compared with each other, and one is missing", fix="give both, or neither"
        )
    texts, samples, loaded = [], {}, None
    if text is not None:
        with stderr_console().status("Loading"):
            from lect.engine.open import DEFAULT_BACKBONE
            from lect.host.backbones import load_backbone
            from lect.selection.trim import read_lines

            texts = list(read_lines([text]))
            samples = {key: list(read_lines([file])) for key, file in files.items()}
            loaded = load_backbone(backbone or DEFAULT_BACKBONE, host=load_host(ctx))
    found = ranked(language, library, texts=texts, samples=samples, backbone=loaded)
    if as_json:
        print_json(
            {
                "language": normalise(language),
                "name": name,
                "source": source(),
                "components": [
                    {"component": each.key, "language": each.language, "score": each.score, **each.likeness}
                    for each in found
                ],
            }
        )
        return
    if not found:
        places = ", ".join(map(str, library.folders))
        echo(f"No language components in {places}. Train one with: lect train RECIPE")
        return
    shown = [column for column in COLUMNS if any(column in each.likeness for each in found)]
    rows = [
        [
            each.key,
            display_name(each.language),
            f"{each.score:.2f}",
            *(f"{each.likeness[column]:.2f}" if column in each.likeness else "" for column in shown),
        ]
        for each in found
    ]
    print_table(
        ["component", "language", "score", *shown],
        rows,
        title=f"Near {name}",
        right=["score", *shown],
        narrow=["score"],
    )
    echo(f"Ranked by the mean of {', '.join(shown)}. Source: {source()}.")


@app.command("pages")
def pages(
    languages: Annotated[
        list[str] | None, typer.Argument(help="Tags or names, such as jav or Javanese; all that there are if absent.")
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", help="Scores: what lect eval MATRIX.toml --output FILE.json wrote. Repeatable."),
    ] = None,
    registry: Annotated[
        Path | None, typer.Option("--registry", help="A registry's folder, instead of the components that are here.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="The folder to write to.")] = Path("languages"),
    locale: LocaleOption = None,
    components: ComponentsOption = None,
) -> None:
    """Write a page for each language: its components with their gates, scores, data and licences, and a list of all.

    Each page is one file that needs nothing else, so that the folder can be served or handed on as it is.
    """
    from lect.files import write_aside
    from lect.locales import find_locale
    from lect.pages.language_page import INDEX, index_page, language_page, page_name
    from lect.pages.languages import components_of, components_of_registry, gather_languages

    reader = find_locale(locale)
    found = components_of_registry(registry) if registry is not None else components_of(library_of(components))
    shown = gather_languages(found, report or (), languages or ())
    if not shown:
        raise UserError("there is no component of any language", fix="see lect components, or name --registry FOLDER")
    output.mkdir(parents=True, exist_ok=True)
    for each in shown:
        write_aside(output / page_name(each.tag), language_page(each, reader))
    if not languages:
        write_aside(output / INDEX, index_page(shown, reader))
    first = output / (page_name(shown[0].tag) if languages else INDEX)
    echo(f"{number_of(len(shown), 'language')}: {first}")


def _samples(given: list[str] | None) -> dict[str, Path]:
    from lect.languages.tags import normalise

    samples = {}
    for each in given or ():
        key, equals, file = each.partition("=")
        if not equals:
            raise UserError(f'"{each}" is no COMPONENT=FILE', where="--sample", fix="write it as jav=javanese.txt, say")
        samples[key] = Path(file)
        if ":" not in key:
            samples[normalise(key)] = samples.pop(key)
    return samples
