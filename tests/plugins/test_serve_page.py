"""The page at `/`: its files and routes, and, in a real browser, a text that stacks answer and a component loaded."""

from __future__ import annotations

import hashlib
import json
import re

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from browser import browser, chromium
from made_up_languages import texts_of
from served import Shop, serving

import lect
from lect_serve.page.router import OPEN

MOOD, ALONE, TAGS, AUTO = "lang:jav + task:mood", "task:mood", "task:tags", "lang:auto + task:mood"
NKO = texts_of("nqo", 1)[0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write("lang:jav")
    shop.write("lang:nqo", languages=("nqo",), has_profiles=True)
    shop.write("task:mood", method="lora", labels=("bad", "good"))
    shop.write("task:tags", method=None, kind="pos", labels=("NOUN", "VERB"))
    return shop


@pytest.fixture(scope="module")
def url(shop, tmp_path_factory):
    registry, other = tmp_path_factory.mktemp("registry"), Shop(tmp_path_factory.mktemp("other"))
    for key in ("lang:ban", "lang:sun"):
        lect.SavedComponent.read(other.write(key)).push(registry)
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
        assert '<html lang="en" dir="ltr">' in page.text and "{{" not in page.text
        # No script and no style of its own: the policy allows none.
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page.text)
        for path in sorted(OPEN):
            answer = client.get(path)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'self';") and "unsafe" not in policy and "*" not in policy
            elsewhere = answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
            assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", elsewhere), path
            # Relative, so that it works behind a prefix.
            assert not re.search(r"""(?:href|src)="/|(?:ask|fetch)\([`"']/|from "(?!\./)""", elsewhere), path
            for module in re.findall(r'from "\./([^"]+)"', answer.text):
                assert f"/page/{module}" in OPEN


def test_the_page_is_in_the_language_of_the_browser_or_the_one_that_is_asked_for(url):
    with httpx.Client(base_url=url, timeout=60) as client:
        for preferred, asked, tag, said in (
            ("fr-CH, fr;q=0.9, en;q=0.8", "", "fr", "Essayer un texte"),
            ("jv, en;q=0.5, id;q=0.9, fr;q=0", "", "id", "Coba sebuah teks"),
            ("fr", "sw", "sw", "Jaribu matini"),
            ("fr", "xx", "en", "Try a text"),
            ("jv, *;q=0.1", "", "en", "Try a text"),
        ):
            page = client.get("/", params={"locale": asked} if asked else {}, headers={"accept-language": preferred})
            assert page.headers["content-language"] == tag and page.headers["vary"] == "accept-language"
            assert f'<html lang="{tag}" dir="ltr">' in page.text and said in page.text and "{{" not in page.text
            assert page.text.count("?locale=") == 4 and f'hreflang="{tag}" aria-current="true"' in page.text
        french = client.get("/page/messages.json", params={"locale": "fr"}).json()
        assert french["messages"]["{count} answer."] == ["{count} réponse.", "{count} réponses."]
        assert client.get("/", params={"locale": "x" * 21}).status_code == 422


def test_no_other_file_is_served_and_all_else_of_the_page_takes_a_key(url):
    with httpx.Client(base_url=url, timeout=60) as client, keyed(url, "bob") as bob:
        for path in (
            "/page/router.py",
            "/page/nothing",
            "/page/..%2Fapp.py",
            "/page/%2e%2e/app.py",
            "/page/index.html",
        ):
            assert client.get(path).status_code == 401, path
            assert bob.get(path).status_code == 404, path
        for path in ("/page/state", "/page/components", "/page/card?component=lang:jav", "/page/search"):
            assert client.get(path).status_code == 401, path
        assert not [path for path in bob.get("/openapi.json").json()["paths"] if path.startswith("/page")]


def test_what_the_page_asks_for_is_answered(url, shop):
    with keyed(url, "bob") as bob, keyed(url, "alice") as alice:
        state = bob.get("/page/state").json()
        assert (state["state"], state["stacks"], state["is_admin"]) == ("ready", [MOOD], False)
        assert alice.get("/page/state").json()["is_admin"]
        assert state["queue"]["texts"] == 0 and state["memory"]["components"] >= 2
        assert bob.post("/v1/predict", json={"inputs": ["a"]}).status_code == 200
        after = bob.get("/page/state").json()
        # What the page itself asks for is not counted.
        assert (after["texts"], after["requests"]) == (state["texts"] + 1, state["requests"] + 1)
        listed = bob.get("/page/components").json()["components"]
        assert {"lang:jav", "task:mood"} <= {each["component"] for each in listed}
        card = bob.get("/page/card", params={"component": "lang:jav"}).json()
        assert card["component"] == "lang:jav" and "CC0-1.0" in card["html"]
        assert "style=" not in card["html"] and str(shop.folder) not in json.dumps([card, listed])
        missing = bob.get("/page/card", params={"component": "lang:nowhere"})
        assert missing.status_code == 404 and "lang:nowhere" in missing.json()["error"]["message"]
        assert bob.get("/page/card", params={"component": "../../etc"}).status_code == 422
        found = bob.get("/page/search", params={"words": "ban"}).json()
        assert [each["name"] for each in found["found"]] == ["ban"] and found["more"] == 0


def test_without_registries_a_search_says_so(shop):
    with serving(shop.service()) as url:
        refused = httpx.get(f"{url}/page/search", timeout=60)
        assert refused.status_code == 422 and "registries" in refused.json()["error"]["message"]


def enter_key(page, key, said):
    """Type a key by the keyboard, and wait for what the page says of it."""
    page.type("#key", key)
    page.press("Enter", 13, "\r")
    page.wait(f"document.querySelector('#key-state').textContent === {json.dumps(said)}")


@pytest.mark.processes
@pytest.mark.skipif(chromium() is None, reason="there is no chromium")
def test_in_a_browser_a_text_is_answered_by_stacks_and_explained_and_a_component_is_loaded(url, tmp_path):
    with browser(tmp_path / "profile") as page:
        page.open(f"{url}/?locale=en")
        page.wait("!document.querySelector('#key-form').hidden")
        enter_key(page, "mallory", "This key is not known here.")
        enter_key(page, "alice", "The key is accepted.")
        page.wait(f"document.querySelector('#stacks input')?.value === {json.dumps(MOOD)}")
        page.wait("document.querySelectorAll('#library li').length >= 2")
        page.complaints.clear()  # that a key was wanted

        # A text in N'Ko, which runs from right to left, through stacks, one of which is not there: by keyboard.
        page.type("#text", NKO)
        assert page.value("getComputedStyle(document.querySelector('#text')).direction") == "rtl"
        for stack in (TAGS, AUTO, "task:nowhere"):
            page.value("document.querySelector('#add-stack').focus()")
            page.press("Enter", 13, "\r")
            assert page.value("document.activeElement.getAttribute('aria-label')") == "Stack"
            page.type("#stacks li:last-child input", stack)
        page.press("Enter", 13, "\r")
        page.wait("document.querySelector('#try-state').textContent === '4 answers, 1 refused.'")
        shown = "document.querySelector('[data-stack={}]').innerText"
        with keyed(url, "bob") as client:
            for stack in (MOOD, ALONE, AUTO):
                (result,) = client.post("/v1/predict", json={"inputs": [NKO], "stack": stack}).json()["results"]
                text = page.value(shown.format(json.dumps(stack)))
                assert result["answer"] in text and f"{result['score'] * 100:.1f}\N{NO-BREAK SPACE}%" in text
        assert "Without a language part" in page.value(shown.format(json.dumps(ALONE)))
        assert "lang:nqo is of N'Ko" in page.value(shown.format(json.dumps(AUTO)))
        assert '"task:nowhere"' in page.value(shown.format('"task:nowhere"'))

        assert page.value("getComputedStyle(document.querySelector('.tagged')).direction") == "rtl"
        assert page.value("[...document.querySelectorAll('.tagged span')].map(e => e.textContent).join(' ')") == NKO

        # Words, with and without the language part.
        page.value("document.querySelector('.answer details').open = true")
        page.wait("document.querySelectorAll('.words').length >= 2")
        assert page.value("document.querySelector('.words').textContent") == NKO
        assert page.value("document.querySelector('.words').lang") == "jv"
        assert "without lang:jav" in page.value("document.querySelector('.answer').innerText")

        # A card, closed by the keyboard, which goes back to where it was.
        page.value("(e => { e.focus(); e.click() })(document.querySelector('[aria-label=\"Card of lang:jav\"]'))")
        page.wait("document.querySelector('#card').open")
        assert "CC0-1.0" in page.value("document.querySelector('#card').innerText")
        page.press("Escape", 27)
        page.wait("!document.querySelector('#card').open")
        assert page.value("document.activeElement.getAttribute('aria-label')") == "Card of lang:jav"

        # A component of a registry is searched for, loaded and tried.
        page.type("#words", "sun")
        page.press("Enter", 13, "\r")
        page.wait("document.querySelectorAll('#found li').length === 1")
        page.value("document.querySelector('[aria-label^=\"Fetch and load lang:sun\"]').click()")
        page.wait("document.querySelector('#search-state').textContent === 'lang:sun 1.0.0 is loaded.'")
        for place in ("library", "attached"):
            page.wait(f"document.querySelector('#{place}').innerText.includes('lang:sun')")

        unnamed = (
            "[...document.querySelectorAll('input, textarea')].filter(e => !e.labels.length && !e.ariaLabel).length"
        )
        assert page.value(unnamed) == 0
        for width in (360, 1280):
            page.resize(width)
            assert page.value("document.documentElement.scrollWidth") <= width
        assert [each for each in page.complaints if "404" not in json.dumps(each)] == []


@pytest.mark.processes
@pytest.mark.skipif(chromium() is None, reason="there is no chromium")
def test_in_a_browser_the_page_speaks_its_readers_language(url, tmp_path):
    with browser(tmp_path / "profile") as page:
        page.open(f"{url}/?locale=fr")
        page.wait("document.querySelector('#headline').textContent === 'Une clé est nécessaire'")
        enter_key(page, "alice", "La clé est acceptée.")
        page.wait(f"document.querySelector('#stacks input')?.value === {json.dumps(MOOD)}")
        page.complaints.clear()  # that a key was wanted
        page.type("#text", NKO)
        page.value("document.querySelector('button.main').click()")
        page.wait("document.querySelector('#try-state').textContent === '2 réponses.'")
        shown = page.value("document.querySelector('.answer').innerText")
        assert re.search(r"\d+,\d\N{NO-BREAK SPACE}%", shown) and "Fait par" in shown
        assert "javanais (jv)" in page.value("document.querySelector('#library').innerText")
        page.value("document.querySelector('#stacks input').value = 'task:nowhere'")
        page.value("document.querySelector('button.main').click()")
        page.wait("document.querySelector('.answer .error')?.lang === 'en'")
        assert [each for each in page.complaints if "404" not in json.dumps(each)] == []
