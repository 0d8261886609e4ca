"""Follows every link of a site as somebody would who reads all of it, and notes what a page must not have."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from fastapi import FastAPI
from starlette.routing import Match

from tests.support.portal import Visitor

__all__ = ["Crawl", "Seen", "crawl", "template_of"]

_START = "(start)"
_MOST = 5
"""Addresses of one route that are opened: a hundred invoices are one page with other numbers."""
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self';"
# It has its style within it, and a policy of its own that allows nothing else.
_STANDS_ALONE = "/billing/invoices/{invoice}/print"
# Swagger UI sets styles: the policy of this page, and of no other, lets it.
_EXPLORER = "/explorer"


class _Page(HTMLParser):
    """What a page links to, what in it can be linked to, and what it must not have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}={value!r}>")
            if name == "id" and value is not None:
                if value in self.ids:
                    self.faults.append(f"two elements with the id {value!r}")
                self.ids.add(value)
            if name in {"href", "src", "hx-get"} and value is not None:
                self.links.append(value)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.faults.append(f"an inline <{tag}>")


@dataclass(frozen=True, slots=True)
class Seen:
    """An address that was opened."""

    address: str
    html: bool
    """Whether it is a whole page."""


@dataclass
class Crawl:
    """What somebody found. `templates` are the routes that have been opened, each by its addresses."""

    templates: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)

    @property
    def pages(self) -> dict[str, str]:
        """The address of a page of each route that answers with one."""
        found = {}
        for template, seen in self.templates.items():
            for one in seen:
                if one.html:
                    found.setdefault(template, one.address)
        return found


def template_of(app: FastAPI, path: str) -> str | None:
    """Return the path with which the route is registered that answers an address."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    for route in app.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return str(getattr(route, "path", ""))
    return None


def crawl(app: FastAPI, visitor: Visitor, *starts: str) -> Crawl:
    """Open every page that can be reached from `starts` by links; posts nothing."""
    reader = _Reader(app, visitor)
    for start in starts:
        reader.follow(start, _START)
    while reader.waiting:
        reader.open(*reader.waiting.popleft())
    reader.judge_anchors()
    return reader.found


class _Reader:
    def __init__(self, app: FastAPI, visitor: Visitor) -> None:
        self._app = app
        self._visitor = visitor
        self.found = Crawl()
        self.waiting: deque[tuple[str, str]] = deque()
        self._known: set[str] = set()
        self._counted: Counter[str] = Counter()
        self._ids: dict[str, set[str]] = {}
        self._anchors: list[tuple[str, str, str]] = []

    def follow(self, link: str, origin: str) -> None:
        """Note a link of the page `origin`; links to other hosts are not ours to open."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return
        target, fragment = urldefrag(urljoin(origin, link) if origin.startswith("/") else link)
        if fragment:
            self._anchors.append((target, fragment, origin))
        if target not in self._known:
            self._known.add(target)
            self.waiting.append((target, origin))

    def open(self, address: str, origin: str) -> None:
        """Open a page, unless enough of its kind have been."""
        template = template_of(self._app, urlsplit(address).path)
        if template is None:
            self.found.faults.append(f"{origin} leads to {address}: there is no such page")
            return
        self._counted[template] += 1
        if self._counted[template] > _MOST:
            return
        answer = self._visitor.client.get(address)
        # Somebody who begins there may know that it is not there, as with a link in a mail that has ended.
        if answer.status_code >= (500 if origin == _START else 400):
            self.found.faults.append(f"{origin} leads to {address}: {answer.status_code}")
            return
        html = answer.headers.get("content-type", "").startswith("text/html")
        whole = html and "<!doctype html" in answer.text[:100].lower()
        self.found.templates[template].append(Seen(address, html=whole))
        if answer.status_code in {302, 303}:
            # Not its fragment: what it leads to may not be on the page for everybody.
            self.follow(urldefrag(answer.headers["location"])[0], address)
        elif html and template != _STANDS_ALONE:
            policy = answer.headers.get("content-security-policy", "")
            if template != _EXPLORER and (not policy.startswith(_POLICY) or "unsafe" in policy):
                self.found.faults.append(f"{address}: the policy is {policy!r}")
            self._read(address, _Page(answer.text))

    def _read(self, address: str, page: _Page) -> None:
        self.found.faults += [f"{address}: {fault}" for fault in page.faults]
        self._ids[address] = page.ids
        for link in page.links:
            self.follow(link, address)

    def judge_anchors(self) -> None:
        """Note each link to a place of a page that has no such place."""
        self.found.faults += [
            f"{origin} leads to #{fragment} of {target}, which has none"
            for target, fragment, origin in self._anchors
            if target in self._ids and fragment not in self._ids[target]
        ]
