"""Chromium without a window, driven over its debugging pipe: no library and no driver besides the browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import time
from contextlib import contextmanager
from subprocess import DEVNULL, Popen

PATIENCE = 90


def chromium():
    """Where the browser is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """A page that is shown.

    Attributes:
        complaints: what the browser said of its scripts and of its policy.
    """

    def __init__(self, read, write):
        self._read, self._write, self._number, self._rest = read, write, 0, b""
        self._loaded = 0
        self.complaints = []
        self._session = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, url, width=1280, height=900, dark=False):
        """Show an address in a window of this size, and wait until it has been loaded."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        loaded = self._loaded
        # A step within the page that is shown already loads nothing.
        if "loaderId" in self._ask("Page.navigate", url=url):
            while self._loaded == loaded:
                self._note(self._next("Page.navigate"))

    def resize(self, width, height=900):
        """Give the window another size."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def value(self, expression):
        """What an expression of JavaScript is in the page; promises are waited for."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression):
        """Wait until an expression holds; its value."""
        until = time.monotonic() + PATIENCE
        while not (found := self.value(expression)):
            assert time.monotonic() < until, (
                f"{expression} never held; the page: {self.value('document.body.innerText')}"
            )
            time.sleep(0.05)
        return found

    def type(self, selector, text):
        """Type into an element in place of what it holds."""
        self.value(f"(e => {{ e.focus(); e.select() }})(document.querySelector({json.dumps(selector)}))")
        self.insert(text)

    def insert(self, text):
        """Type into the element that has the focus."""
        self._ask("Input.insertText", text=text)

    def press(self, key, code=0, text=None):
        """Press and release a key, such as Tab (9) or Enter (13, with the text that it gives)."""
        typed = {} if text is None else {"text": text}
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def picture(self, file):
        """Write all of the page as a PNG."""
        taken = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def close(self):
        """End the browser."""
        self._session = None
        self._ask("Browser.close")

    def _ask(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next(method)
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self._note(found)

    def _note(self, event):
        if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(event["params"])
        elif event.get("method") == "Page.loadEventFired":
            self._loaded += 1

    def _next(self, method):
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, f"the browser does not answer {method}"
            got = os.read(self._read, 2**20)
            assert got, "the browser has ended"
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(folder):
    """A block with a page in a browser whose profile is in this folder."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # The browser reads from 3 and writes to 4.
    start = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    process = Popen(
        ["bash", "-c", start, chromium(), *flags], pass_fds=(theirs_in, theirs_out), stdout=DEVNULL, stderr=DEVNULL
    )
    os.close(theirs_in)
    os.close(theirs_out)
    page = None
    try:
        page = Page(ours_in, ours_out)
        yield page
        page.close()
        process.wait(30)
    finally:
        os.close(ours_out)
        os.close(ours_in)
        if process.poll() is None:
            process.kill()
            process.wait()
