"""The client against servers that are busy, refuse, or are lost: a small one here says what it is told to."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import lect


def result(row, text):
    return {"index": row, "stack": "task:mood", "text": text, "answer": "good", "score": 0.75, "scores": {"good": 0.75}}


@contextmanager
def server(answer):
    """A server that answers as a function of handler and body does: its URL, and the requests that it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, body, self.headers, self.client_address[1]))
            answer(self, body, len(got))

        def say(self, status, value, **headers):
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, each in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), each)
            self.end_headers()
            self.wfile.write(content)

        def predict(self, body):
            texts = [each["text"] for each in json.loads(body)["inputs"]]
            self.say(200, {"results": [result(*each) for each in enumerate(texts)], "made_by": {"task:mood": {}}})

        def log_message(self, *_):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}", got
    finally:
        served.shutdown()
        served.server_close()
        thread.join()


def refusal(message, kind="overloaded"):
    return {"error": {"message": message, "type": kind}}


@pytest.mark.parametrize("after", ["0", "soon", "Sun, 29 Nov 2020 09:00:00 GMT"])
def test_a_busy_server_is_asked_again_when_it_says(after, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def answer(handler, body, number):
        if number < 3:
            handler.say([429, 503][number - 1], refusal("later"), retry_after=after)
        else:
            handler.predict(body)

    with server(answer) as (url, got), lect.Client(url) as client:
        assert client.predict("a").label == "good"
    assert len(got) == 3


def test_patience_ends_and_the_reason_is_the_servers():
    with (
        server(lambda handler, body, number: handler.say(429, refusal("2 rows wait"), retry_after="50")) as (url, got),
        lect.Client(url, patience=1) as client,
        pytest.raises(lect.UserError, match="2 rows wait"),
    ):
        client.predict("a")
    assert len(got) == 1


@pytest.mark.parametrize(
    ("status", "kind", "error", "said"),
    [
        (401, "unauthorized", lect.UserError, "give it: Client"),
        (404, "not_found", lect.ComponentError, "no such thing"),
        (422, "invalid_request", lect.DataError, "no such thing"),
        (500, "failed", lect.UserError, "no such thing"),
    ],
)
def test_a_refusal_is_an_error_of_lect_with_the_servers_reason(status, kind, error, said):
    with server(lambda handler, body, number: handler.say(status, refusal("no such thing", kind))) as (url, got):
        with pytest.raises(error, match=said) as raised, lect.Client(url, key="secret") as client:
            client.predict("a")
        assert url in str(raised.value)
    assert len(got) == 1 and got[0][2]["authorization"] == "Bearer secret"


def test_what_is_no_json_and_what_takes_too_long_is_said():
    with (
        server(lambda handler, body, number: handler.say(502, b"<html>")) as (url, _),
        lect.Client(url) as client,
        pytest.raises(lect.UserError, match="it answers with status 502"),
    ):
        client.predict("a")
    done = threading.Event()
    with server(lambda handler, body, number: done.wait(30)) as (url, got):
        with pytest.raises(lect.UserError, match=r"does not answer within 0\.2 seconds"):
            lect.Client(url, timeout=0.2).predict("a")
        done.set()
    assert len(got) == 1


def test_a_connection_that_the_server_has_closed_is_opened_again_at_once(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))

    def answer(handler, body, number):
        handler.predict(body)
        handler.close_connection = True

    with server(answer) as (url, got), lect.Client(url) as client:
        for _ in range(3):
            client.predict("a")
    assert len(got) == 3


def test_threads_do_not_wait_for_one_another():
    together = threading.Barrier(3)

    def answer(handler, body, number):
        together.wait(30)
        handler.predict(body)

    with server(answer) as (url, got), lect.Client(url) as client:
        threads = [threading.Thread(target=client.predict, args=("a",)) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
    assert len(got) == 3


def test_what_is_too_large_at_once_is_sent_in_parts():
    def answer(handler, body, number):
        if len(json.loads(body)["inputs"]) > 2:
            handler.say(413, refusal("too much", "too_large"))
        elif handler.path == "/embed":
            handler.say(200, [[float(len(text)), 0] for text in json.loads(body)["inputs"]])
        else:
            handler.predict(body)

    with server(answer) as (url, got), lect.Client(url) as client:
        found = client.predict(list("abcde"))
        assert (
            [each.example.text for each in found] == list("abcde") if hasattr(found[0], "example") else len(found) == 5
        )
        assert client.embed(["a", "bb", "ccc"])[:, 0].tolist() == [1, 2, 3]
    assert {len(json.loads(body)["inputs"]) for _, body, *_ in got} == {5, 3, 2, 1}


def test_many_rows_go_as_lines_and_what_is_left_is_sent_again(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def answer(handler, body, number):
        texts = [json.loads(line)["text"] for line in body.splitlines()]
        records = [{**result(*each), "score": float(each[1].split()[1])} for each in enumerate(texts)]
        records[0]["made_by"] = {"stack": "task:mood", "version": number}
        lines = [json.dumps(each).encode() + b"\n" for each in records]
        if number == 1:  # lost in the middle of a line
            handler.send_response(200)
            handler.send_header("content-length", "100000000")
            handler.end_headers()
            handler.wfile.write(b"".join(lines[:100]) + lines[100][:20])
            handler.close_connection = True
        elif number == 2:  # busy after some
            error = {"index": 50, **refusal("too much waits")}
            handler.say(200, b"".join([*lines[:50], json.dumps(error).encode() + b"\n"]))
        else:
            handler.say(200, b"".join(lines))

    with server(answer) as (url, got), lect.Client(url) as client:
        found = client.predict([f"row {number} {'x' * 400}" for number in range(1000)])
        assert [each.score for each in found] == list(range(1000))
        assert client.made_by["task:mood"]["version"] == 3
    assert [len(body.splitlines()) for _, body, *_ in got] == [1000, 900, 850]
    assert {path for path, *_ in got} == {"/v1/predict/lines"}


def test_a_line_that_is_refused_is_named():
    def answer(handler, body, number):
        lines = [result(row, "a") for row in range(300)]
        lines[0]["made_by"], lines[299] = {}, {"index": 299, **refusal("it is empty", "invalid_request")}
        handler.say(200, b"".join(json.dumps(each).encode() + b"\n" for each in lines))

    with (
        server(answer) as (url, _),
        lect.Client(url) as client,
        pytest.raises(lect.DataError, match="row 300: it is empty"),
    ):
        client.predict(["a"] * 300)
