"""Every task by every method, from one language to others (issue 6)."""

from __future__ import annotations

from dataclasses import dataclass

from grid.job import DATA, Job, Score, Table, Test, Theme, Train
from grid.themes.tests import NAMES, flores, masakhaner, sib, tatoeba, trees

METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("LoRA r16, all linear layers", ()),
    "-full": ("full fine-tuning", ('parts=[{method="full"}]', "training.learning_rate=5e-5")),
    "-bottleneck": (
        "task bottleneck",
        ('parts=[{method="bottleneck", reduction_factor=16}]',),
    ),
}
PARTS = {"nqo": "nqo-10", "bam": "bam", "ace": "ace-seed", "jav": "jav", "min": "min", "sun": "sun"}
"""The part of each language that has one."""
OVER = {"nusax": ("jav", "min", "sun"), "seed": ("nqo", "bam", "ace")}
"""The languages whose parts come of the same data, each a job."""


@dataclass(frozen=True)
class _Task:
    name: str
    recipe: str
    metric: str
    tests: dict[str, Test]
    changes: tuple[str, ...] = ()
    title: str = ""


def _squad(path: str, language: str, **more: str) -> Test:
    return Test("squad", {"path": f"{DATA}/{path}", "language": language, **more})


def _afriqa(language: str) -> Test:
    path = f"afriqa/{language}/gold_span_passages.afriqa.{language}.en.test.json"
    return _squad(path, "en", question="question_lang", answers="answer_pivot")


_NER = {
    "bam": masakhaner("bam"),
    "swh": masakhaner("swa"),
    "hau": masakhaner("hau"),
    "slk": Test("conll", {"path": f"{DATA}/uner/slk/sk_snk-ud-test.iob2", "words": 1, "tags": 2}),
}
_TREES = {
    language: trees(language, treebank)
    for language, treebank in (("eng", "en_ewt"), ("ind", "id_csui"), ("jav", "jv_csui"), ("bam", "bm_crb"))
}
_MORE = {"slk": "Slovak", "amh": "Amharic", "zul": "Zulu", "swa": "Swahili"}
TASKS = (
    _Task(
        "topic",
        "topic/task.toml",
        "macro_f1",
        {code: sib(code) for code in NAMES},
        title="SIB-200 topics from English, macro-F1",
    ),
    _Task(
        "ner",
        "ner/task.toml",
        "f1",
        _NER,
        title="Entities from Broad Twitter and WikiGold, F1",
        changes=("data.validation=",),
    ),
    _Task("pos", "pos/task.toml", "accuracy", _TREES, title="Parts of speech from UD English, accuracy"),
    _Task("parser", "parsing/task.toml", "las", _TREES, title="Dependency parsing from UD English, LAS"),
    _Task(
        "afrisenti",
        "nusax/task-lora.toml",
        "macro_f1",
        {"swa": Test("tsv", {"path": f"{DATA}/afrisenti/swa/test.tsv", "text": "tweet", "label": "label"})},
        (
            f'data.train={{reader="tsv", path="{DATA}/afrisenti/swa/train.tsv", text="tweet", label="label"}}',
            "training.epochs=5",
        ),
        "AfriSenti, Swahili, macro-F1",
    ),
    _Task(
        "qa",
        "qa/task.toml",
        "f1",
        {
            "ind": _squad("tydiqa-id/ind/test.json", "id"),
            "amh": _squad("amqa/amh/test_data.json", "am"),
            "hau": _afriqa("hau"),
            "zul": _afriqa("zul"),
            "swa": _afriqa("swa"),
        },
        title="Questions from TyDi Indonesian, F1",
    ),
    _Task(
        "choice",
        "choice/task.toml",
        "accuracy",
        {
            code: Test("choices", {"path": f"{DATA}/xcopa/{short}/test.{short}.jsonl", "language": short})
            for code, short in (("ind", "id"), ("swa", "sw"))
        },
        title="XCOPA from 100 Indonesian rows, accuracy",
    ),
)


def theme() -> Theme:
    """All of it."""
    trained = [job for suffix in METHODS for task in TASKS if (job := _trained(task, suffix)) is not None]
    over = [job for task in TASKS for group in OVER if (job := _over(task, group)) is not None]
    tables = [Table(f"task-{task.name}", task.title) for task in TASKS]
    tables += [Table(f"retrieval-{name}", f"{name}, found among English, recall@1") for name in ("FLORES", "Tatoeba")]
    return Theme("tasks", (*trained, *over, _bare(), _parts()), tables)


def _trained(task: _Task, suffix: str) -> Job | None:
    """One method on one task; what the theme of N'Ko has trained is only scored."""
    name, (row, changes) = f"{task.name}{suffix}", METHODS[suffix]
    scores = tuple(
        Score(f"task-{task.name}", row, _named(language), f"task:{name}", test, task.metric)
        for language, test in task.tests.items()
    )
    if name in ("topic", "topic-bottleneck"):
        return Job(f"tasks/{name}-languages", scores)
    own = (f"component.name={name}", *task.changes, *changes)
    train = Train(task.recipe, (*own, "data.overlap=drop"), (f"task:{name}",), tuple(task.tests.values()))
    return Job(f"tasks/{name}", (train, *scores), keeps=suffix != "-full")


def _over(task: _Task, group: str) -> Job | None:
    """LoRA and bottleneck over the parts of the languages that have one."""
    scores = tuple(
        Score(
            f"task-{task.name}",
            f"language + {METHODS[suffix][0]}",
            _named(language),
            f"lang:{PARTS[language]} + task:{task.name}{suffix}",
            test,
            task.metric,
        )
        for suffix in ("", "-bottleneck")
        for language, test in task.tests.items()
        if language in OVER[group]
    )
    return Job(f"tasks/{task.name}-over-{group}", scores) if scores else None


def _bare() -> Job:
    scores = [_found("FLORES", "bare backbone", code, "", flores(code)) for code in NAMES if code != "eng"]
    scores += [_found("Tatoeba", "bare backbone", code, "", tatoeba(code)) for code in ("ind", "jav", "swh")]
    return Job("tasks/retrieval-bare", tuple(scores))


def _parts() -> Job:
    scores = [
        _found("FLORES", "language part", code, f"lang:{PARTS[code]}", flores(code)) for code in NAMES if code in PARTS
    ]
    scores.append(_found("Tatoeba", "language part", "jav", "lang:jav", tatoeba("jav")))
    return Job("tasks/retrieval-parts", tuple(scores))


def _found(name: str, row: str, language: str, stack: str, test: Test) -> Score:
    return Score(f"retrieval-{name}", row, NAMES[language], stack, test, "recall@1")


def _named(language: str) -> str:
    return NAMES.get(language) or _MORE[language]
