"""Pulling and pushing where everything goes wrong: nothing wrong is loaded, nothing is lost, and it is said why."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from sharing import (
    Machine,
    breaks_off,
    changed,
    dripping,
    dripping_headers,
    make_component,
    redirecting,
    send,
    serving,
)
from waiting import PATIENCE, wait_for

from lect.storage.store import read_component

WEIGHTS = "weights.safetensors"


@pytest.fixture
def server(tmp_path):
    """A server of a registry with lang:mad."""
    here = Machine(tmp_path / "here")
    make_component(here.folder / "home/components")
    assert here.lect("push", "lang:mad", "--to", tmp_path / "registry").exit_code == 0
    with serving(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def there(tmp_path, server):
    """A machine that knows the registry."""
    machine = Machine(tmp_path / "there")
    assert machine.lect("registry", "add", server.url, "--name", "ours").exit_code == 0
    return machine


def refusal(machine, *arguments):
    result = machine.lect(*(arguments or ("pull", "lang:mad")))
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert machine.components == []
    return result.stderr


def pulls(machine):
    result = machine.lect("pull", "lang:mad")
    assert result.exit_code == 0, result.stderr
    read_component(machine.folder / "home/components/lang/mad@1.0.0")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (changed(lambda content: content[:-1] + bytes([content[-1] ^ 1])), "is not the file that the registry lists"),
        (changed(lambda content: content[:-1]), "bytes; try again"),
        (changed(lambda content: content + b"x"), "is longer than the"),
        (changed(lambda content: b"\x80\x04" + content[2:]), "is not the file that the registry lists"),
        (dripping, "sends less than 1024 bytes in 1 s"),
        (dripping_headers, "does not answer within"),
        (redirecting(f"/x/{WEIGHTS}"), "redirects more than 5 times"),
        (redirecting("http://example.org/"), "is no URL that lect fetches from"),
        (redirecting("file:///etc/passwd"), "is no URL that lect fetches from"),
        (lambda handler, content: handler.send_error(503), "the server answers 503"),
        (lambda handler, content: handler.send_error(404), "the server answers 404"),
        (lambda handler, content: handler.connection.close(), "cannot be reached"),
    ],
)
def test_a_server_that_misbehaves(there, server, fault, said):
    server.faults[WEIGHTS] = fault
    message = refusal(there)
    assert said in message
    assert WEIGHTS in message or "example.org" in message or "passwd" in message
    server.faults.clear()
    pulls(there)


def test_a_download_goes_on_where_it_broke_off(there, server):
    server.faults[WEIGHTS] = breaks_off
    assert "the connection broke off" in refusal(there)
    [partial] = there.unfinished
    there_before = partial.stat().st_size
    assert there_before > 50_000
    server.faults.clear()
    pulls(there)
    headers = [headers for path, headers in server.headers if path.endswith(WEIGHTS)][-1]
    assert headers["Range"] == f"bytes={there_before}-"
    assert there.unfinished == []


def test_what_is_left_of_another_file_is_fetched_anew(there, server):
    server.faults[WEIGHTS] = breaks_off
    refusal(there)
    [partial] = there.unfinished
    partial.write_bytes(b"?" * partial.stat().st_size)
    server.faults.clear()
    pulls(there)


def test_a_server_that_cannot_resume(there, server):
    server.faults[WEIGHTS] = breaks_off
    refusal(there)

    def whole(handler, content):
        handler.headers.replace_header("Range", "bytes=0-") if "Range" in handler.headers else None
        send(handler, content)

    server.faults[WEIGHTS] = whole
    pulls(there)


def test_a_file_replaced_under_its_name(there, server, tmp_path):
    """The server exchanges component and registry together: a version that is here is never overwritten."""
    pulls(there)
    kept = (there.folder / "home/components/lang/mad@1.0.0" / WEIGHTS).read_bytes()
    evil = Machine(tmp_path / "evil")
    make_component(evil.folder / "home/components", fill=666.0)
    assert evil.lect("push", "lang:mad", "--to", tmp_path / "other").exit_code == 0
    server.folder = tmp_path / "other"
    result = there.lect("pull", "lang:mad")
    assert result.exit_code == 1
    assert "lang:mad@1.0.0 is there already" in result.stderr
    assert "the one that is offered has other contents" in result.stderr
    assert (there.folder / "home/components/lang/mad@1.0.0" / WEIGHTS).read_bytes() == kept


def test_a_registry_that_lies_about_a_component(there, server):
    file = server.folder / "registry.toml"
    file.write_text(file.read_text().replace('fingerprint = "aa', 'fingerprint = "bb'))
    assert "the registry lists the backbone" in refusal(there)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"schema = 2\n", "is of schema 2, and this lect reads schema 1; upgrade lect"),
        (b"schema = 1\nplugins = 3\n", "plugins"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"schema = ", "not valid TOML"),
        (b"<html>not found</html>", "not valid TOML"),
    ],
)
def test_a_registry_that_is_none(there, server, content, said):
    (server.folder / "registry.toml").write_bytes(content)
    message = refusal(there, "pull", "lang:mad", "--registry", "ours")
    assert said in message
    assert server.url in message


def test_paths_that_leave_their_folder(there, server):
    file = server.folder / "registry.toml"
    text = file.read_text()
    for path in ("../../../evil", "/etc/evil", "C:/evil", "a/../../evil", ".ssh/evil", "con", "a\\\\..\\\\evil"):
        file.write_text(text.replace('path = "README.md"', f'path = "{path}"'))
        assert "the path" in refusal(there, "pull", "lang:mad", "--registry", "ours")
    file.write_text(text.replace('path = "README.md"', 'path = "WEIGHTS.safetensors"'))
    assert "is there twice" in refusal(there, "pull", "lang:mad", "--registry", "ours")


def test_a_full_disk(there, server, monkeypatch):
    real = os.fsync

    def full(descriptor):
        if ".partial" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert "the disk is full" in refusal(there)
    assert there.unfinished == []
    monkeypatch.undo()
    pulls(there)


@pytest.mark.parametrize("file", [WEIGHTS, "registry.toml"])
def test_a_full_disk_where_the_registry_is(tmp_path, monkeypatch, file):
    here, registry = Machine(tmp_path / "here"), tmp_path / "registry"
    make_component(here.folder / "home/components", name="first")
    make_component(here.folder / "home/components", name="second", fill=2.0)
    assert here.lect("push", "lang:first", "--to", registry).exit_code == 0
    before = {path: path.read_bytes() for path in registry.rglob("*") if path.is_file()}
    real = os.fsync

    def full(descriptor):
        written = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if str(registry) in written and file in written:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused = here.lect("push", "lang:second", "--to", registry)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert "the disk is full (" in refused.stderr
    assert not list(registry.rglob("*.partial"))
    assert {path: path.read_bytes() for path in before} == before
    found = json.loads(here.lect("search", "--registry", registry, "--json").stdout)
    assert [each["name"] for each in found] == ["first"]
    monkeypatch.undo()
    assert here.lect("push", "lang:second", "--to", registry).exit_code == 0
    assert here.lect("registry", "check", registry).exit_code == 0


def test_a_full_disk_where_the_cache_is(there, server, monkeypatch):
    """A registry that has changed since cannot be laid into the cache: it is said why, and the former one stays."""
    connect = sqlite3.connect

    def full(*arguments, **named):
        connection = connect(*arguments, **named)
        connection.execute("PRAGMA max_page_count = 2")
        return connection

    file = server.folder / "registry.toml"
    file.write_text(file.read_text() + "\n# changed\n")
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        message = refusal(there, "pull", "lang:mad", "--registry", "ours")
    assert "the cache cannot be written (database or disk is full)" in message
    assert "set LECT_CACHE to a folder of yours" in message
    pulls(there)


@pytest.mark.processes
def test_a_server_that_is_killed_while_it_sends(there, server, tmp_path):
    """A real server in a process of its own dies by kill -9; one that comes in its place sends only the rest."""
    code = """
import sys, time, http.server
class Slow(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        while block := source.read(8192):
            outputfile.write(block)
            outputfile.flush()
            time.sleep(0.02)
    def log_message(self, *_): pass
listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print(listening.server_port, flush=True)
listening.serve_forever()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    machine = Machine(tmp_path / "another")
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        assert machine.lect("registry", "add", url, "--mirror", server.url, "--name", "ours").exit_code == 0
        server.faults[""] = lambda handler, content: handler.send_error(503)
        pulling = machine.start("pull", "lang:mad")
        wait_for(lambda: machine.unfinished and machine.unfinished[0].stat().st_size > 8192, pulling)
    finally:
        process.kill()
        process.wait()
    _, message = pulling.communicate(timeout=PATIENCE)
    assert pulling.returncode == 1, message
    assert message.splitlines()[-1].startswith("error: ")
    assert WEIGHTS in message
    assert machine.components == []
    [partial] = machine.unfinished
    size = partial.stat().st_size
    assert 8192 < size < 200_000
    server.faults.clear()
    assert machine.lect("pull", "lang:mad").exit_code == 0
    headers = [headers for path, headers in server.headers if path.endswith(WEIGHTS)][-1]
    assert headers["Range"] == f"bytes={size}-"
    read_component(machine.folder / "home/components/lang/mad@1.0.0")


def test_a_file_that_the_disk_has_no_room_for_is_not_begun(there, server, monkeypatch):
    from lect.registry import blobs

    monkeypatch.setattr(blobs.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    assert "the disk is full (0.1 MB free, and 0.2 MB needed)" in refusal(there)
    assert not any(path.endswith(WEIGHTS) for path in server.asked)


@pytest.mark.processes
def test_killed_while_it_pulls(there, server):
    def slow(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for start in range(0, len(content), 4096):
            handler.wfile.write(content[start : start + 4096])
            handler.wfile.flush()
            time.sleep(0.05)

    server.faults[WEIGHTS] = slow
    process = there.start("pull", "lang:mad")
    wait_for(lambda: there.unfinished and there.unfinished[0].stat().st_size, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert there.components == []
    server.faults.clear()
    pulls(there)
    assert there.unfinished == []
    left = [path.name for path in (there.folder / "home/components/lang").iterdir()]
    assert left == ["mad@1.0.0"]


@pytest.mark.processes
@pytest.mark.parametrize("moment", range(4))
def test_killed_at_any_moment_of_a_push(tmp_path, moment):
    """At each step of a push the process dies as by kill -9; the registry is sound then, and the next push works."""
    here, registry = Machine(tmp_path / "here"), tmp_path / "registry"
    make_component(here.folder / "home/components", name="first")
    make_component(here.folder / "home/components", name="second", fill=2.0)
    assert here.lect("push", "lang:first", "--to", registry).exit_code == 0
    code = f"""
import os, sys
from pathlib import Path
from lect.registry import push
import lect.files as files
from lect.commands.app import app
def die(*_, **__): os._exit(9)
targets = [(push, "_copy"), (push, "entry_text"), (push, "parse_registry_again"), (push, "write_aside")]
moment = {moment}
if moment == 0:
    import shutil
    real = shutil.copyfile
    calls = []
    def second(*a, **k):
        calls.append(1)
        if len(calls) == 2: os._exit(9)
        return real(*a, **k)
    push.shutil.copyfile = second
elif moment == 1: push.entry_text = die
elif moment == 2: push.write_aside = die
else: Path.replace = die
app(["push", "lang:second", "--to", {str(registry)!r}])
"""
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, **here.environment}, cwd=here.folder)
    assert killed.returncode == 9
    found = json.loads(here.lect("search", "--registry", registry, "--json").stdout)
    assert [each["name"] for each in found] == ["first"]
    assert here.lect("pull", "lang:first", "--registry", registry, "--components", tmp_path / "new").exit_code == 0
    pushed = here.lect("push", "lang:second", "--to", registry)
    assert pushed.exit_code == 0, pushed.stderr
    checked = here.lect("registry", "check", registry)
    assert checked.exit_code == 0, checked.stdout
    assert not list(registry.rglob("*.partial"))


@pytest.mark.processes
def test_processes_that_pull_at_once_fetch_each_file_once(there, server):
    running = [there.start("pull", "lang:mad", "--json") for _ in range(5)]
    printed = [process.communicate(timeout=PATIENCE) for process in running]
    assert [process.returncode for process in running] == [0] * 5, printed
    fetched = [path for path in server.asked.elements() if path.startswith("components/")]
    assert len(fetched) == len(set(fetched)) == 3
    assert sum(json.loads(out)[0]["fetched"] > 0 for out, _ in printed) == 1


def test_damage_is_found_and_mended(there, server):
    pulls(there)
    weights = there.folder / "home/components/lang/mad@1.0.0" / WEIGHTS
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    checked = there.lect("verify")
    assert checked.exit_code == 1
    assert f"{weights}: was changed" in checked.stdout
    pulls(there)
    assert weights.read_bytes() == content


def test_a_damaged_cache_is_fetched_again(there, server):
    pulls(there)
    for path in (there.folder / "cache/blobs").glob("??/*"):
        path.write_bytes(b"?" * path.stat().st_size)
    pulls(there)
    assert there.lect("verify").exit_code == 0


def test_a_server_that_is_gone(there, server):
    server.faults[""] = lambda handler, content: handler.connection.close()
    result = there.lect("search", "--language", "sun", "--json")
    assert result.exit_code == 0
    assert "going on with what it offered when it was last fetched" in result.stderr


def test_secrets_in_urls_are_refused_and_not_repeated(there):
    result = there.lect("registry", "add", "https://user:hunter2@example.org/")
    assert result.exit_code == 1
    assert "hunter2" not in result.stderr
    assert "~/.netrc" in result.stderr
