"""The grid of quality figures (tests/bench): its jobs hang together, and its tables say what the results say."""

import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(autouse=True)
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("grid", "quality")]:
        del sys.modules[name]


def jobs():
    from grid.themes import all_themes

    return [job for theme in all_themes() for job in theme.jobs]


def test_names_are_distinct_and_what_a_job_needs_another_makes():
    found = jobs()
    made = [name for job in found for name in job.makes if job.keeps]
    assert len({job.name for job in found}) == len(found)
    assert len(set(made)) == len(made)
    assert {name for job in found for name in job.needs} <= set(made)


def test_a_plan_has_what_the_named_jobs_need_in_the_grid_s_order():
    from grid.themes import all_themes
    from quality import plan

    due = plan(all_themes(), ["nko/topic-labelled-nqo-10"], [0, 1])
    assert [str(one) for one in due] == [
        f"{name} (seed {seed})"
        for name in ("nko/nqo-10", "nko/topic", "nko/label", "nko/topic-labelled-nqo-10")
        for seed in (0, 1)
    ]


def test_every_recipe_of_the_grid_loads_with_its_changes(tmp_path):
    from grid.job import Settings, Train
    from grid.work import load

    settings = Settings(str(tmp_path), "/nowhere", backbone="e5-small")
    steps = [step for job in jobs() for step in job.steps if isinstance(step, Train)]
    assert len(steps) > 60
    for step in steps:
        recipe = load(step, 7, settings)
        keys = [one.key for one in getattr(recipe, "recipes", (recipe,))]
        assert recipe.training.seed == 7
        assert tuple(keys) == step.makes


def test_what_is_scored_without_a_language_is_the_whole_backbones(tmp_path):
    from grid.job import Job, Score, Settings, Test
    from grid.work import Workshop

    from lect.host import Host
    from lect.selection.trim import trim_backbone
    from lect.testing.backbones import save_tiny_backbone

    save_tiny_backbone(tmp_path / "whole", "xlm-roberta", seed=1)
    whole, small = str(tmp_path / "whole"), str(tmp_path / "small")
    # Of the texts' letters the trimmed one has none: all of them are one unknown token to it.
    trim_backbone(whole, Path(small), Host.load(report=lambda line: None), languages=["ru"])
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("text\ttranslation\n" + "".join(f"{word}\t{word}\n" for word in ("city", "long", "day", "two")))
    score = Score("t", "without", "c", "", Test("tsv", {"path": str(pairs), "translation": "translation"}), "recall@1")
    for backbone in (whole, small):
        workshop = Workshop(Settings(str(tmp_path / "grid"), "/nowhere", backbone=backbone))
        (found,) = workshop.run(Job("x/y", (score,)), 0)["scores"]
        assert found["scores"]["recall@1"] == 1.0


def test_tasks_over_no_language_are_trained_on_the_whole_backbone(tmp_path):
    from grid.job import Settings, Train
    from grid.work import load, over_no_language

    found = {
        name: over_no_language(load(step, 0, Settings(str(tmp_path), "/nowhere")))
        for job in jobs()
        for step in job.steps
        if isinstance(step, Train)
        for name in step.makes
    }
    assert found["task:topic"] and found["task:sentiment-full"] and found["task:ner"]
    assert not any(whole for name, whole in found.items() if name.startswith("lang:"))
    assert not found["task:topics"] and not found["task:topic-through-nqo-10"]


def test_tables_have_mean_and_deviation_and_say_where_seeds_are_missing(tmp_path):
    from grid.tables import markdown
    from grid.themes import all_themes

    for seed, value in ((0, 0.70), (1, 0.72), (2, 0.74)):
        places = (("full fine-tuning", "Acehnese", value), ("task bottleneck", "Javanese", value + 0.1))
        scores = [
            {"table": "nusax", "row": row, "column": column, "metric": "macro_f1", "scores": {"macro_f1": own}}
            for row, column, own in places
            if seed or column == "Acehnese"
        ]
        record = {"job": "x", "seed": seed, "seconds": 1.0, "device": "CPU", "scores": scores, "runs": []}
        (tmp_path / f"{seed}.json").write_text(json.dumps(record))
    lines = markdown(all_themes(), tmp_path).splitlines()
    assert lines[0] == "| NusaX, macro-F1 | Acehnese | Javanese | mean |"
    assert lines[2:4] == [
        "| full fine-tuning | 72.0 ± 2.0 |  |  |",
        "| task bottleneck |  | 83.0 ± 1.4 (2) |  |",
    ]
