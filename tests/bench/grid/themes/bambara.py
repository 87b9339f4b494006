"""Bambara and Acehnese, with and without their parts: topics, retrieval, parts of speech, entities (issue 5)."""

from __future__ import annotations

from grid.job import DATA, Job, Score, Table, Test, Theme, Train
from grid.themes.nko import BATCH, TASKS
from grid.themes.tests import NAMES, flores, masakhaner, nusax_sentiment, sib, trees

PARTS: dict[str, tuple[str, str, str]] = {
    "bam": ("bam", "bm", "alignment with new tokens"),
    "ace-seed": ("ace", "ace", "alignment with new tokens"),
    "bam-mlm": ("bam", "bm", "masked LM"),
    "ace-seed-mlm": ("ace", "ace", "masked LM"),
}


def theme() -> Theme:
    """All of it."""
    jobs = [_part(name) for name in ("bam", "ace-seed")]
    jobs += [_bare("bam"), _bare("ace"), *(_scores(name) for name in ("bam", "ace-seed"))]
    jobs += [_part(name) for name in ("bam-mlm", "ace-seed-mlm")]
    jobs += [_scores(name) for name in ("bam-mlm", "ace-seed-mlm")]
    jobs += [_words("bam"), _words("bam-mlm")]
    return Theme("bambara", jobs, (Table("bambara", "with and without the language's part"),))


def _part(name: str) -> Job:
    language, tag, _ = PARTS[name]
    text = f"{DATA}/nllb-seed/{language}_Latn/train.txt"
    changes = [f"component.name={name}", f'component.languages=["{tag}"]']
    if name.endswith("-mlm"):
        recipe = "bambara/language-mlm.toml"
        changes += [f"data.train.path={text}", "data.validation_share=", f'objective.head_text="{text}"']
    else:
        recipe = "nko/language.toml"
        changes += [f"data.train.text={text}", BATCH]
    guard = (flores(language), sib(language))
    train = Train(recipe, tuple(changes), (f"lang:{name}",), guard)
    return Job(f"bambara/{name}", (train, _retrieval(language, PARTS[name][2], f"lang:{name}")))


def _bare(language: str) -> Job:
    return Job(
        f"bambara/bare-{language}",
        (_retrieval(language, "without", ""), *_topics(language, "without", "")),
    )


def _scores(name: str) -> Job:
    language, _, how = PARTS[name]
    more: tuple[Score, ...] = ()
    if language == "ace":
        test = nusax_sentiment("ace")
        column, stack = "Acehnese, sentiment (NusaX, macro-F1)", f"lang:{name} + task:sentiment"
        more = (Score("bambara", how, column, stack, test, "macro_f1"),)
    return Job(f"bambara/topics-{name}", (*_topics(language, how, f"lang:{name} + "), *more))


def _words(name: str) -> Job:
    """Tasks on words: LoRA and bottleneck, from English."""
    scores: list[Score] = []
    cases: tuple[tuple[str, str, Test, str], ...] = (
        ("pos", "Bambara, parts of speech, accuracy", trees("bam", "bm_crb"), "accuracy"),
        ("ner", "Bambara, entities, F1", masakhaner("bam"), "f1"),
    )
    for task, column, test, metric in cases:
        for suffix, method in (("", "LoRA"), ("-bottleneck", "bottleneck")):
            named = f"{column}, {method}"
            scores.append(Score("bambara", PARTS[name][2], named, f"lang:{name} + task:{task}{suffix}", test, metric))
            if name == "bam":
                scores.append(Score("bambara", "without", named, f"task:{task}{suffix}", test, metric))
    return Job(f"bambara/words-{name}", tuple(scores))


def _retrieval(language: str, row: str, stack: str) -> Score:
    return Score("bambara", row, f"{NAMES[language]} → English, FLORES recall@1", stack, flores(language), "recall@1")


def _topics(language: str, row: str, before: str) -> tuple[Score, ...]:
    return tuple(
        Score(
            "bambara",
            row,
            f"{NAMES[language]}, topics, macro-F1, {TASKS[task][0]}",
            f"{before}task:{task}",
            sib(language),
            "macro_f1",
        )
        for task in ("topic", "topic-bottleneck")
    )
