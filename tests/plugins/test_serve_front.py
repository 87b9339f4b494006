"""The front before replicas that are in this process: what it passes on, what it does where one is lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import contextmanager

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from lect import ReplicaLostError
from lect_serve.access import Access
from lect_serve.asked import Asked, asked_of
from lect_serve.front import Front, make_front
from lect_serve.replica import ADMIN
from lect_serve.settings import ServeConfig

KEYS = [{"name": "alice", "sha256": hashlib.sha256(b"one").hexdigest(), "texts_per_minute": 4}]
KEYS += [{"name": "admin", "sha256": hashlib.sha256(b"two").hexdigest(), "admin": True}]
ALICE, ADMIN_KEY = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}


class Replicas:
    """Two replicas that say what they were asked; so many requests are lost first."""

    def __init__(self, lost=0, lost_within=False):
        self.lost, self.lost_within, self.keys, self.scopes = lost, lost_within, [], []

    async def answer(self, scope, body, *, key):
        if self.lost:
            self.lost -= 1
            raise ReplicaLostError("gone")
        self.keys.append(key)
        self.scopes.append(scope)
        kind = b"text/event-stream; charset=utf-8" if self.lost_within else b"application/json"
        yield [
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]},
            {"type": "http.response.body", "body": self.said(scope, body), "more_body": self.lost_within},
        ]
        if self.lost_within:
            raise ReplicaLostError("gone")

    async def answer_all(self, scope, body):
        if scope["path"] == "/openapi.json":
            return {"a": self.whole({"paths": {"/v1/predict": {}}})}
        if scope["path"].endswith("/unload"):
            return {"a": self.whole({"unloaded": 1}), "b": self.whole({"error": {}}, 404)}
        return {"a": self.whole({"stack": "x"}), "b": self.whole({"stack": "x"})}

    def whole(self, value, status=200):
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        return [start, {"type": "http.response.body", "body": json.dumps(value).encode()}]

    def said(self, scope, body):
        if scope["path"].endswith("/lines"):
            return b"".join(b'{"index": %d, "line": %s}\n' % pair for pair in enumerate(body.split(b"\n")))
        return b'data: {"index": 0}\n\n' if self.lost_within else b'{"results": []}'


def ask(replicas, action, **settings):
    """What an action on a client of a front gives."""
    config = ServeConfig.model_validate({"limits": {"seconds": 2}, **settings})

    @contextmanager
    def opened():
        yield replicas

    async def run():
        front = Front(config, Access(config.keys), opened)
        app = make_front(front)
        told: asyncio.Queue = asyncio.Queue()
        await told.put({"type": "lifespan.startup"})

        async def hear(message):
            pass

        living = asyncio.ensure_future(app({"type": "lifespan"}, told.get, hear))
        while front.state == "starting":
            await asyncio.sleep(0)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = await action(client)
        await told.put({"type": "lifespan.shutdown"})
        await living
        return found

    return asyncio.run(run())


def test_a_request_goes_to_the_replica_of_its_stack_without_its_key():
    replicas = Replicas()

    async def action(client):
        for stack in ("lang:a + task:m", "lang:b + task:m"):
            await client.post("/v1/predict", json={"inputs": ["a"], "stack": stack}, headers=ALICE)

    ask(replicas, action, keys=KEYS, stacks=["lang:b + task:m"])
    assert replicas.keys == ["lang:a + task:m", None]
    assert {scope["client"][0] for scope in replicas.scopes} == {"alice"}
    assert not any(name in (b"authorization", b"host") for scope in replicas.scopes for name, _ in scope["headers"])


def test_keys_and_their_limits_are_the_fronts_business():
    async def action(client):
        found = [(await client.post("/v1/predict", json={"inputs": ["a"]})).status_code]
        for _ in range(3):
            answer = await client.post("/v1/predict", json={"inputs": ["a", "b"]}, headers=ALICE)
            found.append(answer.status_code)
        found.append((await client.post("/v1/components/load", json={}, headers=ALICE)).status_code)
        return found

    assert ask(Replicas(), action, keys=KEYS) == [401, 200, 200, 429, 403]


def test_what_changes_what_is_served_reaches_all():
    replicas = Replicas()

    async def action(client):
        loaded = await client.post("/v1/components/load", json={"stack": "x"}, headers=ADMIN_KEY)
        unloaded = await client.post("/v1/components/unload", json={"component": "x"}, headers=ADMIN_KEY)
        await client.post("/v1/components/pull", json={"component": "x"}, headers=ADMIN_KEY)
        return loaded.json(), unloaded.json()

    loaded, unloaded = ask(replicas, action, keys=KEYS)
    assert loaded == {"stack": "x", "replicas": 2} and unloaded == {"unloaded": 1, "replicas": 1}
    # One fetches before all do.
    assert [scope["path"] for scope in replicas.scopes] == ["/v1/components/pull"]
    assert (b"authorization", ADMIN.encode()) in replicas.scopes[0]["headers"]


@pytest.mark.parametrize(("lost", "status"), [(2, 200), (10_000, 503)])
def test_what_a_lost_replica_had_not_begun_another_answers_or_it_is_refused(lost, status):
    answer = ask(Replicas(lost=lost), lambda client: client.post("/v1/predict", json={"inputs": ["a"]}))
    assert answer.status_code == status
    assert status == 200 or (answer.headers["retry-after"], answer.json()["error"]["type"]) == ("2", "lost")


def test_of_a_stream_that_breaks_off_the_client_is_told():
    answer = ask(Replicas(lost_within=True), lambda client: client.post("/v1/predict", json={"inputs": ["a"]}))
    assert answer.text.startswith('data: {"index": 0}') and '"type": "lost"' in answer.text


def test_lines_are_shared_out_and_put_together_in_order():
    lines = "\n".join(map(str, range(500)))
    kind = {"content-type": "application/x-ndjson"}
    replicas = Replicas(lost=3)
    answer = ask(replicas, lambda client: client.post("/v1/predict/lines", content=lines, headers=kind))
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["index"], each["line"]) for each in found] == [(row, row) for row in range(500)]
    assert len(replicas.scopes) == 8


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/v1/predict", {"inputs": ["a", ["b", "c"]], "stack": "s"}, Asked("s", 2)),
        ("/v1/predict", {"inputs": ["a", "b"], "stacks": ["s", "t"]}, Asked("s", 4)),
        ("/v1/predict", {"inputs": [{"text": "a", "stack": "s"}]}, Asked("s", 1)),
        ("/v1/predict", {"inputs": ["a"], "stack": "auto"}, Asked(None, 1)),
        ("/v1/embeddings", {"input": "a", "model": "s"}, Asked("s", 1)),
        ("/predict", {"inputs": ["a", "b"]}, Asked(None, 1)),
        ("/rerank", {"query": "a", "texts": ["b", "c"], "stack": "s"}, Asked("s", 2)),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}, Asked(None, 2)),
        ("/tokenize", {"inputs": ["a"], "stack": "s"}, Asked("s", 0)),
        ("/v1/explain", {"text": "a"}, Asked(None, 16)),
        ("/v1/predict", ["a"], Asked()),
    ],
)
def test_a_front_reads_no_more_of_a_body_than_it_needs(path, body, asked):
    assert asked_of(path, None, json.dumps(body).encode()) == asked
