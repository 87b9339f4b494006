"""The demo's steps: teach a language, teach a task in English, compose the two, and measure each with and without."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lect.backbones import Backbone
from lect.data.dataset import Source
from lect.data.examples import Example
from lect.engine.open import open_stack
from lect.errors import RecipeError
from lect.evaluation.evaluate import evaluate_predictions, evaluate_retrieval
from lect.evaluation.report import EvaluationReport
from lect.host.backbones import load_backbone
from lect.host.reading import read_source
from lect.recipes.recipe import Recipe, recipe_of
from lect.storage.library import Library
from lect.toml import parse_toml
from lect.training.prepare import prepare_run
from lect.training.run import Trained, execute_run

if TYPE_CHECKING:
    from lect.host import Host

NEEDS_TOKENS_ABOVE = 0.01
"""The share of unknown tokens from which the language part gets tokens of its own."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Args:
        unknown: the share of unknown tokens among those that the backbone's own tokenizer makes of the terms.
        retrieval: finding the English term for a held-out term of the language.
        task: naming the kind of a held-out term of the language, learned on English terms.
        candidates: the English terms among which each is looked for.
        example: one of the held-out terms.
    """

    unknown: float
    language: Trained
    task_training: Trained
    retrieval: EvaluationReport
    task: EvaluationReport
    candidates: int
    example: str


def run_demo(locale: str, folder: Path, seed: int, host: Host, console: Console) -> DemoResult:
    """Run all steps; components are written under `folder`.

    Raises:
        DataError: CLDR has too few terms in this locale.
        PluginError: a plugin that the demo needs is missing.
    """
    library = Library((folder / "components",))
    # Before anything is converted or trained, so that a locale with too few terms costs no waiting.
    train = _terms(host, locale, "train", "parallel")
    test = _terms(host, locale, "test", "parallel")
    with console.status("Loading the backbone") as status:
        backbone = load_backbone(
            "e5-small", host=host, progress=lambda what, share: status.update(f"{what} {share:.0%}")
        )
        unknown = unknown_share(backbone, [example.text for example in train])

    name = locale.replace("_", "-")
    language = _language_recipe(name, locale, seed, with_tokens=unknown > NEEDS_TOKENS_ABOVE)
    trained = _train(language, host, library, backbone, folder, console)
    task = _task_recipe(seed)
    trained_task = _train(task, host, library, backbone, folder, console)

    with console.status("Measuring, with and without the language part"):
        english = tuple(example.text for example in _terms(host, "en", "all", "parallel"))
        opened = open_stack(f"lang:{name}", host, library)
        retrieval = evaluate_retrieval(opened, host, test, f"cldr: {locale}, held out", english)
        composed = open_stack(f"lang:{name} + task:{task.component.name}", host, library)
        kinds = _terms(host, locale, "test", "labelled")
        answers = evaluate_predictions(composed, host, "classification", kinds, f"cldr: {locale}, held out")
    candidates = len({*english, *(example.translation for example in test)})
    return DemoResult(unknown, trained, trained_task, retrieval, answers, candidates, test[0].text)


def unknown_share(backbone: Backbone, texts: list[str]) -> float:
    """The share of unknown tokens among those the backbone's own tokenizer makes of these texts."""
    encodings = backbone.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    tokens = [token for encoding in encodings for token in encoding.ids]
    return tokens.count(backbone.tokenizer.unk_token_id) / max(len(tokens), 1)


def _train(recipe: Recipe, host: Host, library: Library, backbone: Backbone, folder: Path, console: Console) -> Trained:
    run = prepare_run(recipe, host, library, backbone=backbone, runs=folder / "runs")
    (trained,) = execute_run(run, console=console)
    return trained


def _language_recipe(name: str, locale: str, seed: int, *, with_tokens: bool) -> Recipe:
    values = _values("language.toml")
    values["component"] |= {"name": name, "languages": [name]}
    values["data"]["train"][0]["locale"] = locale
    values["training"]["seed"] = seed
    if not with_tokens:
        values["parts"] = [part for part in values["parts"] if part["method"] != "vocabulary"]
        del values["training"]["learning_rates"]
    return recipe_of(values, name="the demo's language.toml")


def _task_recipe(seed: int) -> Recipe:
    values = _values("task.toml")
    values["training"]["seed"] = seed
    return recipe_of(values, name="the demo's task.toml")


def _values(file: str) -> dict[str, Any]:
    text = (resources.files("lect.demo") / file).read_text(encoding="utf-8")
    return parse_toml(text, RecipeError, where=file)


def _terms(host: Host, locale: str, part: str, form: str) -> tuple[Example, ...]:
    source = Source("cldr", {"locale": locale, "part": part, "form": form})
    return tuple(read_source(host, source, Path(), "demo").examples)
