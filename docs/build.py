"""Builds the documentation's site: python docs/build.py [FOLDER], by default site/.

Pages are those of this folder. The reference of commands, of Python and of recipes is written from the code as it is
now, so that it cannot say anything else; the glossary, the figures and the changes are those of the repository.
A link to a page or heading that is not there ends the build, by Zensical's strict mode.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def build(output: Path) -> int:
    """Write the site; the exit status is Zensical's."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pages = work / "docs"
        shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "*.toml", "offline", "__pycache__"))
        for name, text in generated():
            target = pages / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        for page in pages.rglob("*.md"):
            page.write_text(_with_links_within(page, pages), encoding="utf-8")
        shutil.copy(DOCS / "zensical.toml", work)
        command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", str(work / "zensical.toml")]
        done = subprocess.run(command, cwd=work, check=False)
        if done.returncode == 0:
            _without_network(work / "site")
            shutil.rmtree(output, ignore_errors=True)
            shutil.move(work / "site", output)
        return done.returncode


def generated() -> Iterator[tuple[str, str]]:
    """The pages that are made: their places and texts."""
    yield "reference/commands.md", commands_page()
    yield "reference/python.md", python_page()
    for name, file in (
        ("reference/glossary.md", "core/lect/glossary.md"),
        ("benchmarks.md", "BENCHMARKS.md"),
        ("changes.md", "CHANGELOG.md"),
    ):
        yield name, (ROOT / file).read_text("utf-8")


def commands_page() -> str:
    """What every command says of itself."""
    import typer
    from typer.testing import CliRunner

    from lect.commands.app import app
    from lect.subcommands import COMMANDS

    run = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"})
    lines = ["# Commands", "", "What each command says with `--help`; plugins bring more.", ""]
    for name, entry in COMMANDS.items():
        words = [[name]]
        loaded = typer.main.get_command(getattr(__import__(entry.module, fromlist=["app"]), entry.attribute))
        words += [[name, inner] for inner in getattr(loaded, "commands", {})]
        for each in words:
            said = run.invoke(app, [*each, "--help"]).stdout.rstrip()
            lines += [f"{'#' * (1 + len(each))} lect {' '.join(each)}", "", "```text", said, "```", ""]
    return "\n".join(lines)


def python_page() -> str:
    """The signatures and docstrings of the names that `lect` says are for its users."""
    import lect

    doc = inspect.getdoc(lect) or ""
    table = doc[doc.index("A model") : doc.index("`help(lect.load)`")]
    lines = ["# Python", "", "The names that users need, by what they are for. All are attributes of `lect`.", ""]
    for entry in table.strip().splitlines():
        topic, names = re.split(r"\s{2,}", entry, maxsplit=1)
        lines += [f"## {topic}", "", f"{names.strip()}.", ""]
        for name in re.findall(r"(?<![\w.`])[A-Za-z]\w*(?:\.\w+)?", re.sub(r"[:;].*", "", names)):
            found = lect
            for step in name.split("."):
                found = getattr(found, step, None)
            if callable(found):
                lines += _entry(f"lect.{name}", found, "###")
            if inspect.isclass(found):
                for method, inner in vars(found).items():
                    if inspect.isfunction(inner) and not method.startswith("_") and inspect.getdoc(inner):
                        lines += _entry(f"{name}.{method}", inner, "####")
    return "\n".join(lines)


def _entry(name: str, found: object, heading: str) -> list[str]:
    """The lines of one name: heading, signature, docstring."""
    shown = [f"{heading} {name}", "", "```python", _signature(name.removeprefix("lect."), found), "```", ""]
    leaving = [f"**{found.__deprecated__}**", ""] if hasattr(found, "__deprecated__") else []
    return [*shown, *leaving, *_markdown(inspect.getdoc(found) or ""), ""]


def _signature(name: str, found: object) -> str:
    try:
        signature = inspect.signature(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return name
    # Annotations are kept as they are written, without the quotes of postponed ones.
    parameters = [re.sub(r": '([^']*)'", r": \1", str(each)) for each in signature.parameters.values()]
    kinds = [each.kind for each in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    gives = signature.return_annotation
    end = "" if inspect.isclass(found) or gives is inspect.Signature.empty else f" -> {str(gives).strip(chr(39))}"
    start = f"class {name}" if inspect.isclass(found) else name
    text = f"{start}({', '.join(parameters)}){end}"
    return text if len(text) <= 90 else "\n".join([f"{start}(", *(f"    {each}," for each in parameters), f"){end}"])


def _markdown(doc: str) -> Iterator[str]:
    """A docstring with its sections (Google's layout) as Markdown."""
    section = ""
    for line in doc.splitlines():
        if match := re.fullmatch(r"(Args|Returns|Raises|Attributes|Example):", line):
            if section == "Example":
                yield "```"
            section = match[1]
            yield from ("", f"**{section}**", "")
            if section == "Example":
                yield "```python"
        elif section in ("Args", "Raises", "Attributes") and (match := re.fullmatch(r"    ([\w, *`]+): (.*)", line)):
            yield f"- `{match[1].strip('`')}`: {match[2]}"
        elif section == "Example":
            yield line.removeprefix("    ")
        else:
            yield line.strip() if section else line
    if section == "Example":
        yield "```"


def _with_links_within(page: Path, pages: Path) -> str:
    """A page's text; links to files of the repository that are no page become their names."""
    text = page.read_text("utf-8")

    def seen(match: re.Match[str]) -> str:
        label, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        for whence in (page.parent, pages, pages.parent):
            place = Path(os.path.normpath(whence / path))
            # What lies in the repository under docs/, or is made of one of its files.
            inside = _page_of(place, pages)
            if inside is not None:
                link = os.path.relpath(inside, page.parent)
                return f"[{label}]({link}{'#' + anchor if anchor else ''})"
        return label

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", seen, text)


def _without_network(site: Path) -> None:
    """Let search work where the pages are opened as files: what Zensical would fetch for it lies beside them."""
    script = site / "assets/javascripts/iframe-worker.js"
    shutil.copy(DOCS / "offline/iframe-worker.js", script)
    for page in site.rglob("*.html"):
        here = os.path.relpath(script, page.parent)
        page.write_text(page.read_text("utf-8").replace("https://unpkg.com/iframe-worker/shim", here), "utf-8")


def _page_of(place: Path, pages: Path) -> Path | None:
    """The page that a link from the repository means."""
    named = {"BENCHMARKS.md": "benchmarks.md", "CHANGELOG.md": "changes.md", "README.md": "index.md"}
    if place.parent == pages.parent and place.name in named:
        return pages / named[place.name]
    if place.is_relative_to(pages) and place.is_file():
        return place
    if place.name == "glossary.md":
        return pages / "reference/glossary.md"
    return None


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").absolute()))
