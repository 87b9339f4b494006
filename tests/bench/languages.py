"""Many language parts at once: each with and without, and each as a donor of the languages that have none.

The parts are those of `lect fleet` on NLLB Seed, and topics are a task from English labels::

    lect new fleet --pairs ../shared/data/nllb-seed -y && lect fleet fleet.toml
    python tests/bench/languages.py score --components components --tasks task:topic
    python tests/bench/languages.py donors --components components --tasks task:topic

`score` takes each language's test rows through the bare backbone, through its part at full strength, and through it as
its gates say: macro-F1 of SIB-200's topics, and how many of FLORES-200's sentences find their English translations and
are found by them. Each cell has an exact test of pairs (McNemar 1947) beside it. `donors` takes SIB-200's development
rows of every language through the nearest part of another, by each criterion of `lect languages suggest`; the best way
is taken to the test rows. What was computed of rows lies in `--folder`, and is not computed again, so that several
processes may share the work by `--only`. An hour on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from lect.composition.stack import parse_stack
from lect.data.examples import Example
from lect.engine.open import open_on, open_stack
from lect.host import Host
from lect.literals import Use
from lect.selection.donors import languages_of, suggest, token_likeness
from lect.storage.assemble import read_stack
from lect.storage.gates import gated_terms
from lect.storage.library import Library
from lect.storage.manifest import Manifest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LECT_DATA", ROOT.parent / "shared/data"))
ENGLISH = "eng_Latn"


def main() -> None:
    """Compute what is missing, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("score", "donors"))
    parser.add_argument("--components", type=Path, default=Path("components"))
    parser.add_argument("--tasks", nargs="+", default=["task:topic"])
    parser.add_argument("--folder", type=Path, default=Path("languages-bench"))
    parser.add_argument("--only", nargs="*", default=[], help="folders of languages, such as ace_Latn")
    parser.add_argument("--sentences", type=int, default=1012, help="of FLORES-200")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="of what is there")
    options = parser.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    bench = Bench(options)
    languages = [each for each in bench.languages if not options.only or each.folder in options.only]
    print(score(bench, languages) if options.what == "score" else donors(bench, languages))


@dataclass(frozen=True)
class Language:
    """A language that there is a part of.

    Args:
        folder: what its data sets are called.
    """

    key: str
    tag: str
    folder: str
    manifest: Manifest


class Bench:
    """Parts, tasks and rows, and what was computed of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.library = Library((options.components,))
        self.tasks, self.folder, self.only_read = tuple(options.tasks), options.folder, options.table
        self.sentences = options.sentences
        self.host = Host.load(report=print)
        self.languages = sorted(self._languages(), key=lambda each: each.folder)
        self._english: np.ndarray | None = None

    def _languages(self) -> Iterator[Language]:
        for listing in self.library.all():
            if listing.role != "lang" or listing.manifest is None:
                continue
            paths = listing.manifest.training.recipe or "" if listing.manifest.training else ""
            for folder in sorted(each.name for each in (DATA / "sib200").iterdir()):
                if f"/{folder}/" in paths and folder != ENGLISH:
                    yield Language(listing.key, languages_of(listing.manifest)[0], folder, listing.manifest)

    @cached_property
    def engine(self):
        """The backbone with what was used of the library."""
        return open_stack(self.tasks[0], self.host, self.library).engine

    def topics(self, split: str, stack: str, folder: str) -> dict[str, list[str]]:
        """What each task answers to a language's SIB-200 rows through a stack of languages."""
        return self._kept("topics", split, stack, folder, self._topics)

    def hits(self, stack: str, folder: str) -> dict[str, list[bool]]:
        """Whether each of FLORES-200's sentences is the nearest to its translation among all, and the other way."""
        return self._kept("hits", "test", stack, folder, self._hits)

    def _kept(self, kind: str, split: str, stack: str, folder: str, compute: Callable[[str, str, str], Any]) -> Any:
        path = self.folder / kind / split / folder / f"{stack or 'bare'}.json"
        if not path.exists():
            if self.only_read:
                raise FileNotFoundError(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            found = compute(split, stack, folder)
            path.write_text(json.dumps(found))
            print(f"{kind} {split} {folder} {stack or 'bare'}", file=sys.stderr, flush=True)
        return json.loads(path.read_text())

    def _topics(self, split: str, stack: str, folder: str) -> dict[str, list[str]]:
        lower = self._keys(stack)
        examples = [Example(text=text, origin=str(place)) for place, (text, _) in enumerate(sib(folder, split))]
        keys = {task: (*lower, *self._keys(task)) for task in self.tasks}
        # Side by side, so that what the tasks have in common in the lower layers is computed once.
        answers = iter(self.engine.predictions((each, own) for each in examples for own in keys.values()))
        found: dict[str, list[str]] = {task: [] for task in keys}
        for _ in examples:
            for task in keys:
                found[task].append(next(answers).value)
        return found

    def _hits(self, _split: str, stack: str, folder: str) -> dict[str, list[bool]]:
        if self._english is None:
            self._english = unit(self.engine.embed(self._sentences(ENGLISH), ()).numpy())
        cosines = unit(self.engine.embed(self._sentences(folder), self._keys(stack)).numpy()) @ self._english.T
        right = np.arange(len(cosines))
        return {
            "finds": (cosines.argmax(1) == right).tolist(),
            "found": (cosines.argmax(0) == right).tolist(),
        }

    def _keys(self, stack: str) -> tuple[str, ...]:
        return open_on(self.engine, stack, self.host, self.library).keys if stack else ()

    def _sentences(self, folder: str) -> list[str]:
        lines = (DATA / "flores200" / folder / "devtest.txt").read_text(encoding="utf-8").splitlines()
        return lines[: self.sentences]


def sib(folder: str, split: str) -> list[tuple[str, str]]:
    """Texts and topics of SIB-200's rows, in the order of their numbers."""
    with (DATA / "sib200" / folder / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file, delimiter="\t"), key=lambda row: int(row["index_id"]))
    return [(row["text"], row["category"]) for row in rows]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def macro_f1(split: str, folder: str, answers: Mapping[str, Sequence[str]]) -> float:
    """In percent, the mean over the tasks."""
    wanted = [topic for _, topic in sib(folder, split)]
    return statistics.mean(100 * f1_score(wanted, given, average="macro") for given in answers.values())


def right_of(folder: str, answers: Mapping[str, Sequence[str]]) -> list[bool]:
    """Whether each answer of each task is right."""
    wanted = [topic for _, topic in sib(folder, "test")]
    return [one == other for given in answers.values() for one, other in zip(given, wanted, strict=True)]


def recall(hits: Mapping[str, Sequence[bool]]) -> float:
    """In percent, the mean of both ways."""
    return 50.0 * (statistics.mean(hits["finds"]) + statistics.mean(hits["found"]))


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """The probability that so unlike counts of rows lost and won come of chance (exact, two-sided)."""
    lost = sum(one and not other for one, other in zip(before, after, strict=True))
    won = sum(other and not one for one, other in zip(before, after, strict=True))
    if lost == won:
        return 1.0
    return min(1.0, 2 * sum(math.comb(lost + won, k) for k in range(min(lost, won) + 1)) / 2 ** (lost + won))


# --------------------------------------------------------------------------------------------- with and without a part


def gated(bench: Bench, language: Language, use: Use) -> str:
    """The stack at the strength that the gate chose; empty where that is 0."""
    stack = parse_stack(language.key if use == "retrieval" else f"{language.key} + {bench.tasks[0]}")
    changed = gated_terms(stack, tuple(read_stack(stack, bench.library, bench.host)), use)[1]
    strength = changed[0].entry.strength if changed else 1.0
    return "" if strength == 0 else f"{strength:g}*{language.key}"


def score(bench: Bench, languages: Sequence[Language]) -> str:
    """The table of languages, without and with their parts."""
    lines = [
        "| | script | topics without | whole | by its gate | p | recall without | by its gate | p |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    sums: dict[str, list[float]] = {}
    worse = []
    for language in languages:
        folder = language.folder
        name, script = folder.split("_")
        uses: tuple[Use, ...] = ("classification", "retrieval")
        stacks = {use: gated(bench, language, use) for use in uses}
        answers = [bench.topics("test", stack, folder) for stack in ("", f"1*{language.key}", stacks["classification"])]
        hits = [bench.hits(stack, folder) for stack in ("", stacks["retrieval"])]
        topics, recalls = [macro_f1("test", folder, each) for each in answers], [recall(each) for each in hits]
        p = [
            mcnemar(right_of(folder, answers[0]), right_of(folder, answers[2])),
            mcnemar(*([*each["finds"], *each["found"]] for each in hits)),
        ]
        worse += [f"{folder} topics"] * (topics[2] < topics[0] and p[0] < 0.05)
        worse += [f"{folder} recall"] * (recalls[1] < recalls[0] and p[1] < 0.05)
        strengths = [stacks[use].split("*")[0] or "0" for use in ("classification", "retrieval")]
        lines.append(
            f"| {name} | {script} | {topics[0]:.1f} | {topics[1]:.1f} | {topics[2]:.1f} ({strengths[0]}) | {p[0]:.3f} "
            f"| {recalls[0]:.1f} | {recalls[1]:.1f} ({strengths[1]}) | {p[1]:.3f} |"
        )
        for way, value in zip(
            ("topics without", "topics whole", "topics gate", "recall without", "recall gate"),
            (*topics, *recalls),
            strict=True,
        ):
            sums.setdefault(way, []).append(value)
    means = {name: statistics.mean(values) for name, values in sums.items()}
    low = [place for place, value in enumerate(sums["topics without"]) if value < 60]
    gain = [sums["topics gate"][place] - sums["topics without"][place] for place in low]
    said = "; ".join(f"{name} {value:.1f}" for name, value in means.items())
    return "\n".join(
        [
            *lines,
            "",
            f"Means: {said}.",
            f"Significantly worse by its gate (p < 0.05): {', '.join(worse) or 'none'}.",
            f"Mean gain of topics over the {len(low)} languages under 60: {statistics.mean(gain or [0.0]):.1f}.",
        ]
    )


# ------------------------------------------------------------------------------------------------------------- donors


WAYS = ("family", "place", "script", "pieces", "vectors", "facts", "all")
"""By a column of `lect languages suggest`, by the mean of the first three (which need no text), by that of all."""


def donors(bench: Bench, languages: Sequence[Language]) -> str:
    """What the nearest part by each criterion gives a language that has none; the best is taken to the test rows."""
    ranked = _ranked(bench, languages)
    ways: dict[str, dict[str, str]] = {"none": {each.folder: "" for each in languages}}
    for way in WAYS:
        ways[way] = {folder: f"1*{order[way][0]}" for folder, order in ranked.items()}
    ways["all, at half its strength"] = {folder: f"0.5*{order['all'][0]}" for folder, order in ranked.items()}
    ways["all, mean of 3"] = {folder: f"avg({', '.join(order['all'][:3])})" for folder, order in ranked.items()}
    lines = ["| donor by | topics, development rows | worse than none |", "| --- | ---: | ---: |"]
    means: dict[str, float] = {}
    for way, stacks in ways.items():
        cells, without = _cells(bench, "dev", stacks), _cells(bench, "dev", ways["none"])
        means[way] = statistics.mean(cells.values())
        worse = sum(cells[folder] < without[folder] for folder in cells)
        lines.append(f"| {way} | {means[way]:.1f} | {worse} |")
    best = max((way for way in ways if way != "none"), key=lambda way: means[way])
    lines += ["", f"On test rows, {best} was chosen on development rows:", "", "| | topics |", "| --- | ---: |"]
    own = {each.folder: f"1*{each.key}" for each in languages}
    for name, stacks in (("none", ways["none"]), ("facts", ways["facts"]), (best, ways[best]), ("its own", own)):
        lines.append(f"| {name} | {statistics.mean(_cells(bench, 'test', stacks).values()):.1f} |")
    return "\n".join(lines)


def _ranked(bench: Bench, languages: Sequence[Language]) -> dict[str, dict[str, list[str]]]:
    """The other languages' parts, the nearest first, in each of the ways."""
    texts = {each.key: _training(each.folder) for each in bench.languages}
    vectors = {key: unit(bench.engine.embed(own[:64], ()).numpy().mean(0, keepdims=True)) for key, own in texts.items()}
    found: dict[str, dict[str, list[str]]] = {}
    for language in languages:
        likeness: dict[str, dict[str, float]] = {}
        for near in suggest(language.tag, bench.library):
            # Whoever has tokens of their own reads other scripts only as those tokens cut them.
            if near.key == language.key or near.key not in texts or near.manifest.own_tokenizer:
                continue
            facts = dict(near.likeness)
            own = {
                **facts,
                "pieces": token_likeness(bench.engine.backbone, texts[language.key], texts[near.key]),
                "vectors": float((vectors[language.key] @ vectors[near.key].T).item()),
            }
            means = {"facts": statistics.mean(facts.values() or [0.0]), "all": statistics.mean(own.values())}
            likeness[near.key] = {**own, **means}
        found[language.folder] = {
            way: sorted(likeness, key=lambda key: (-likeness[key].get(way, -1.0), key)) for way in WAYS
        }
    return found


def _cells(bench: Bench, split: str, stacks: Mapping[str, str]) -> dict[str, float]:
    return {folder: macro_f1(split, folder, bench.topics(split, stack, folder)) for folder, stack in stacks.items()}


def _training(folder: str, lines: int = 500) -> list[str]:
    path = DATA / "nllb-seed" / folder / "train.txt"
    return path.read_text(encoding="utf-8").splitlines()[-lines:]


if __name__ == "__main__":
    main()
