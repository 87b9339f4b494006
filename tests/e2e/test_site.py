"""The documentation's site is built without a complaint, works without a network, and its search finds things."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import browser, chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.skipif(find_spec("zensical") is None, reason='the site needs: pip install "lect[docs]"'),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    done = subprocess.run([sys.executable, ROOT / "docs/build.py", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation_and_nothing_is_fetched_from_elsewhere(site):
    start = (site / "index.html").read_text("utf-8")
    pages = [page.relative_to(site).as_posix() for page in site.rglob("*.html") if page.name != "404.html"]
    assert {"start.html", "tutorials/script.html", "reference/commands.html", "reference/python.html"} <= set(pages)
    assert [page for page in pages if not re.search(rf'href="(\./)?{re.escape(page)}"', start)] == []
    for page in pages:
        text = (site / page).read_text("utf-8")
        assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//[^"]+', text) == [], page


def test_the_reference_has_what_the_code_has(site):
    commands = (site / "reference/commands.html").read_text("utf-8")
    assert 'id="lect-new-language"' in commands and 'id="lect-examples-copy"' in commands
    names = (site / "reference/python.html").read_text("utf-8")
    assert 'id="lectteach_language"' in names and 'id="modelpredict"' in names


@pytest.mark.skipif(chromium() is None, reason="no browser")
def test_search_works_on_pages_that_are_opened_as_files(site, tmp_path):
    with browser(tmp_path) as page:
        page.open((site / "tutorials/text.html").as_uri())
        # The search lives in a shadow tree of the element that has the focus then.
        found = "document.activeElement?.shadowRoot"
        is_open = f"Boolean({found}?.activeElement?.matches('input'))"
        for _ in range(200):
            # Nobody listens to keys until the scripts have run.
            if page.value(is_open):
                break
            page.press("/", 191, "/")
            page.value("new Promise(done => setTimeout(done, 100))")
        page.insert("fingerprint")
        page.wait(f"/Glossary/.test([...{found}.querySelectorAll('a')].map(each => each.textContent).join())")
        assert page.complaints == []
