"""N'Ko: found among English sentences, and topics from English labels alone (issue 5)."""

from __future__ import annotations

from dataclasses import replace

from grid.job import DATA, Job, PseudoLabels, Score, Table, Theme, Train
from grid.themes.tests import flores, sib

ENGLISH, NKO = f"{DATA}/nllb-seed/eng_Latn/train.txt", f"{DATA}/nllb-seed/nqo_Nkoo/train.txt"
HEAD_TEXT = f'"{ENGLISH}"'
GUARD = (flores("nqo"), sib("nqo"))
BATCH = "objective.candidates=batch"
LANGUAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # The component: what it is called in the tables, its recipe, and what is changed there.
    "nqo": ("alignment, 6 epochs", "nko/language.toml", (BATCH,)),
    "nqo-10": ("alignment, 10 epochs", "nko/language.toml", (BATCH, "training.epochs=10")),
    "nqo-tokens": ("alignment of words too, 6 epochs", "nko/language.toml", (BATCH, "objective.tokens=10.0")),
    "nqo-all": (
        "alignment of words too, each sentence told apart from all translations, 6 epochs",
        "nko/language.toml",
        ("objective.tokens=10.0",),
    ),
    "nqo-dropout": (
        "alignment of words too, dropout of 0.2 in the bottleneck, 6 epochs",
        "nko/language.toml",
        (BATCH, "objective.tokens=10.0", "parts.1.dropout=0.2"),
    ),
    "nqo-combined": ("alignment and masked LM, 6 epochs", "nko/language-combined.toml", ()),
    "nqo-both": (
        "alignment of words too, and masked LM, 6 epochs",
        "nko/language-combined.toml",
        ("objective.terms.0.tokens=10.0",),
    ),
    "nqo-deep": (
        "alignment, 10 epochs, larger bottlenecks at both places",
        "nko/language.toml",
        (BATCH, "parts.1.reduction_factor=4", 'parts.1.preset="double_seq_bn"', "training.epochs=10"),
    ),
    "nqo-3": ("alignment, 3 epochs", "nko/language.toml", (BATCH, "training.epochs=3")),
    "nqo-1": ("alignment, 1 epoch", "nko/language.toml", (BATCH, "training.epochs=1")),
}
_ROWS = f'reader="csv", path="{DATA}/sib200/eng_Latn/train.tsv", label="category"'
_PSEUDO = 'reader="tsv", path="{made}/nqo-topics.tsv", label="category"'
BOTTLENECK = ('parts=[{method="bottleneck", reduction_factor=16}]',)
LAST = ('parts=[{method="bottleneck", reduction_factor=4, leave_out=[0,1,2,3,4,5,6,7,8]}]',)
HEAD = ("parts=[]", "training.learning_rate=1e-3", "training.epochs=12")
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    # What does not depend on the language is trained once, and goes over each of its parts.
    "topic": ("LoRA", ()),
    "topic-bottleneck": ("bottleneck", BOTTLENECK),
    "topic-head": ("head alone", HEAD),
    "topic-last": ("bottleneck in the last three layers", LAST),
}
OVER: dict[str, tuple[str, tuple[str, ...]]] = {
    # Trained over one part of the language, `{lang}`; English labels in all of them.
    "through": (
        "LoRA, English rows bare and through N'Ko's part",
        (f'data.train=[{{{_ROWS}, stack=""}}, {{{_ROWS}, stack="lang:{{lang}}"}}]',),
    ),
    "labelled": (
        "LoRA, English rows, and N'Ko rows of NLLB Seed as the English task labels their translations",
        (f'data.train=[{{{_ROWS}, stack=""}}, {{{_PSEUDO}, stack="lang:{{lang}}"}}]', "training.epochs=2"),
    ),
    "labelled-head": (
        "head alone, on the same rows",
        (f'data.train=[{{{_ROWS}, stack=""}}, {{{_PSEUDO}, stack="lang:{{lang}}"}}]', "parts=[]", "training.epochs=2"),
    ),
}
OVER_LANGUAGES = ("nqo-10", "nqo-tokens", "nqo-deep", "nqo-combined")
_LATER = (
    "nko/nqo-both",
    "nko/topics-nqo-both",
    "nko/nqo-dropout",
    "nko/topics-nqo-dropout",
    "nko/topic-several",
    "nko/topics",
)
_SEVERAL = ["", "lang:nqo-10", "lang:bam", "lang:ace-seed"]


def theme() -> Theme:
    """All of it."""
    languages = {name: _language(name) for name in LANGUAGES}
    tasks = [_task(name) for name in TASKS]
    label = Job(
        "nko/label",
        (PseudoLabels("nqo-topics", "task:topic", ENGLISH, NKO, 0.8),),
    )
    first = [languages[name] for name in ("nqo-10", "nqo", "nqo-tokens", "nqo-deep", "nqo-combined")]
    rest = [job for job in languages.values() if job not in first]
    over = [_over("labelled", language) for language in OVER_LANGUAGES]
    over += [_over("through", "nqo-10"), _over("labelled-head", "nqo-10"), _over("labelled-head", "nqo-deep")]
    scores = [_scores(language) for language in LANGUAGES if language not in ("nqo-1", "nqo-3")]
    jobs = [_bare(), *first[:2], tasks[0], label, *first[2:], *tasks[1:], *over, *rest, *scores]
    # What is not asked for first: the last of the ways to teach it, and tasks over several languages.
    extra = [replace(job, later=1) for job in (*jobs, _several(), _task_languages()) if job.name in _LATER]
    return Theme("nko", ([job for job in jobs if job.name not in _LATER] + extra), _tables())


def _tables() -> tuple[Table, ...]:
    return (
        Table("nko-retrieval", "FLORES devtest, N'Ko → English, recall@1 among 1,012"),
        Table("nko-topics", "SIB-200 from English labels, macro-F1"),
    )


def _language(name: str) -> Job:
    row, recipe, changes = LANGUAGES[name]
    masked = (f"objective.terms.1.head_text={HEAD_TEXT}",) if "combined" in recipe else ()
    train = Train(recipe, (f"component.name={name}", *changes, *masked), (f"lang:{name}",), GUARD)
    score = Score("nko-retrieval", row, "N'Ko", f"lang:{name}", flores("nqo"), "recall@1")
    return Job(f"nko/{name}", (train, score))


def _bare() -> Job:
    """What the backbone finds by itself, in both directions: some letters of N'Ko it knows."""
    directions = (("N'Ko", flores("nqo")), ("English → N'Ko", flores("eng", "nqo")))
    return Job(
        "nko/bare",
        tuple(Score("nko-retrieval", "without", column, "", test, "recall@1") for column, test in directions),
    )


def _task(name: str) -> Job:
    row, changes = TASKS[name]
    train = Train("topic/task.toml", (f"component.name={name}", *changes), (f"task:{name}",), (sib("nqo"), sib("eng")))
    return Job(f"nko/{name}", (train, *_both(row, f"task:{name}", "no language part", "")))


def _over(kind: str, language: str) -> Job:
    row, changes = OVER[kind]
    name = f"topic-{kind}-{language}"
    filled = tuple(change.replace("{lang}", language) for change in changes)
    needs = frozenset({"made:nqo-topics"}) if kind.startswith("labelled") else frozenset()
    train = Train("topic/task.toml", (f"component.name={name}", *filled), (f"task:{name}",), (sib("nqo"), sib("eng")))
    return Job(
        f"nko/{name}", (train, *_both(row, f"task:{name}", LANGUAGES[language][0], language)), more_needs=tuple(needs)
    )


def _scores(language: str) -> Job:
    """Each task that was trained without the language, over one of its parts."""
    return Job(
        f"nko/topics-{language}",
        tuple(
            Score(
                "nko-topics",
                f"{row}; {LANGUAGES[language][0]}",
                "N'Ko",
                f"lang:{language} + task:{name}",
                sib("nqo"),
                "macro_f1",
            )
            for name, (row, _) in TASKS.items()
        ),
    )


def _both(row: str, task: str, part: str, language: str) -> tuple[Score, ...]:
    """The task on N'Ko, and on English without the language's part."""
    stack = f"lang:{language} + {task}" if language else task
    return (
        Score("nko-topics", f"{row}; {part}", "N'Ko", stack, sib("nqo"), "macro_f1"),
        Score("nko-topics", f"{row}; {part}", "English", task, sib("eng"), "macro_f1"),
    )


def _several() -> Job:
    """English rows through the parts of several languages: what they have in common is what the task may lean on."""
    rows = ", ".join(f'{{{_ROWS}, stack="{stack}"}}' for stack in _SEVERAL)
    name = "topic-several"
    changes = (f"component.name={name}", f"data.train=[{rows}]", "training.epochs=4")
    train = Train("topic/task.toml", changes, (f"task:{name}",), (sib("nqo"), sib("eng")))
    row = "LoRA, English rows bare and through the parts of N'Ko, Bambara and Acehnese"
    return Job(f"nko/{name}", (train, *_both(row, f"task:{name}", LANGUAGES["nqo-10"][0], "nqo-10")))


def _task_languages() -> Job:
    """The recipe over English, Javanese and Sundanese, with labels of all three."""
    name = "topics"
    train = Train("topic/task-languages.toml", (), (f"task:{name}",), (sib("nqo"), sib("eng")))
    row = "LoRA over English, Javanese and Sundanese (labels of all three)"
    return Job(
        f"nko/{name}",
        (train, *_both(row, f"task:{name}", LANGUAGES["nqo-10"][0], "nqo-10")),
        more_needs=("lang:jav", "lang:sun"),
    )
