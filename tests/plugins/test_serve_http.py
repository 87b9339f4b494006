"""The server over real connections: its client, clients that leave or are slow, its command, and how it stops."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from subprocess import PIPE, Popen

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from served import Shop, serving
from waiting import wait_for

import lect
from lect import Example

MOOD = "lang:jav + task:mood"
TEXTS = ["a text", "another text that is longer than the first", "b"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("lang:jav")
    shop.write("task:mood", method="lora", labels=("bad", "good"))
    shop.write("task:pairs", method=None, labels=("no", "yes"))
    return shop


@pytest.fixture(scope="module")
def service(shop):
    return shop.service(stacks=[MOOD], limits={"seconds": 20})


@pytest.fixture(scope="module")
def url(service):
    with serving(service) as url:
        yield url


@pytest.fixture
def held(service):
    """Nothing is computed until this is called."""
    begun, block = threading.Event(), threading.Event()
    service.scheduler.between_batches(lambda: begun.set() or block.wait(60))
    assert begun.wait(60)
    yield block.set
    block.set()


def test_a_client_is_asked_as_a_model_is(url, shop):
    model = shop.solo(MOOD)
    with lect.Client(url) as client:
        found = client.predict(TEXTS)
        alone = model.predict([Example(text) for text in TEXTS])
        assert found.values == [each.value for each in alone]
        for one, own in zip(found, alone, strict=True):
            assert dict(one.scores) == pytest.approx(dict(own.scores), abs=1e-5)
        assert [each["component"] for each in client.made_by[MOOD]["components"]] == ["lang:jav", "task:mood"]
        pair = client.predict({"text": "a", "text_pair": "b"}, stacks="task:pairs")
        assert pair.label == shop.solo("task:pairs").predict([Example("a", text_pair="b")])[0].value
        mixed = client.predict(TEXTS[:2], stacks=["task:mood", MOOD])
        assert mixed[1].score == pytest.approx(alone[1].score, abs=1e-5)
        streamed = client.predict(iter(TEXTS))
        assert [each.value for each in streamed] == found.values
        vectors = client.embed(TEXTS, stacks="lang:jav")
        np.testing.assert_allclose(vectors, shop.solo("lang:jav").embed(TEXTS).numpy(), atol=1e-5)
        assert np.linalg.norm(client.embed("a", normalize=True)) == pytest.approx(1, abs=1e-5)
        assert "task:mood" in client.models()
        with pytest.raises(lect.ComponentError, match='there is no component "lang:nowhere"'):
            client.embed("a", stacks="lang:nowhere")
        with pytest.raises(lect.DataError, match="as many stacks as rows"):
            client.predict(TEXTS, stacks=["task:mood"])
    with pytest.raises(lect.UserError, match="no address of a server"):
        lect.Client("ftp://here")
    nobody = lect.Client("http://127.0.0.1:1", patience=0)
    with pytest.raises(lect.UserError, match="cannot be reached"):
        nobody.predict("a")


def test_a_client_who_leaves_takes_its_rows_along(url, service, held):
    place = httpx.URL(url)
    body = json.dumps({"inputs": ["a"] * 300}).encode()
    for route, kind in (("/v1/predict", "application/json"), ("/v1/predict?", "text/event-stream")):
        with socket.create_connection((place.host, place.port)) as leaving:
            head = f"POST {route} HTTP/1.1\r\nhost: localhost\r\naccept: {kind}\r\ncontent-type: application/json\r\n"
            leaving.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: service.scheduler.rows == 300, every=0.002)
        gone = time.monotonic()
        wait_for(lambda: service.scheduler.rows == 0, every=0.002)
        assert time.monotonic() - gone < 2  # 100 ms where nothing else runs
    held()
    wait_for(lambda: not any(each["in_use"] for each in service.parts.listed()))


def test_slow_clients_and_many_connections_disturb_nobody(url):
    place = httpx.URL(url)
    with httpx.Client(base_url=url, timeout=60) as client:
        idle = [socket.create_connection((place.host, place.port)) for _ in range(200)]
        try:
            for number, one in enumerate(idle):
                one.sendall(
                    b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n" + b"\r\n{" * (number % 2)
                )
            assert client.post("/v1/predict", json={"inputs": TEXTS}).status_code == 200
        finally:
            for one in idle:
                one.close()
        big = client.post(
            "/v1/predict", content=(b" " * 2**20 for _ in range(100)), headers={"content-type": "application/json"}
        )
        assert big.status_code == 413
        assert client.post("/v1/predict", json={"inputs": TEXTS}).status_code == 200


def test_routes_of_plugins_are_served(shop, monkeypatch):
    from fastapi import APIRouter
    from starlette.testclient import TestClient

    from lect.host.records import PluginRecord, Provided
    from lect.specs import RouteSpec
    from lect_serve.app import make_app

    router = APIRouter()
    router.add_api_route("/alive", lambda: {"alive": True})
    record = next(plugin for plugin in shop.host.plugins if plugin.name == "serve")
    assert isinstance(record, PluginRecord)
    provided = {"alive": Provided(RouteSpec("alive", "says so", lambda: router), record)}
    monkeypatch.setattr(type(shop.host), "specs", lambda self, kind: provided if kind is RouteSpec else {})
    app = make_app(shop.service())
    # Not as a context: nothing is loaded for it.
    assert TestClient(app, base_url="http://[::1]:80").get("/alive").json() == {"alive": True}


@pytest.mark.processes
def test_the_command_serves_until_it_is_told_to_stop_and_answers_what_it_has_begun(shop, tmp_path):
    library = str(shop.library.folders[0])
    command = [sys.executable, "-m", "lect", "serve", "-s", MOOD, "--components", library, "--port", "0", "--log"]
    command += ["--backbone", str(shop.backbone_folder)]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=tmp_path) as process:
        try:
            first = process.stdout.readline()
            url = first.split()[0].rstrip("/")
            assert first.endswith(f"serves {MOOD}\n")
            with lect.Client(url, patience=60) as client:
                assert client.predict("a text").label in ("bad", "good")
            found = []

            def ask():
                lines = "\n".join(['"a text"'] * 3000)
                kind = {"content-type": "application/x-ndjson"}
                with httpx.stream("POST", f"{url}/v1/predict/lines", content=lines, headers=kind, timeout=60) as answer:
                    for line in answer.iter_lines():
                        found.append(json.loads(line))

            asking = threading.Thread(target=ask)
            asking.start()
            wait_for(lambda: bool(found), process)
            process.send_signal(signal.SIGTERM)
            asking.join(60)
            errors = process.stderr.read()
            assert process.wait(60) == 0, errors
        finally:
            process.kill()
    assert [each["index"] for each in found] == list(range(3000)) and not any("error" in each for each in found)
    logged = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert {each["route"] for each in logged if each["event"] == "request"} >= {"/v1/predict", "/v1/predict/lines"}
    assert "a text" not in errors


@pytest.mark.processes
def test_mistakes_in_the_settings_are_one_line(shop, tmp_path):
    from typer.testing import CliRunner

    from lect.commands.app import app

    (tmp_path / "serve.toml").write_text("[limits]\ntexts = 0\n", "utf-8")
    (tmp_path / "other.toml").write_text("prot = 1\n", "utf-8")
    runner = CliRunner()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (["--config", str(tmp_path / "serve.toml")], "limits.texts"),
            (["--config", str(tmp_path / "other.toml")], 'did you mean "port"?'),
            (["--config", str(tmp_path / "none.toml")], "cannot be read"),
            (["--port", port], "cannot be listened on"),
        ):
            result = runner.invoke(app, ["serve", *arguments])
            assert result.exit_code == 1 and said in str(result.exception) + result.output
    made = runner.invoke(app, ["serve", "--new-key", "alice"])
    assert made.exit_code == 0 and 'name = "alice"' in made.output
