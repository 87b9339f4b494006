"""`auto` in the server: each row goes through the component of its language, whatever route it comes by."""

from __future__ import annotations

import json
import shutil

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from made_up_languages import texts_of
from served import Shop, serving

import lect
from lect import Example
from lect.languages import relations

LANGUAGES = ("jv", "su", "nqo", "uk")
TEXTS = {language: texts_of(language, 3, seed=1) for language in LANGUAGES}
STACKS = {
    "jv": "lang:a + task:mood",
    "su": "lang:b + task:mood",
    "nqo": "lang:c + task:mood",
    # The task was trained on it.
    "uk": "task:mood",
}
MIXED = [
    (language, text)
    for texts in zip(*TEXTS.values(), strict=True)
    for language, text in zip(LANGUAGES, texts, strict=True)
]
AUTO = "lang:auto + task:mood"


@pytest.fixture(scope="module", autouse=True)
def _without_donors():
    # The database of languages takes seconds to load.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(relations, "language_database", lambda: None)
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("lang:a", languages=("jv",), has_profiles=True)
    shop.write("lang:b", languages=("su",), method="lora", has_profiles=True)
    shop.write("lang:c", languages=("nqo",), has_profiles=True)
    shop.write("task:mood", labels=("bad", "good"), languages=("uk",), has_profiles=True)
    shop.write("task:topic", method=None, labels=("x", "y", "z"), languages=())
    return shop


@pytest.fixture(scope="module")
def service(shop):
    # Its language is replaced where a language is chosen.
    return shop.service(stacks=["lang:a + task:mood"])


@pytest.fixture(scope="module")
def url(service):
    with serving(service) as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    with httpx.Client(base_url=url, timeout=120) as client:
        yield client


def alone(shop, stack, text):
    return dict(shop.solo(stack).predict([Example(text)])[0].scores)


@pytest.mark.parametrize("stack", ["auto", AUTO])
def test_rows_of_many_languages_in_one_request_each_go_through_their_own(client, shop, stack):
    answer = client.post("/v1/predict", json={"inputs": [text for _, text in MIXED], "stack": stack}).json()
    assert answer["made_by"].keys() == set(STACKS.values())
    for (language, _), found in zip(MIXED, answer["results"], strict=True):
        assert (found["stack"], found["language"]["tag"]) == (STACKS[language], language)
        component, _, _ = STACKS[language].rpartition(" + ")
        assert found["language"]["component"] == (component or None)
    reasons = [found["language"]["reason"] for found in answer["results"][:4]]
    assert reasons[0] == "lang:a is of Javanese"
    assert reasons[3] == "no component is of Ukrainian, and task:mood was trained on it"
    for language, place in zip(LANGUAGES, range(4), strict=True):
        scores = answer["results"][place]["scores"]
        assert scores == pytest.approx(alone(shop, STACKS[language], MIXED[place][1]), abs=1e-5)
    components = [each["component"] for each in answer["made_by"][STACKS["su"]]["components"]]
    assert components == ["lang:b", "task:mood"]


def test_rows_may_name_it_beside_others_and_say_their_language(client):
    text = TEXTS["su"][0]
    inputs = [text, {"text": text, "language": "jav"}, text]
    stacks = ["lang:auto + task:topic", "auto", "task:topic"]
    first, second, third = client.post("/v1/predict", json={"inputs": inputs, "stack": stacks}).json()["results"]
    assert (first["stack"], second["stack"], third["stack"]) == (
        "lang:b + task:topic", STACKS["jv"], "task:topic"
    )  # fmt: skip
    assert second["language"]["identified_by"] == "row" and "language" not in third
    each = client.post("/v1/predict", json={"inputs": text, "stacks": ["auto", STACKS["jv"]]}).json()["results"]
    assert [found["stack"] for found in each] == [STACKS["su"], STACKS["jv"]]


def test_streams_of_events_and_lines_choose_too_and_go_on_past_what_is_refused(client):
    body = {"inputs": [text for _, text in MIXED[:4]], "stack": AUTO}
    whole = client.post("/v1/predict", json=body).json()["results"]
    events = [
        json.loads(event[6:])
        for event in client.post("/v1/predict", json={**body, "stream": True}).text.split("\n\n")
        if event and "[DONE]" not in event
    ]
    assert sorted(events[1:], key=lambda each: each["index"]) == whole
    lines = [TEXTS["su"][0], "1 + 1", {"text": TEXTS["jv"][0]}, {"text": "x", "language": "no language"}, "2 + 2"]
    answer = client.post(
        "/v1/predict/lines?stack=auto",
        content="\n".join(map(json.dumps, lines)),
        headers={"content-type": "application/x-ndjson"},
    )
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [each.get("stack") for each in found] == [STACKS["su"], None, STACKS["jv"], None, None]
    assert "text 2: the language of the text is not known for certain" in found[1]["error"]["message"]
    assert '"no language" is not a language tag' in found[3]["error"]["message"]
    assert found[0]["made_by"]["components"][0]["component"] == "lang:b"


def test_vectors_and_explanations_are_of_the_component_of_each_text(client, shop):
    texts = [TEXTS["su"][0], TEXTS["nqo"][0]]
    expected = [shop.solo(stack).embed([text])[0] for text, stack in zip(texts, ("lang:b", "lang:c"), strict=True)]
    expected = np.stack([vector.numpy() / np.linalg.norm(vector) for vector in expected])
    answer = client.post("/v1/embeddings", json={"input": texts, "model": "lang:auto"}).json()
    np.testing.assert_allclose([each["embedding"] for each in answer["data"]], expected, atol=1e-5)
    assert [each["stack"] for each in answer["data"]] == ["lang:b", "lang:c"] == list(answer["made_by"])
    assert answer["data"][1]["language"]["tag"] == "nqo"
    of_tei = client.post("/embed", json={"inputs": texts, "stack": "lang:auto"}).json()
    np.testing.assert_allclose(of_tei, expected, atol=1e-5)
    labels = client.post("/predict", json={"inputs": texts[0], "stack": "auto"}).json()
    assert {each["label"]: each["score"] for each in labels} == pytest.approx(
        alone(shop, STACKS["su"], texts[0]), abs=1e-5
    )
    ranks = client.post("/rerank", json={"query": texts[0], "texts": texts, "stack": "lang:auto"}).json()
    assert ranks[0]["index"] == 0 and ranks[0]["score"] == pytest.approx(1, abs=1e-5)
    pieces = client.post("/tokenize", json={"inputs": texts, "stack": "auto"}).json()
    assert pieces == client.post("/tokenize", json={"inputs": texts, "stack": "bare"}).json()
    explained = client.post("/v1/explain", json={"text": texts[0], "stack": "auto"}).json()
    assert (explained["stack"], explained["language"]["component"]) == (STACKS["su"], "lang:b")
    assert [each["component"] for each in explained["made_by"]["components"]] == ["lang:b", "task:mood"]


def test_queries_of_an_index_are_chosen_for(shop, tmp_path):
    pytest.importorskip("faiss")
    from lect.retrieval.index import build_index

    texts = TEXTS["su"]
    build_index(shop.solo("lang:b"), [Example(text, origin=text) for text in texts], tmp_path / "index")
    with serving(shop.service(indexes={"texts": str(tmp_path / "index")})) as url:
        answer = httpx.post(f"{url}/v1/search", json={"index": "texts", "query": texts, "stack": "auto"}, timeout=120)
    found = answer.json()
    assert [hits[0]["text"] for hits in found["results"]] == texts
    assert [each["stack"] for each in found["chosen"]] == ["lang:b"] * 3 and list(found["made_by"]) == ["lang:b"]


def test_it_is_among_the_models_and_a_stack_is_due_where_one_is_for_all(client):
    listed = client.get("/v1/models").json()["data"]
    assert "auto" in [each["id"] for each in listed]
    own = client.get("/v1/models/auto").json()["made_by"]["components"]
    assert [each["component"] for each in own] == ["task:mood"]


@pytest.mark.parametrize(
    ("inputs", "stack", "status", "said"),
    [
        ([TEXTS["jv"][0], "1 + 1"], "auto", 422, "text 2: the language of the text is not known for certain"),
        ({"text": "a", "language": "fi"}, AUTO, 422, "text 1: the text is in Finnish (fi), and no component"),
        (TEXTS["jv"][0], "lang:auto + task:nothing", 404, 'there is no component "task:nothing"'),
        (TEXTS["jv"][0], "avg(lang:auto, lang:a) + task:mood", 422, "let lang:auto stand alone"),
        ("a", "lang:auto + ./components/task/mood", 422, "by role and name here, not by folder"),
        ("a", "lang:auto + ", 422, "the stack cannot be read"),
    ],
)
def test_what_cannot_be_chosen_is_refused_and_says_why(client, inputs, stack, status, said):
    given = [inputs] if isinstance(inputs, dict) else inputs
    answer = client.post("/v1/predict", json={"inputs": given, "stack": stack})
    assert answer.status_code == status and said in answer.json()["error"]["message"]


def test_a_client_hands_it_through(url, shop):
    with lect.Client(url, stack=AUTO) as client:
        found = client.predict([TEXTS["su"][0], Example(TEXTS["su"][0], language="jv")])
        assert [each.record["language"]["component"] for each in found] == ["lang:b", "lang:a"]
        assert client.made_by.keys() == {STACKS["su"], STACKS["jv"]}
        assert dict(found[0].scores) == pytest.approx(alone(shop, STACKS["su"], TEXTS["su"][0]), abs=1e-5)
        vectors = client.embed([TEXTS["su"][0], Example(TEXTS["su"][0], language="jv")], stacks="lang:auto")
        own = [shop.solo(stack).embed(TEXTS["su"][:1])[0].numpy() for stack in ("lang:b", "lang:a")]
        np.testing.assert_allclose(vectors, own, atol=1e-5)
        with pytest.raises(lect.DataError, match="not known for certain"):
            client.predict("1 + 1")


def test_components_that_come_go_and_are_replaced_are_noticed(tmp_path):
    shop = Shop(tmp_path)
    shop.write("lang:a", languages=("jv",), has_profiles=True)
    shop.write("lang:c", languages=("nqo",), has_profiles=True)
    shop.write("task:mood", method=None, labels=("bad", "good"), languages=())
    text = TEXTS["jv"][0]
    with serving(shop.service(stacks=[AUTO])) as url, httpx.Client(base_url=url, timeout=120) as client:

        def ask():
            answer = client.post("/v1/predict", json={"inputs": text})
            return answer.json()["results"][0]["stack"] if answer.status_code == 200 else answer.status_code

        found = [ask()]
        folder = shop.write("lang:0first", languages=("jv",), has_profiles=True)
        found.append(ask())
        shutil.rmtree(folder)
        found.append(ask())
        # The same folder holds another language from then on.
        shop.write("lang:a", languages=("su",), has_profiles=True)
        shop.write("lang:b", languages=("jv",), has_profiles=True)
        found.append(ask())
        shutil.rmtree(shop.library.folders[0] / "lang")
        found.append(ask())
    assert found == ["lang:a + task:mood", "lang:0first + task:mood", "lang:a + task:mood", "lang:b + task:mood", 422]
