"""`lect serve --on ray`: two replicas on a real cluster of this machine, one of which is killed under load."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from subprocess import PIPE, Popen

import httpx
import psutil
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("ray.serve")

from served import Shop
from waiting import wait_for

import lect

pytestmark = [pytest.mark.slow, pytest.mark.processes]

MOOD = "lang:jav + task:mood"
STACKS = [MOOD, "task:mood", *(f"lang:l{number} + task:mood" for number in range(6))]
TEXTS = ["a text", "another text that is longer than the first", "b"]
ADMIN = {"authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    for name in ("jav", *(f"l{number}" for number in range(6))):
        shop.write(f"lang:{name}")
    shop.write("task:mood", method="lora", labels=("bad", "good"))
    return shop


def replicas_of(process):
    found = [each for each in psutil.Process(process.pid).children(recursive=True) if each.is_running()]
    return [each for each in found if "ServeReplica" in " ".join(each.cmdline())]


def health(url):
    try:
        return httpx.get(f"{url}/health", timeout=20).json()
    except httpx.HTTPError:
        return {}


def test_requests_go_on_where_a_replica_is_killed_and_every_answer_is_right(shop, tmp_path):
    expected = {
        stack: [dict(each.scores) for each in shop.solo(stack).predict([lect.Example(text) for text in TEXTS])]
        for stack in STACKS
    }
    (tmp_path / "serve.toml").write_text(
        f'backbone = "{shop.backbone_folder}"\nlibrary = "{shop.library.folders[0]}"\nport = 0\nstacks = ["{MOOD}"]\n'
        '[[keys]]\nname = "admin"\nadmin = true\n'
        'sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"\n',
        "utf-8",
    )
    command = [sys.executable, "-m", "lect", "serve", "--config", "serve.toml", "--on", "ray"]
    command += ["--on-option", "workers=2", "--on-option", "cpus=0.5"]
    # A cluster of its own: one of another test may run here.
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    wrong, answers, stop = [], [0], threading.Event()
    with (
        (tmp_path / "errors.txt").open("w+", encoding="utf-8") as written,
        Popen(command, stdout=PIPE, stderr=written, text=True, cwd=tmp_path, env=environment) as process,
    ):
        try:
            url = process.stdout.readline().split()[0].rstrip("/")
            wait_for(lambda: health(url).get("status") == "ready", process, every=0.2)

            def ask(number):
                with lect.Client(url, key="secret", patience=60) as client:
                    while not stop.is_set():
                        stack = STACKS[(number + answers[0]) % len(STACKS)]
                        try:
                            found = client.predict(TEXTS, stacks=stack)
                        except lect.UserError as error:
                            wrong.append(error)
                            return
                        for one, right in zip(found, expected[stack], strict=True):
                            if dict(one.scores) != pytest.approx(right, abs=1e-5):
                                wrong.append((stack, one))
                        answers[0] += 1

            def asked(path, **body):
                found = httpx.post(f"{url}{path}", json=body, headers=ADMIN, timeout=60)
                return found.status_code, found.json()

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
            for each in threads:
                each.start()
            wait_for(lambda: answers[0] > 20 or wrong, process)
            before = replicas_of(process)
            assert len(before) == 2
            os.kill(before[0].pid, signal.SIGKILL)
            killed_at = answers[0]
            wait_for(lambda: answers[0] > killed_at + 40 or wrong, process)
            wait_for(lambda: health(url).get("replicas") == 2, process, every=0.2)
            after = answers[0]
            wait_for(lambda: answers[0] > after + 20 or wrong, process)
            stop.set()
            for each in threads:
                each.join(60)
            assert not wrong
            assert before[0].pid not in {each.pid for each in replicas_of(process)}

            status, loaded = asked("/v1/components/load", stack=MOOD, pin=True)
            assert status == 200 and loaded["replicas"] == 2
            attached = httpx.get(f"{url}/v1/components", headers=ADMIN).json()["attached"]
            assert {each["replica"] for each in attached if each["component"] == "lang:jav" and each["pinned"]} == {
                each["replica"] for each in attached
            }
            assert asked("/v1/components/unload", component="lang:jav")[1]["unloaded"] >= 2
            assert asked("/v1/predict", inputs=TEXTS, stack="lang:nowhere")[0] == 404
            lines = "\n".join(json.dumps({"text": text, "stack": stack}) for stack in STACKS for text in TEXTS * 20)
            kind = {"content-type": "application/x-ndjson", **ADMIN}
            answer = httpx.post(f"{url}/v1/predict/lines", content=lines, headers=kind, timeout=60)
            records = [json.loads(line) for line in answer.text.splitlines()]
            assert [each["index"] for each in records] == list(range(len(STACKS) * 60))
            for each in records:
                right = expected[each["stack"]][TEXTS.index(each["text"])]
                assert each["scores"] == pytest.approx(right, abs=1e-5)
            figures = httpx.get(f"{url}/metrics", headers=ADMIN).text
            assert figures.count("lect_components{replica=") == 3 and 'lect_components{replica="front"} 0.0' in figures
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, (tmp_path / "errors.txt").read_text("utf-8")
        finally:
            stop.set()
            process.kill()
    assert "Traceback" not in (tmp_path / "errors.txt").read_text("utf-8")
