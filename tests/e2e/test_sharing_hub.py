"""A registry in a repository of the Hugging Face hub, by a server on loopback that answers as the hub does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from sharing import Machine, make_component, send, serving

COMMIT = "c0ffee" + "0" * 34
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def hub(tmp_path):
    here = Machine(tmp_path / "here")
    make_component(here.folder / "home/components")
    assert here.lect("push", "lang:mad", "--to", tmp_path / "hub/org/parts/resolve" / COMMIT).exit_code == 0
    with serving(tmp_path / "hub") as server, serving(tmp_path / "hub/org/parts/resolve" / COMMIT) as storage:
        for path in ("revision/main", "org/parts"):
            server.faults[path] = lambda handler, content: send(
                handler, json.dumps({"id": "org/parts", "sha": COMMIT, "siblings": [], "private": True}).encode()
            )

        def elsewhere(handler, content):
            handler.send_response(302)
            handler.send_header("Location", f"{storage.url}components/lang/mad/1.0.0/weights.safetensors?X-Sig=secret")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        server.faults["weights.safetensors"] = elsewhere
        storage.faults["?X-Sig=secret"] = lambda handler, content: send(
            handler, (storage.folder / "components/lang/mad/1.0.0/weights.safetensors").read_bytes()
        )
        yield server, storage


@pytest.mark.processes
def test_pulled_at_one_commit_and_the_token_goes_nowhere_else(tmp_path, hub):
    server, storage = hub
    there = Machine(tmp_path / "there")
    there.folder.mkdir()
    variables = {
        **os.environ, **there.environment, "HF_ENDPOINT": server.url.rstrip("/"), "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf"), "LECT_TIMEOUT": "20",
    }  # fmt: skip

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "lect", *arguments], env=variables, cwd=there.folder, capture_output=True, text=True
        )

    pulled = run("pull", "lang:mad", "--registry", "hf:org/parts")
    assert pulled.returncode == 0, pulled.stderr
    assert there.components == ["mad@1.0.0"]
    record = json.loads((there.folder / "home/components/lang/mad@1.0.0/.pulled.json").read_text())
    assert record["source"] == f"hf:org/parts@{COMMIT}"
    asked = [headers for path, headers in server.headers if "resolve" in path]
    assert asked
    assert all(headers.get("Authorization", headers.get("authorization")) == f"Bearer {TOKEN}" for headers in asked)
    assert storage.headers
    assert not any(name.lower() == "authorization" for _, headers in storage.headers for name in headers)
    storage.faults["?X-Sig=secret"] = lambda handler, content: handler.send_error(403)
    (there.folder / "cache").rename(there.folder / "former")
    run("components", "remove", "lang:mad")
    refused = run("pull", "lang:mad", "--registry", "hf:org/parts")
    assert refused.returncode == 1
    assert "the server answers 403" in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout
