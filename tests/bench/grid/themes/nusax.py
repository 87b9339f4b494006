"""Sentiment in four languages from 500 Indonesian sentences (issue 5), and four languages in one run (issue 3)."""

from __future__ import annotations

import json
from dataclasses import replace

from grid.job import DATA, Job, Score, Table, Theme, Train
from grid.themes.tests import NAMES, NUSAX, NUSAX_TAGS, nusax_sentiment, nusax_translations

TASKS = {
    "sentiment-full": ("full fine-tuning", "nusax/task-full.toml"),
    "sentiment-lora": ("LoRA r16, all linear layers", "nusax/task-lora.toml"),
    "sentiment": ("task bottleneck", "nusax/task.toml"),
}
PAIRS = [f"{DATA}/nusax-mt/parallel/{part}.csv" for part in ("train", "valid")]
GUARD = tuple(nusax_sentiment(language) for language in NUSAX)
SUFFIXES = {
    "": "alignment",
    "-lexicon": "alignment, with the lexicon",
    "-mlm": "masked LM",
    "-mlm-lexicon": "masked LM, with the lexicon",
    "-both": "alignment and masked LM",
    "-both-lexicon": "alignment and masked LM, with the lexicon",
}
ROW = "language + task bottleneck: {how}"


def theme() -> Theme:
    """All of it."""
    tasks = [_task(name) for name in TASKS]
    parts = [_part(language, suffix) for suffix in SUFFIXES for language in NUSAX]
    switched = [_switched(language) for language in NUSAX]
    count = len(NUSAX)
    jobs = [*parts[:count], *tasks, *parts[count : 3 * count], *parts[4 * count : 5 * count], _mixed(), *switched]
    jobs += [replace(job, later=1) for job in (*parts[3 * count : 4 * count], *parts[5 * count :])]
    tables = (
        Table("nusax", "NusaX, macro-F1", mean=True, baseline="full fine-tuning"),
        Table("mixed", "NusaX test, Indonesian sentence found among 400, recall@1", mean=True),
    )
    return Theme("nusax", jobs, tables)


def _task(name: str) -> Job:
    row, recipe = TASKS[name]
    scores = tuple(
        Score("nusax", row, NAMES[language], f"task:{name}", nusax_sentiment(language), "macro_f1")
        for language in NUSAX
    )
    return Job(f"nusax/{name}", (Train(recipe, (), (f"task:{name}",), GUARD), *scores), keeps=name != "sentiment-full")


def _part(language: str, suffix: str) -> Job:
    name, how = f"{language}{suffix}", SUFFIXES[suffix]
    recipe = "bambara/language-mlm.toml" if suffix.startswith("-mlm") else "nusax/language.toml"
    changes = [f"component.name={name}", f'component.languages=["{NUSAX_TAGS[language]}"]']
    if suffix in ("", "-lexicon"):
        changes += [f"data.train.text={NUSAX[language]}"]
    changes += _changes(language, suffix)
    train = Train(recipe, tuple(changes), (f"lang:{name}",), (nusax_sentiment(language), nusax_translations(language)))
    stack = f"lang:{name} + task:sentiment"
    score = Score("nusax", ROW.format(how=how), NAMES[language], stack, nusax_sentiment(language), "macro_f1")
    alone = Score("mixed", "each alone", NAMES[language], f"lang:{name}", nusax_translations(language), "recall@1")
    return Job(f"nusax/{name}", (train, score, *([alone] if not suffix else [])))


def _changes(language: str, suffix: str) -> list[str]:
    """How a part learns otherwise than by aligning 600 pairs."""
    pairs = _csv(NUSAX[language])
    # Indonesian sentences beside themselves: words that the lexicon puts into the language are learned in sentences.
    indonesian = _csv("indonesian")
    raw = f'{{reader="text", path="{_raw(language)}"}}'
    # The task bottleneck was trained without an invertible part; a sequential one is what goes beneath it.
    masked = f'name="masked-lm", head_text="{_raw(language)}"'
    if suffix == "-lexicon":
        return [f"data.train=[{pairs}, {indonesian}]", *_lexicon(language), "training.epochs=6"]
    if suffix.startswith("-mlm"):
        sources = [raw, indonesian] if suffix.endswith("lexicon") else [raw]
        own = [
            "data.validation_share=",
            f"data.train=[{', '.join(sources)}]",
            f'objective.head_text="{_raw(language)}"',
        ]
        return own + (_lexicon(language) if suffix.endswith("lexicon") else [])
    if suffix.startswith("-both"):
        sources = [pairs, raw, *([indonesian] if suffix.endswith("lexicon") else [])]
        terms = f'[{{name="alignment", distance=100.0, contrast=0.2, weight=3.0}}, {{{masked}, weight=0.3}}]'
        own = [f"data.train=[{', '.join(sources)}]", f'objective={{name="combined", terms={terms}}}']
        own += ["training.batch_size=32", "training.epochs=4", "training.max_length=128"]
        return own + (_lexicon(language) if suffix.endswith("lexicon") else [])
    return []


def _csv(column: str) -> str:
    return f'{{reader="csv", path={json.dumps(PAIRS)}, text="{column}", translation="indonesian"}}'


def _raw(language: str) -> str:
    folder = "nllb-seed/ace_Latn" if language == "ace" else f"nusaparagraph-raw/{language}"
    return f"{DATA}/{folder}/train.txt"


def _lexicon(language: str) -> list[str]:
    source = f'{{reader="dictionary", path="{DATA}/nusax-lexicon/{language}/lexicon.csv", skip_empty=true}}'
    return [f"data.code_switching={{dictionary=[{source}], rows=0.7, share=0.7}}"]


def _switched(language: str) -> Job:
    """The task itself on Indonesian rows with words of the language in them, bare and through the language's part."""
    name = f"sentiment-{language}"
    rows = f'reader="csv", path="{DATA}/nusax-senti/ind/train.csv", label="label"'
    changes = (
        f"component.name={name}",
        f'data.train=[{{{rows}, stack=""}}, {{{rows}, stack="lang:{language}"}}]',
        *_lexicon(language),
        "training.epochs=6",
    )
    row = "the same by alignment, the task code-switched by the lexicon"
    stack = f"lang:{language} + task:{name}"
    score = Score("nusax", row, NAMES[language], stack, nusax_sentiment(language), "macro_f1")
    return Job(f"nusax/{name}", (Train("nusax/task.toml", changes, (f"task:{name}",), GUARD), score))


def _mixed() -> Job:
    """The four parts in one run; each is then what it is alone, if all is well."""
    sets = []
    for index, (language, column) in enumerate(NUSAX.items()):
        evaluation = ", ".join(
            f'{{reader="csv", path="{DATA}/{file}", text="{text}"}}'
            for file, text in ((f"nusax-senti/{language}/test.csv", "text"), ("nusax-mt/parallel/test.csv", column))
        )
        own = [
            f"component.name={language}-mixed",
            f"component.languages=['{NUSAX_TAGS[language]}']",
            f"data.train.text={column}",
            f"data.train.path={json.dumps(PAIRS)}",
            f"data.evaluation=[{evaluation}]",
        ]
        sets.append(f"train.mix.{index}.set={json.dumps(own)}")
    scores: list[Score] = []
    for language in NUSAX:
        part = f"lang:{language}-mixed"
        scores += [
            Score("mixed", "four in one run", NAMES[language], part, nusax_translations(language), "recall@1"),
            Score("nusax", ROW.format(how="alignment, four languages in one run"), NAMES[language],
                  f"{part} + task:sentiment", nusax_sentiment(language), "macro_f1"),
        ]  # fmt: skip
    makes = tuple(f"lang:{language}-mixed" for language in NUSAX)
    return Job("nusax/mixed", (Train("nusax/mix.toml", tuple(sets), makes), *scores))
