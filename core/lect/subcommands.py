"""The subcommands that come with `lect`, which no plugin's may replace; nothing is imported to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Entry:
    """A subcommand that comes with `lect`: the module that holds it, its `typer.Typer` there, and what help says."""

    module: str
    attribute: str
    summary: str


COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "demo": Entry("lect.commands.demo", "app", "Teach the backbone a language and see what it gains"),
        "examples": Entry("lect.commands.examples", "app", "List recipes that come with lect, and copy them"),
        "new": Entry("lect.commands.new", "app", "Write a recipe from data: look at it, choose, explain"),
        "train": Entry("lect.commands.train", "app", "Train a component as a recipe says"),
        "recipe": Entry("lect.commands.recipe", "app", "Say what may stand in a recipe, field by field"),
        "launch": Entry("lect.commands.launch", "app", "Train in several processes, on one machine or more"),
        "fleet": Entry("lect.commands.fleet", "app", "Train a component for each of several languages"),
        "eval": Entry("lect.commands.eval", "app", "Score a stack, with and without each of its components"),
        "show": Entry("lect.commands.show", "show_app", "Make a page of a run, a component or a report"),
        "compare": Entry("lect.commands.show", "compare_app", "Set two runs, components or reports side by side"),
        "audit": Entry("lect.commands.audit", "app", "See whether a stack treats languages and groups alike"),
        "explain": Entry("lect.commands.explain", "app", "Show which words an answer hangs on"),
        "predict": Entry("lect.commands.predict", "app", "Answer for texts with a stack"),
        "embed": Entry("lect.commands.embed", "app", "Give the sentence vectors of texts"),
        "index": Entry("lect.commands.index", "app", "Build and search an index of a corpus, across languages"),
        "mine": Entry("lect.commands.mine", "app", "Find translations between two piles of texts"),
        "import": Entry("lect.commands.exchange", "import_app", "Make a component of an AdapterHub or PEFT folder"),
        "export": Entry("lect.commands.exchange", "export_app", "Write a component for another library"),
        "merge": Entry("lect.commands.merge", "app", "Fold a stack into a copy of its backbone"),
        "data": Entry("lect.commands.data", "app", "Inspect and clean texts, pairs, tables and dictionaries"),
        "search": Entry("lect.commands.sharing", "search_app", "Find components and plugins in the registries"),
        "pull": Entry("lect.commands.sharing", "pull_app", "Fetch components and check them"),
        "push": Entry("lect.commands.sharing", "push_app", "Give a component to a registry"),
        "verify": Entry("lect.commands.sharing", "verify_app", "Check that components are sound and unchanged"),
        "lock": Entry("lect.commands.sharing", "lock_app", "Pin a stack to versions and hashes"),
        "registry": Entry("lect.commands.registry", "app", "Say where components are looked for; keep a registry"),
        "install": Entry("lect.commands.install", "install_app", "Install plugins"),
        "uninstall": Entry("lect.commands.install", "uninstall_app", "Take plugins out"),
        "upgrade": Entry("lect.commands.install", "upgrade_app", "Bring plugins up to date"),
        "info": Entry("lect.commands.install", "info_app", "Say what is known of a plugin"),
        "doctor": Entry("lect.commands.doctor", "app", "Find what is wrong here, and say what mends it"),
        "plugins": Entry("lect.commands.plugins", "app", "List plugins and what they provide"),
        "components": Entry("lect.commands.components", "app", "List and inspect trained components"),
        "languages": Entry("lect.commands.languages", "app", "Know the language of a text, and what is near one"),
        "backbones": Entry("lect.commands.backbones", "app", "List and prepare backbones"),
    }
)
