"""What the server's routes answer, over a real connection, against the stack run alone."""

from __future__ import annotations

import base64
import json

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from served import Shop, serving

from lect import Example
from lect.composition.graphs.recording import CallingRecorder
from lect.storage.digests import content_digest
from lect.toml import toml_text

MOOD, TOPIC = "lang:jav + task:mood", "task:topic"
TEXTS = ["a text", "another text that is longer than the first", "b"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("lang:jav")
    shop.write("lang:sun", method="lora")
    gated = shop.write("lang:bam") / "component.toml"
    gate = {"use": "classification", "strength": 0.5, "measure": "agreement", "rows": 50}
    gate |= {"score": 70.0, "without": 60.0, "whole": 65.0}
    gated.write_text(f"{gated.read_text('utf-8')}\n{toml_text({'gate': [gate]})}", "utf-8")
    shop.write("task:mood", method="lora", labels=("bad", "good"))
    shop.write("task:topic", method=None, labels=("a", "b", "c"))
    shop.write("task:pairs", method=None, labels=("no", "yes"))
    shop.write("task:score", method=None, kind="regression")
    return shop


@pytest.fixture(scope="module")
def service(shop):
    return shop.service(stacks=[MOOD])


@pytest.fixture(scope="module")
def client(service):
    with serving(service) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def scores(shop, stack, texts):
    return [dict(each.scores) for each in shop.solo(stack).predict([Example(text) for text in texts])]


def test_predictions_are_those_of_the_stack_alone_and_say_what_made_them(client, shop):
    answer = client.post("/v1/predict", json={"inputs": TEXTS}).json()
    assert [each["text"] for each in answer["results"]] == TEXTS
    for each, alone in zip(answer["results"], scores(shop, MOOD, TEXTS), strict=True):
        assert each["scores"] == pytest.approx(alone, abs=1e-5)
        assert each["answer"] == max(alone, key=alone.get)
    made_by = answer["made_by"][MOOD]
    assert made_by["backbone"]["fingerprint"] == shop.backbone.fingerprint
    digests = {each["component"]: each["digest"] for each in made_by["components"]}
    folders = {"lang:jav": "lang/jav", "task:mood": "task/mood"}
    assert digests == {key: content_digest(shop.library.folders[0] / place) for key, place in folders.items()}


def test_a_language_acts_as_its_gate_says_and_the_answer_says_so(client, shop):
    stacks = ["lang:bam + task:topic", "1*lang:bam + task:topic", "0.5*lang:bam + task:topic"]
    answer = client.post("/v1/predict", json={"inputs": TEXTS[:1], "stacks": stacks}).json()
    found = [each["scores"] for each in answer["results"]]
    for each, stack in zip(found, stacks, strict=True):
        assert each == pytest.approx(scores(shop, stack, TEXTS[:1])[0], abs=1e-5)
    assert found[0] == pytest.approx(found[2], abs=1e-5) and found[0] != pytest.approx(found[1], abs=1e-3)
    assert [answer["made_by"][stack].get("strengths") for stack in stacks] == [{"lang:bam": 0.5}, None, None]


def test_each_row_may_have_a_stack_of_its_own_and_each_text_several(client, shop):
    stacks = [TOPIC, MOOD, "lang:sun + task:topic"]
    answer = client.post("/v1/predict", json={"inputs": TEXTS, "stack": stacks}).json()
    for each, stack, text in zip(answer["results"], stacks, TEXTS, strict=True):
        assert each["stack"] == stack
        assert each["scores"] == pytest.approx(scores(shop, stack, [text])[0], abs=1e-5)
    answer = client.post("/v1/predict", json={"inputs": TEXTS[:2], "stacks": stacks[:2]}).json()
    assert [(each["index"], each["stack"]) for each in answer["results"]] == [
        (0, TOPIC),
        (0, MOOD),
        (1, TOPIC),
        (1, MOOD),
    ]
    assert answer["results"][3]["scores"] == pytest.approx(scores(shop, MOOD, [TEXTS[1]])[0], abs=1e-5)


def test_pairs_and_weights_and_means_are_answered_as_elsewhere(client, shop):
    answer = client.post(
        "/v1/predict", json={"inputs": [["a", "b"], {"text": "c", "pair": "d"}], "stack": "task:pairs"}
    )
    alone = shop.solo("task:pairs").predict([Example("a", text_pair="b"), Example("c", text_pair="d")])
    for each, own in zip(answer.json()["results"], alone, strict=True):
        assert each["scores"] == pytest.approx(dict(own.scores), abs=1e-5)
    stack = "avg(lang:jav, 0.5*lang:sun) + task:topic"
    answer = client.post("/v1/predict", json={"inputs": TEXTS[:1], "stack": stack}).json()
    assert answer["results"][0]["scores"] == pytest.approx(scores(shop, stack, TEXTS[:1])[0], abs=1e-5)


def test_streams_of_events_and_of_lines_give_the_same_answers(client):
    whole = client.post("/v1/predict", json={"inputs": TEXTS}).json()["results"]
    body = client.post("/v1/predict", json={"inputs": TEXTS, "stream": True})
    assert body.headers["content-type"].startswith("text/event-stream")
    first, *events, last = [event.removeprefix("data: ") for event in body.text.split("\n\n") if event]
    assert "made_by" in json.loads(first) and last == "[DONE]"
    assert sorted((json.loads(event) for event in events), key=lambda each: each["index"]) == whole
    lines = [json.dumps(TEXTS[0]), json.dumps({"text": TEXTS[1], "stack": TOPIC}), "{", '{"x": 1}'] + ['"b"'] * 200
    kind = {"content-type": "application/x-ndjson"}
    answer = client.post("/v1/predict/lines", content="\n".join(lines), headers=kind)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["index"] for each in found] == list(range(204))
    assert found[0]["scores"] == pytest.approx(whole[0]["scores"], abs=1e-5)
    assert found[1]["made_by"]["components"][0]["component"] == TOPIC
    assert ["error" in each for each in found[:5]] == [False, False, True, True, False]
    assert all(each["answer"] == whole[2]["answer"] for each in found[4:])


def test_vectors_are_as_openai_has_them(client, shop):
    asked = {"input": TEXTS, "model": "lang:jav"}
    answer = client.post("/v1/embeddings", json=asked).json()
    alone = shop.solo("lang:jav").embed(TEXTS).numpy()
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    found = np.array([each["embedding"] for each in answer["data"]])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert (answer["object"], answer["model"]) == ("list", "lang:jav")
    coded = client.post("/v1/embeddings", json={**asked, "encoding_format": "base64", "dimensions": 8}).json()
    short = np.stack([np.frombuffer(base64.b64decode(each["embedding"]), "<f4") for each in coded["data"]])
    expected = alone[:, :8] / np.linalg.norm(alone[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(short, expected, atol=1e-5)
    tokens = client.post("/v1/embeddings", json={"input": [[1, 2]], "model": "lang:jav"})
    assert tokens.status_code == 422
    assert "check_embedding_ctx_length=False" in tokens.json()["error"]["message"]


def test_the_client_of_openai_works_by_its_base_url(client, shop):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0) as theirs:
        found = theirs.embeddings.create(model="lang:sun", input=TEXTS[:2])
        alone = shop.solo("lang:sun").embed(TEXTS[:2]).numpy()
        alone /= np.linalg.norm(alone, axis=1, keepdims=True)
        np.testing.assert_allclose([each.embedding for each in found.data], alone, atol=1e-5)
        assert {"bare", MOOD, "lang:jav", "task:topic"} <= {each.id for each in theirs.models.list()}
        with pytest.raises(openai.NotFoundError, match="there is no component"):
            theirs.embeddings.create(model="lang:nothing", input="a")
        with pytest.raises(openai.UnprocessableEntityError):
            theirs.embeddings.create(model="lang:sun + ", input="a")


def test_the_calls_of_teis_documentation_give_its_shapes(client, shop):
    vector = client.post("/embed", json={"inputs": "What is Deep Learning?"}).json()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array(client.post("/embed", json={"inputs": ["a", "b"], "normalize": False}).json()).shape == (2, 32)
    found = client.post("/predict", json={"inputs": "I like you."}).json()
    assert [sorted(each) for each in found] == [["label", "score"], ["label", "score"]]
    assert found[0]["score"] >= found[1]["score"]
    batch = client.post("/predict", json={"inputs": [["I like you."], ["I", "you"]], "raw_scores": True}).json()
    assert [len(each) for each in batch] == [2, 2]
    ranks = client.post("/rerank", json={"query": "a", "texts": ["b", "a"], "stack": "lang:jav", "return_text": True})
    assert [(each["index"], each["text"]) for each in ranks.json()] == [(1, "a"), (0, "b")]
    ranks = client.post("/rerank", json={"query": "a", "texts": ["b", "c"], "stack": "task:score"}).json()
    alone = shop.solo("task:score").predict([Example("a", text_pair="b"), Example("a", text_pair="c")])
    assert {each["index"]: each["score"] for each in ranks} == pytest.approx(
        {0: alone[0].value, 1: alone[1].value}, abs=1e-4
    )
    inputs = {"source_sentence": "a", "sentences": ["a", "b"]}
    first, second = client.post("/similarity", json={"inputs": inputs}).json()
    assert first == pytest.approx(1) and second < 1
    (tokens,) = client.post("/tokenize", json={"inputs": "ab cd"}).json()
    assert sorted(tokens[0]) == ["id", "special", "start", "stop", "text"]
    assert "".join(each["text"] for each in tokens if not each["special"]).endswith("cd")
    info = client.get("/info").json()
    assert info["model_type"] == {
        "classifier": {"id2label": {"0": "bad", "1": "good"}, "label2id": {"bad": 0, "good": 1}}
    }
    assert {"model_id", "model_sha", "max_input_length", "max_batch_tokens", "max_client_batch_size"} <= info.keys()
    refused = client.post("/embed", json={"inputs": "word " * 500})
    assert (refused.status_code, refused.json()["error_type"]) == (413, "validation")
    assert client.post("/embed", json={"inputs": "word " * 500, "truncate": True}).status_code == 200
    assert client.post("/predict", json={"inputs": "a", "stack": "task:nothing"}).json().keys() == {
        "error",
        "error_type",
    }


def test_an_explanation_shares_out_the_score(client):
    found = client.post("/v1/explain", json={"text": "a few words", "stack": "task:topic"}).json()
    assert [word for word, *_ in found["words"]] == ["a", "few", "words"]
    assert found["target"] in ("a", "b", "c") and "#" not in json.dumps(found)


def test_an_unknown_component_is_never_the_base_model(client):
    for route, body in {
        "/v1/predict": {"inputs": "a", "stack": "lang:nope + task:mood"},
        "/v1/embeddings": {"input": "a", "model": "lang:nope"},
        "/embed": {"inputs": "a", "stack": "lang:nope"},
    }.items():
        answer = client.post(route, json=body)
        assert answer.status_code == 404
        assert "there is no component" in answer.text and "nope" in answer.text


@pytest.mark.parametrize(
    "stack",
    ["./components/lang/jav", "/etc", '"/etc/passwd"', "~root", "lang:../../etc", "lang:", "no", "lang:" + "a" * 300,
     "lang:jav" + " + lang:jav" * 40, "x" * 5000, "lang:jav + task:mood + lang:sun", "\u0000", "lang:jav@../1"],
)  # fmt: skip
def test_names_are_checked_before_they_reach_the_file_system(client, stack):
    answer = client.post("/v1/predict", json={"inputs": "a", "stack": stack})
    assert answer.status_code in (404, 422)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b'{"inputs": NaN}', 422),
        (b'{"inputs": ["a", NaN]}', 422),
        (b'{"inputs": -Infinity}', 422),
        (b'{"inputs": "a", "stack": 1e999}', 422),
        (b'{"inputs": "\0"}', 422),
        (b'{"inputs": "\xff"}', 400),
        (b'{"inputs": "\\ud800"}', 422),
        (b'{"inputs": "a", "stack": "\\ud800"}', 422),
        (b'{"inputs": []}', 422),
        (b'{"inputs": "  "}', 422),
        (b'{"inputs": "a", "extra": 1}', 422),
        (b'{"inputs": ' + b"[" * 100_000, 400),
        (b'{"inputs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400),
        (b'{"inputs": [{"text": "a", "stack": 5}]}', 422),
        (json.dumps({"inputs": ["a"] * 2049}).encode(), 413),
        (json.dumps({"inputs": "a" * 100_001}).encode(), 413),
        (b" " * (8 * 2**20 + 1), 413),
    ],
)
def test_what_is_wrong_is_refused_and_disturbs_nothing(client, body, status):
    answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert client.post("/v1/predict", json={"inputs": "a"}).status_code == 200


def test_metrics_have_as_many_series_however_many_stacks_and_paths(client):
    def series():
        return {
            line.rpartition(" ")[0] for line in client.get("/metrics").text.splitlines() if not line.startswith("#")
        }

    client.get("/nothing")
    client.post("/v1/predict", json={"inputs": "a", "stack": "task:topic"})
    series()
    before = series()
    for number in range(20):
        client.get(f"/nothing/{number}")
        client.post("/v1/predict", json={"inputs": "a", "stack": f"0.{number + 1}*lang:jav + task:topic"})
    assert series() == before


def test_recorded_layers_answer_as_others_do_and_are_counted(client, service, shop):
    stacks = [MOOD, "lang:sun + task:mood", TOPIC, "1*lang:bam + task:topic", "0.5*lang:bam + task:topic"]
    stacks.append("avg(lang:sun, lang:bam) + task:mood")
    service.engine.model.use_graphs(CallingRecorder())
    try:
        for own in (stacks[:3], stacks[1:4], stacks[3:5], stacks[4:]):
            answer = client.post("/v1/predict", json={"inputs": TEXTS, "stacks": own}).json()
            for each in answer["results"]:
                assert each["scores"] == pytest.approx(scores(shop, each["stack"], [each["text"]])[0], abs=1e-5)
        figures = client.get("/metrics").text
    finally:
        service.engine.model.use_graphs(None)
    lines = [line.rpartition(" ") for line in figures.splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, _, value in lines}
    assert found["lect_graph_replays"] >= found["lect_graph_recordings"] > 0
    # A language at part of its strength is recorded, too; a mixture of two is not.
    assert found["lect_graph_replays"] >= 3
    assert any(name.startswith('lect_graph_refusals{why="MixedPart') for name in found)


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("127.0.0.2", 200), ("[::1]:5", 200), ("evil.example", 403), ("", 403)]
)
def test_pages_whose_name_is_pointed_here_are_refused(client, host, status):
    assert client.get("/v1/models", headers={"host": host}).status_code == status
    assert (
        client.get("/v1/models", headers={"origin": "https://evil.example"}).headers.get("access-control-allow-origin")
        is None
    )


def test_what_would_wait_for_too_long_is_refused_before_it_is_read(client, service, monkeypatch):
    monkeypatch.setattr(type(service.scheduler), "wait", 11.5)
    refused = client.post("/v1/predict", content=b"no JSON")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "12")
    assert refused.json()["error"]["type"] == "overloaded"
    assert client.get("/health").status_code == 200 and client.get("/v1/models").status_code == 200
    monkeypatch.undo()
    assert client.post("/v1/predict", json={"inputs": "a"}).status_code == 200


def test_health_tells_live_from_ready(client, service):
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health").json()["status"] == "ready"
    service.state = "stopping"
    try:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health").status_code == 503
        refused = client.post("/v1/predict", json={"inputs": "a"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert client.post("/embed", json={"inputs": "a"}).json()["error_type"] == "unhealthy"
    finally:
        service.state = "ready"
