"""The page at `/`: its files and routes, and, in a real browser, a text that two stacks answer."""

from __future__ import annotations

import hashlib
import json
import re

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from browser import browser, chromium
from served import Shop, serving

from lect_serve.page.router import OPEN

MOOD, ALONE = "lang:jav + task:mood", "task:mood"
NKO, ARABIC = "ߒߞߏ ߞߊ߲ ߠߊ߫ ߟߐ߲", "هذا المطعم لذيذ جدا"
POLICY = "default-src 'self'"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("lang:jav")
    shop.write("task:mood", method="lora", labels=("bad", "good"))
    return shop


@pytest.fixture(scope="module")
def url(shop, tmp_path_factory):
    registry = tmp_path_factory.mktemp("nothing-here")
    secrets = {"alice": True, "bob": False}
    keys = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "admin": admin}
        for name, admin in secrets.items()
    ]
    with serving(shop.service(stacks=[MOOD], keys=keys, registries=[str(registry)])) as url:
        yield url


def keyed(url, key):
    return httpx.Client(base_url=url, timeout=60, headers={"authorization": f"Bearer {key}"})


def test_the_page_and_its_files_are_served_without_a_key_and_fetch_nothing_from_elsewhere(url):
    with httpx.Client(base_url=url, timeout=60) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        named = set(re.findall(r'(?:href|src)="(page/[^"]+)"', page.text))
        assert {"page/main.js", "page/page.css", "page/icon.svg"} <= named
        assert '<html lang="en">' in page.text
        # No script and no style of its own: the policy allows none.
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page.text)
        for path in sorted(OPEN):
            answer = client.get(path)
            assert answer.status_code == 200
            assert POLICY in (policy := answer.headers["content-security-policy"])
            assert "unsafe" not in policy and "*" not in policy
            elsewhere = answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
            assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", elsewhere), path
            # Relative, so that it works behind a prefix.
            assert not re.search(r"""(?:href|src)="/|(?:ask|fetch)\([`"']/|from "(?!\./)""", elsewhere), path
            for module in re.findall(r'from "\./([^"]+)"', answer.text):
                assert f"/page/{module}" in OPEN
        for path in ("/page/router.py", "/page/nothing", "/page/..%2Fapp.py", "/page/index.html"):
            assert client.get(path).status_code in (401, 404)
        assert client.get("/page/state").status_code == 401


def test_what_the_page_asks_for_is_answered_and_the_registries_only_to_admins(url):
    with keyed(url, "bob") as bob, keyed(url, "alice") as alice:
        state = bob.get("/page/state").json()
        assert (state["state"], state["stacks"], state["has_admins"]) == ("ready", [MOOD], True)
        assert state["queue"]["texts"] == 0 and state["memory"]["components"] == 2
        assert bob.post("/v1/predict", json={"inputs": ["a"]}).status_code == 200
        assert bob.get("/page/state").json()["texts"] == state["texts"] + 1
        listed = bob.get("/page/components").json()["components"]
        assert [each["component"] for each in listed] == ["lang:jav", "task:mood"]
        card = bob.get("/page/card", params={"component": "lang:jav"}).json()
        assert card["component"] == "lang:jav" and "CC0-1.0" in card["html"]
        missing = bob.get("/page/card", params={"component": "lang:nowhere"})
        assert missing.status_code == 404 and "lang:nowhere" in missing.json()["error"]["message"]
        assert bob.get("/page/card", params={"component": "../../etc"}).status_code == 422
        assert bob.get("/page/search").status_code == 403
        refused = alice.get("/page/search", params={"words": "mood"})
        assert refused.status_code == 422 and refused.json()["error"]["message"]


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(chromium() is None, reason="there is no chromium")
def test_in_a_browser_a_text_is_answered_by_two_stacks_and_explained(url, tmp_path):
    with browser(tmp_path / "profile") as page:
        page.open(url)
        page.wait("document.querySelector('#headline').textContent === 'A key is wanted'")
        page.type("#key", "alice")
        page.press("Enter", 13, "\r")
        page.wait(f"document.querySelector('#stacks input')?.value === {json.dumps(MOOD)}")
        page.complaints.clear()  # that a key was wanted
        page.type("#text", NKO)
        assert page.value("getComputedStyle(document.querySelector('#text')).direction") == "rtl"
        page.value("document.querySelector('#add-stack').focus()")
        page.press("Enter", 13, "\r")
        assert page.value("document.activeElement.getAttribute('aria-label')") == "Stack"
        page.type("#stacks li:last-child input", ALONE)
        page.press("Enter", 13, "\r")
        page.wait("document.querySelectorAll('.answer .value').length === 2")
        with keyed(url, "bob") as client:
            for stack in (MOOD, ALONE):
                (result,) = client.post("/v1/predict", json={"inputs": [NKO], "stack": stack}).json()["results"]
                shown = page.value(f"document.querySelector('[data-stack={json.dumps(stack)}]').innerText")
                assert result["answer"] in shown and f"{result['score'] * 100:.1f} %" in shown
        page.value("document.querySelector('.explanation button').click()")
        page.wait("document.querySelectorAll('.words').length >= 2")
        assert page.value("document.querySelector('.words').textContent") == NKO
        assert page.value("document.querySelector('.words').lang") == "jv"
        page.value("document.querySelector('[aria-label=\"Card of lang:jav\"]').click()")
        page.wait("document.querySelector('#card').innerText.includes('CC0-1.0')")
        page.value("document.querySelector('#search-form button').click()")
        page.wait("!document.querySelector('#search-error').hidden")
        unnamed = (
            "[...document.querySelectorAll('input, textarea')].filter("
            "each => !each.labels.length && !each.ariaLabel).length"
        )
        assert page.value(unnamed) == 0
        for width in (390, 1280):
            page.open(f"{url}/#try", width)
            assert page.wait("document.readyState === 'complete' && document.documentElement.scrollWidth") <= width
        expected = ("401", "422")
        assert [each for each in page.complaints if not any(status in json.dumps(each) for status in expected)] == []
