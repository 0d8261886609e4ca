"""Chromium for tests of pages: no request leaves the machine, nothing is complained of, axe finds nothing.

    from tests.e2e.browser import chromium, served, tab  # noqa: F401  # fixtures

    def test_page(tab: Tab, app: FastAPI) -> None:
        with served(app) as url:
            tab.open(f"{url}/")
            tab.check()  # axe in light and dark, wide and narrow; nothing foreign; at most 60 KB of scripts

Pictures of every page that was checked lie in `$TOLLWAY_TEST_SHOTS`, if that names a folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, sync_playwright
from starlette.types import ASGIApp

__all__ = ["SCRIPT_BUDGET", "Tab", "chromium", "served", "tab"]

SCRIPT_BUDGET = 60_000
"""How many bytes of scripts, as they travel, a first page may load."""

_AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
# Colours don't depend on the width, nor the layout on the theme.
_AUDITED = {("wide", "light"), ("narrow", "dark")}
_PATIENCE = 20_000  # milliseconds


class Tab:
    """A page of a browser that notes what it should not do. `page` is Playwright's."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self._scripts: dict[str, int] = {}
        context.set_default_timeout(_PATIENCE)
        context.route(re.compile(".*"), self._judge)
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfinished", self._weigh)

    def open(self, url: str) -> Page:
        """Open an address; what was loaded before is forgotten."""
        self._scripts.clear()
        self.page.goto(url)
        return self.page

    @property
    def script_bytes(self) -> int:
        """How many bytes of scripts came over the wire since `open`."""
        return sum(self._scripts.values())

    def check(self, name: str | None = None, *, scripts: int = SCRIPT_BUDGET) -> None:
        """Assert that the page is as every page should be; `name` is that of its pictures.

        After a click, wait for something of the new page first: this takes what is there.
        """
        page = self.page
        page.wait_for_load_state()
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        found: list[str] = []
        for size, viewport in _SIZES.items():
            page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
            for theme in ("light", "dark"):
                page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
                if (size, theme) in _AUDITED:
                    found += [f"{size} {theme}: {fault}" for fault in self.faults()]
                self._picture(name, f"{size}-{theme}")
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > viewport["width"]:
                found.append(f"{size}: {width} px wide in a window of {viewport['width']}")
        page.set_viewport_size({"width": 1280, "height": 900})
        assert found == [], "\n".join(found)
        assert self.foreign == [], self.foreign
        assert self.complaints == [], self.complaints
        assert self.script_bytes <= scripts

    def faults(self) -> list[str]:
        """Return what axe finds on the page as it is."""
        self.page.evaluate(_AXE.read_text())
        result: dict[str, Any] = self.page.evaluate(
            "tags => axe.run(document, {runOnly: tags, rules: {'target-size': {enabled: true}}})", _TAGS
        )
        return [
            f"{fault['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[1].strip()[:160]})"
            for fault in result["violations"]
            for node in fault["nodes"]
        ]

    def _picture(self, name: str | None, variant: str) -> None:
        folder = os.environ.get("TOLLWAY_TEST_SHOTS")
        if folder:
            name = name or urlsplit(self.page.url).path.strip("/").replace("/", "-") or "home"
            self.page.screenshot(path=Path(folder) / f"{name}-{variant}.png", full_page=True)

    def _judge(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in {"data", "blob"} or parts.hostname in {"localhost", "127.0.0.1", "::1"}:
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        # A page that is answered 4xx is a complaint to Chromium, and often what a test is about.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _weigh(self, request: Request) -> None:
        if request.resource_type == "script":
            self._scripts[request.url] = request.sizes()["responseBodySize"]


# Not for the session: while Playwright runs, no other test of this process can have an event loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, one for a module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """A tab of a browser that nobody has used before."""
    context = chromium.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    yield Tab(context)
    context.close()


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of this machine while the block runs; yields its origin."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="served")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
