"""What several replicas answer to one request, as one answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from lect_serve.refusals import LostError


def merged_health(state: str, answers: Mapping[str, Response]) -> Response:
    """Ready while one replica is; what waits is what waits for all of them."""
    bodies = [json.loads(each.body) for each in answers.values() if each.status_code == 200]
    if not bodies:
        return JSONResponse({"status": state if state != "ready" else "lost"}, 503, {"retry-after": "2"})
    return JSONResponse(
        {
            "status": state,
            "queued_texts": sum(each["queued_texts"] for each in bodies),
            "wait_seconds": max(each["wait_seconds"] for each in bodies),
            "replicas": len(bodies),
        }
    )


def merged_components(answers: Mapping[str, Response]) -> Response:
    """What was done everywhere, or the first refusal.

    A component that was in the memory of some replicas alone is unloaded all the same. Of what is attached it is said
    to which replica.
    """
    by_status = sorted(answers.items(), key=lambda pair: pair[1].status_code)
    if not by_status:
        raise LostError
    done = {name: json.loads(each.body) for name, each in by_status if each.status_code == 200}
    refused = [each for _, each in by_status if each.status_code not in (200, 404)]
    if refused or not done:
        return (refused or [by_status[0][1]])[0]
    merged: dict[str, Any] = dict(next(iter(done.values())))
    if "attached" in merged:
        merged["attached"] = [{**one, "replica": name} for name, body in done.items() for one in body["attached"]]
        merged["bytes"] = sum(body["bytes"] for body in done.values())
    if "unloaded" in merged:
        merged["unloaded"] = sum(body["unloaded"] for body in done.values())
    elif len(done) < len(answers):
        # A component that one replica has and another does not.
        return by_status[-1][1]
    return JSONResponse({**merged, "replicas": len(done)})


def merged_metrics(own: bytes, answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """The figures of the front, and those of each replica with its name; a family's lines stand together."""
    texts = {"front": own.decode()}
    for name, messages in answers.items():
        texts[name] = b"".join(each.get("body", b"") for each in messages[1:]).decode()
    families: dict[str, list[str]] = {}
    for name, text in texts.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                family = line.split()[2]
                if line not in families.setdefault(family, []):
                    families[family].append(line)
            elif line:
                families.setdefault(family, []).append(_labelled(line, name))
    return ("\n".join(line for lines in families.values() for line in lines) + "\n").encode()


def _labelled(line: str, replica: str) -> str:
    """A sample, with which replica it is of."""
    series, _, value = line.rpartition(" ")
    name, brace, labels = series.partition("{")
    return f'{name}{{replica="{replica}"{"," + labels if brace else "}"} {value}'
