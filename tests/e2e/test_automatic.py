"""`lang:auto` for each single text: which component is taken, that it is the one that answers, and what is refused."""

from __future__ import annotations

import json

import pytest
from made_up_languages import texts_of
from stream_library import fill_library
from typer.testing import CliRunner

import lect
from lect.commands.app import app
from lect.languages.profiles import profile_of, profiles_bytes
from lect.selection.automatic import AutomaticStacks
from lect.storage.manifest import FILE, manifest_text
from lect.storage.store import PROFILES, read_folder_manifest

LANGUAGES = {"lang/a": ("jv",), "lang/b": ("su", "nqo"), "task/mood": ("uk",)}
TEXTS = {language: texts_of(language, 3, seed=1) for language in ("jv", "su", "nqo", "uk")}
STACK = "lang:auto + task:mood"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = fill_library(tmp_path_factory.mktemp("automatic")) / "components"
    for place, languages in LANGUAGES.items():
        component = folder / place
        manifest = read_folder_manifest(component).model_copy(update={"languages": languages})
        (component / FILE).write_text(manifest_text(manifest), "utf-8")
        profiles = [profile_of(language, texts_of(language, 300)) for language in languages]
        (component / PROFILES).write_bytes(profiles_bytes(profiles))
    return folder


@pytest.fixture(scope="module")
def model(library):
    with lect.load(STACK, library=library) as found:
        yield found


def test_each_text_goes_through_the_component_of_its_language(model):
    stacks = {"jv": "lang:a + task:mood", "su": "lang:b + task:mood", "nqo": "lang:b + task:mood", "uk": "task:mood"}
    texts = [text for each in zip(*TEXTS.values(), strict=True) for text in each]
    languages = list(TEXTS) * 3
    found = model.predict(texts)
    for text, language, prediction in zip(texts, languages, found, strict=True):
        said = prediction.record["language"]
        assert (said["tag"], said["identified_by"], said["likeness"]) == (language, "profiles", None)
        assert said["probability"] > 0.5
        assert said["component"] == {"uk": None}.get(language, stacks[language].split(" + ")[0])
        assert model.predict(text, stacks=stacks[language]).scores == pytest.approx(prediction.scores, abs=1e-6)
    assert found[3].record["language"]["reason"] == "no component is of Ukrainian, and task:mood was trained on it"
    assert found[0].record["language"]["reason"] == "lang:a is of Javanese"
    assert found.records()[0]["language"] == found[0].record["language"]
    assert str(model.stack) == STACK


def test_streams_single_texts_vectors_and_explanations_are_chosen_for_too(model):
    text = TEXTS["su"][0]
    whole = model.predict([text])[0]
    assert model.predict(text).record == whole.record
    assert [each.record for each in model.predict(iter([text, text]))] == [whole.record] * 2
    vectors = model.embed([text, TEXTS["jv"][0]])
    named = model.embed([text, TEXTS["jv"][0]], stacks=["lang:b + task:mood", "lang:a + task:mood"])
    assert vectors == pytest.approx(named, abs=1e-5)
    assert model.explain(text).words
    mixed = model.predict([text, text], stacks=["task:mood", STACK])
    assert "language" not in mixed[0].record and mixed[1].record == whole.record


def test_a_row_that_names_its_language_is_not_identified(model):
    (found,) = model.predict([lect.Example(TEXTS["jv"][0], language="su")])
    assert found.record["language"] == {
        "tag": "su",
        "probability": 1.0,
        "component": "lang:b",
        "likeness": None,
        "reason": "lang:b is of Sundanese",
        "identified_by": "row",
    }


@pytest.mark.slow
def test_sentence_transformers_choose_for_each_text_and_are_saved_with_what_they_choose_from(model, tmp_path):
    pytest.importorskip("sentence_transformers")
    from lect.api.sentence_transformers import load_sentence_transformer

    texts = [each[0] for each in TEXTS.values()]
    encoder = model.as_sentence_transformer({"mood": "task:mood"})
    vectors = model.embed(texts)
    assert encoder.encode(texts) == pytest.approx(vectors, abs=1e-5)
    said = encoder.encode([{"text": texts[0], "language": "su"}])
    assert said == pytest.approx(model.embed(texts[:1], stacks="lang:b + task:mood"), abs=1e-5)
    encoder.save(str(tmp_path / "saved"))
    assert load_sentence_transformer(tmp_path / "saved").encode(texts) == pytest.approx(vectors, abs=1e-5)


@pytest.mark.slow
def test_an_encoder_of_mteb_chooses_for_texts_whose_language_nothing_says(model):
    pytest.importorskip("mteb")
    from types import SimpleNamespace

    texts = [each[0] for each in TEXTS.values()]
    encoder = model.as_mteb_encoder({"jv": "lang:b + task:mood"})
    task = SimpleNamespace(name="task", hf_subsets_to_langscripts={"all": ["jav-Latn", "sun-Latn"]}, languages=[])
    found = encoder.encode([{"text": [*texts, ""]}], task_metadata=task, hf_split="test", hf_subset="all")
    assert found[:-1] == pytest.approx(model.embed(texts), abs=1e-5) and len(found) == len(texts) + 1
    rows = [{"text": texts[:2], "language": ["jav-Latn", "sun-Latn"]}]
    named = encoder.encode(rows, task_metadata=task, hf_split="test", hf_subset="all")
    assert named == pytest.approx(model.embed(texts[:2], stacks="lang:b + task:mood"), abs=1e-5)


@pytest.mark.slow
def test_the_nearest_component_is_taken_where_there_is_none_with_its_score(model):
    pytest.importorskip("qq")
    (found,) = model.predict([lect.Example("a text", language="mad")])
    said = found.record["language"]
    assert said["component"] in ("lang:a", "lang:b") and 0.5 <= said["likeness"] < 1
    assert "no component is of Madurese" in said["reason"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (lect.Example("a text", language="fi"), 'row 1, stack "lang:auto + task:mood": the text is in Finnish (fi)'),
        (lect.Example("1 + 1"), "the language of the text is not known for certain: it is none of those"),
    ],
)
def test_what_is_near_nothing_or_not_known_is_refused(model, row, said):
    with pytest.raises(lect.StackError) as caught:
        model.predict([row])
    assert said in str(caught.value)


def test_what_needs_one_stack_says_so(model):
    with pytest.raises(lect.StackError, match=r"lang:auto chooses a component for each text.*language=…"):
        model.evaluate([{"text": "a", "label": "good"}])


def test_a_text_that_is_less_certain_than_is_asked_for_is_refused(library):
    chooser = AutomaticStacks(lect.Library((library,)), lect.Host.load(), least_probability=1.1)
    with pytest.raises(lect.StackError, match=r"not known for certain: Javanese \d"):
        chooser.choose(STACK, TEXTS["jv"][0])


def test_components_that_came_and_went_are_known_after_a_refresh(library, tmp_path):
    own = tmp_path / "components"
    chooser = AutomaticStacks(lect.Library((own, library)), lect.Host.load())
    assert chooser.choose(STACK, TEXTS["jv"][0]).component == "lang:a"
    place = own / "lang" / "0first"
    place.mkdir(parents=True)
    for file in (library / "lang" / "a").iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    manifest = read_folder_manifest(place).model_copy(update={"name": "0first"})
    (place / FILE).write_text(manifest_text(manifest), "utf-8")
    chooser.refresh()
    assert chooser.choose(STACK, TEXTS["jv"][0]).component == "lang:0first"


def test_lang_auto_inside_of_a_term_is_refused_where_no_component_is_needed(library):
    with pytest.raises(lect.StackError, match="let lang:auto stand alone"):
        lect.load("avg(lang:auto, lang:a) + task:mood", library=library)


def test_the_command_says_what_it_took_for_each_text(library, model, tmp_path):
    arguments = ["predict", "--components", str(library), "-s", STACK, "--json"]
    texts = [TEXTS["nqo"][0], TEXTS["uk"][0]]
    printed = CliRunner().invoke(app, [*arguments, *texts])
    assert printed.exit_code == 0, printed.stderr
    assert [json.loads(line) for line in printed.stdout.splitlines()] == model.predict(texts).records()
    (tmp_path / "rows.txt").write_text(f"{texts[0]}\n\n1 + 1\n", "utf-8")
    refused = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path / "rows.txt")])
    assert refused.exit_code == 1 and "line 3" in refused.stderr and "not known for certain" in refused.stderr
    assert [json.loads(line)["answer"] is None for line in refused.stdout.splitlines()] == [False, True]


def test_identify_says_languages_alone(library):
    found = lect.identify([TEXTS["jv"][0], "1 + 1"], library=library)
    assert [each.language for each in found] == ["jv", None]
    assert lect.identify(TEXTS["uk"][0], library=library).language == "uk"


def test_the_command_says_languages_alone(library):
    arguments = ["languages", "identify", "--components", str(library), TEXTS["nqo"][0], "1 + 1"]
    table = CliRunner().invoke(app, arguments)
    assert table.exit_code == 0 and "N'Ko" in table.stdout and "not known" in table.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert [each["language"] for each in found] == ["nqo", None]
    assert set(found[0]["others"]) <= {"jv", "su", "uk"}
