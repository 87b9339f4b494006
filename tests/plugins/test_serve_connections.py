"""What comes over bare connections: no HTTP, half of it, slowly, or more than may be; others are answered beside it."""

from __future__ import annotations

import json
import select
import socket
from contextlib import closing

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from served import Shop, serving
from waiting import wait_for

BODY = json.dumps({"inputs": "a"}).encode()
TOO_LATE = 1


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("task:mood", method=None, labels=("bad", "good"))
    return shop


@pytest.fixture(scope="module")
def url(shop):
    """A server that gives up slow clients soon, and answers whatever takes longer."""
    service = shop.service(stacks=["task:mood"], limits={"seconds": TOO_LATE})
    with serving(service, send_buffer=2**14) as url:
        service.config = shop.config(stacks=["task:mood"], limits={"seconds": 60})
        yield url


def request(*, body=BODY, line=b"POST /v1/predict HTTP/1.1", length=None, more=b""):
    size = str(len(body)).encode() if length is None else length
    head = b"host: localhost\r\ncontent-type: application/json\r\ncontent-length: " + size
    return line + b"\r\n" + head + b"\r\n" + more + b"\r\n" + body


def connect(url, **options):
    place = httpx.URL(url)
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(60)
    connection.connect((place.host, place.port))
    return closing(connection)


def answer_of(connection):
    """The status and the JSON of what is answered."""
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < length_of(received):
        block = connection.recv(2**16)
        assert block, received
        received += block
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body[: length_of(received)])


def length_of(received):
    head = received.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length:")[2].split()[0])


def answers_others(url):
    return httpx.post(f"{url}/v1/predict", json={"inputs": "a"}, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        (request(more=b"x-long: " + b"a" * 2**20 + b"\r\n"), 431, "too long"),
        (request(line=b"POST /" + b"a" * 2**20 + b" HTTP/1.1"), 431, "too long"),
        (b"\0" * 200 + b"\r\n\r\n", 400, "illegal request line"),
        (request(line=b"POST /v1/\0predict HTTP/1.1"), 400, "illegal request line"),
        (request(line=b"POST /v1/%00predict HTTP/1.1"), 404, "Not Found"),
        (request(length=b"many"), 400, "Content-Length"),
        (request(length=b"-1"), 400, "Content-Length"),
        (request(length=b"5"), 422, "no JSON"),
        (request(more=b"content-length: 3\r\n"), 400, "Content-Length"),
        (request(length=str(100 * 2**20).encode()), 413, "8,388,608 bytes"),
        (b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400, "chunk"),
        (b"GET /health HTTP/1.1\r\n\r\n", 400, "Host"),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(url, sent, status, why):
    with connect(url) as connection:
        connection.sendall(sent)
        found, body = answer_of(connection)
        assert answers_others(url)
    assert found == status
    assert why in body["error"]["message"] and len(body["error"]["message"]) < 200


def test_a_hundred_megabytes_are_refused_before_they_are_read(url):
    block, sent = b" " * 2**20, 0
    with connect(url) as connection:
        connection.sendall(request(body=b"", length=str(100 * 2**20).encode()))
        try:
            for _ in range(100):
                sent += connection.send(block)
        except OSError:
            pass
        assert answer_of(connection)[0] == 413
    assert sent < 50 * 2**20
    assert answers_others(url)


def test_a_client_who_sends_byte_by_byte_is_answered_and_one_who_stops_is_given_up(url):
    with connect(url) as slow, connect(url) as stopped, connect(url) as silent:
        stopped.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: loc")
        for number, byte in enumerate(request()):
            slow.sendall(bytes([byte]))
            if number % 50 == 0:
                assert answers_others(url)
        assert answer_of(slow)[0] == 200
        status, body = answer_of(stopped)
        assert (status, body["error"]["message"]) == (408, "the request did not arrive in time")
        assert silent.recv(1) == b""


def test_a_client_who_does_not_read_is_given_up_and_one_who_reads_slowly_is_not(url):
    large = json.dumps({"input": ["a"] * 600, "model": "bare"}).encode()
    asked = request(body=large, line=b"POST /v1/embeddings HTTP/1.1")
    with connect(url, SO_RCVBUF=4096) as idle, connect(url, SO_RCVBUF=4096) as slow:
        for connection in (idle, slow):
            connection.sendall(asked)
        given_up, received = select.poll(), bytearray(slow.recv(2**12))
        given_up.register(idle, 0)
        size = received.index(b"\r\n\r\n") + 4 + length_of(received)
        assert size > 2**18

        def read_on():
            if len(received) < size:
                received.extend(slow.recv(2**12))
            return bool(given_up.poll(0))

        wait_for(read_on, every=0.002)
        while len(received) < size:
            received.extend(slow.recv(2**16))
        assert received.startswith(b"HTTP/1.1 200")
        assert answers_others(url)


def test_a_client_who_leaves_in_the_middle_leaves_room_for_another(shop):
    service = shop.service(stacks=["task:mood"], limits={"connections": 1})
    with serving(service) as url, connect(url) as leaving:
        leaving.sendall(request()[:-5])
        ask = httpx.Client(base_url=url, timeout=60)
        wait_for(lambda: ask.post("/v1/predict", json={"inputs": "a"}).status_code == 429)
        leaving.close()
        wait_for(lambda: ask.post("/v1/predict", json={"inputs": "a"}).status_code == 200)
        ask.close()
