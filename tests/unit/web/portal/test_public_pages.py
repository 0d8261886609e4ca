"""The public pages over a seller's world: what is on them, and what a hostile file can't do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.portal import Storefront, Visitor
from tollway.web.api.codes import CODES
from tollway.web.openapi.api import read_api

_ROOT = Path(__file__).parents[4]
_DEMO = _ROOT / "demo/portal"
_HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='alert(1)"

Opened = Callable[[Path | None], Visitor]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a portal with a content folder and the demo's plans, and asks as nobody."""
    fronts: list[Storefront] = []

    def open_(folder: Path | None) -> Visitor:
        (tmp_path / "data").mkdir()
        catalog = (_ROOT / "demo/shop/catalog.yaml").read_text()
        front = Storefront(tmp_path / "data", catalog=catalog, portal_dir=folder)
        fronts.append(front)
        return front.visitor()

    yield open_
    for front in fronts:
        front.close()


def test_landing_has_the_hero_the_price_and_the_plans(opened: Opened) -> None:
    visitor = opened(_DEMO)
    visitor.get("/")
    for words in (
        "Ask for a place, have its facts.",
        "GET /v1/cities/{id}",
        "Plans",
        "$0.006 up to 20,000",
        "Start with Growth",
        "as add-on Nearest search",
    ):
        assert words in visitor.words
    assert 'href="/sign-up?plan=growth"' in visitor.text


def test_price_is_worked_out_without_scripts_too(opened: Opened) -> None:
    visitor = opened(_DEMO)
    visitor.get("/pricing?calls=2000")
    assert "On Starter you pay $58 .00" in visitor.words  # 49 + 1,000 × 0.009
    assert "Free: stops at 500" in visitor.words
    assert "Growth: $199.00" in visitor.words
    visitor.get("/pricing/estimate?at=1000")
    assert "<html" not in visitor.text
    assert "1,000,000" in visitor.words
    for nonsense in ("calls=-1", "calls=1e9", f"calls={'9' * 4000}", "at=%C2%B2", "at=99999", "calls=%00"):
        visitor.get(f"/pricing?{nonsense}")
        assert visitor.status == 200


def test_every_operation_has_a_page_and_its_markdown(opened: Opened) -> None:
    visitor = opened(_DEMO)
    api = read_api((_DEMO / "openapi.yaml").read_bytes(), "openapi.yaml")
    for entry in api.entries:
        visitor.get(f"/reference/{entry.slug}")
        assert (visitor.status, entry.title in visitor.words) == (200, True)
        visitor.get(f"/reference/{entry.slug}.md")
        assert visitor.text.startswith(f"# {entry.title}\n\n`{entry.method} {entry.path}`")
    visitor.get("/reference")
    assert all(f'href="/reference/{entry.slug}"' in visitor.text for entry in api.entries)
    visitor.get("/reference/get-city?lang=python")
    assert "import requests" in visitor.words


def test_search_finds_operations_and_guides(opened: Opened) -> None:
    visitor = opened(_DEMO)
    assert "One city" in _main(visitor.get("/reference?q=cities+get"))
    assert "Keys and limits" in _main(visitor.get("/reference?q=overlap"))
    assert "Nothing has these words" in visitor.get("/reference?q=%3Cscript%3E")


def _main(page: str) -> str:
    return page.partition('<article class="doc')[2]


def test_machines_find_everything(opened: Opened) -> None:
    visitor = opened(_DEMO)
    index = visitor.get("/llms.txt")
    for path in re.findall(r"\((/[^)]+)\)", index):
        visitor.get(path)
        assert visitor.status == 200, path
    for location in re.findall(r"<loc>http://portal.example([^<]*)</loc>", visitor.get("/sitemap.xml")):
        visitor.get(location)
        assert visitor.status == 200, location
    assert json.loads(visitor.get("/openapi.json"))["info"]["title"] == "Atlas API"
    assert visitor.get("/openapi.yaml").startswith("# The operations")
    assert "Sitemap: http://portal.example/sitemap.xml" in visitor.get("/robots.txt")


def test_portal_without_a_folder(opened: Opened) -> None:
    visitor = opened(None)
    assert "Start with Growth" in visitor.get("/")
    assert "No reference yet" in visitor.get("/reference")
    assert "No guide yet" in visitor.get("/guides")
    for path in ("/reference/x", "/openapi.json", "/openapi.yaml", "/guides/x", "/reference.md"):
        visitor.get(path)
        assert visitor.status == 404


def test_hostile_file_shows_as_text(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "content"
    (folder / "guides").mkdir(parents=True)
    everywhere = {
        "description": _HOSTILE,
        "title": _HOSTILE,
        "type": "string",
        "enum": [_HOSTILE],
        "default": _HOSTILE,
    }
    parameters = [
        {"name": _HOSTILE, "in": place, "description": _HOSTILE, "schema": everywhere, "required": True}
        for place in ("query", "header", "cookie")
    ]
    content = {
        "application/json": {
            "schema": {"properties": {_HOSTILE: everywhere}},
            "example": {_HOSTILE: _HOSTILE},
        }
    }
    operation = {
        "operationId": _HOSTILE, "summary": _HOSTILE, "description": _HOSTILE, "tags": [_HOSTILE],
        "parameters": parameters,
        "requestBody": {"content": content, "required": True, "description": _HOSTILE},
        "responses": {_HOSTILE: {"description": _HOSTILE, "content": content, "headers": {_HOSTILE: {}}},
                      "200": {"content": content}},
    }  # fmt: skip
    document = {
        "openapi": "3.1.0", "info": {"title": _HOSTILE, "version": _HOSTILE, "description": _HOSTILE},
        "servers": [{"url": f"https://x/{_HOSTILE}"}], "tags": [{"name": _HOSTILE, "description": _HOSTILE}],
        "paths": {f"/{_HOSTILE}/{{{_HOSTILE}}}": {"get": operation, "post": operation}},
    }  # fmt: skip
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "portal.yaml").write_text(
        f"tagline: {json.dumps(_HOSTILE)}\nhero: {{title: {json.dumps(_HOSTILE)}}}\n"
    )
    (folder / "guides/a.md").write_text(f"# {_HOSTILE}\n\n## {_HOSTILE}\n\n{_HOSTILE}")
    visitor = opened(folder)
    api = read_api((folder / "openapi.json").read_bytes(), "openapi.json")
    paths = ["/", "/reference", "/guides", "/guides/a", "/reference?q=alert", "/sitemap.xml"]
    paths += [
        f"/reference/{entry.slug}?lang={name}"
        for entry in api.entries
        for name in ("curl", "python", "javascript")
    ]
    for path in paths:
        visitor.get(path)
        assert visitor.status == 200, path
        _Harmless().feed(visitor.text)


class _Harmless(HTMLParser):
    """Reads a page as a browser does, and fails at anything in it that could act."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in {"img", "iframe", "object", "embed", "style", "base"}
        assert tag != "script" or str(given.get("src")).startswith("/static/")
        assert not any(name.startswith("on") or name == "style" for name in given)
        target = given.get("href") or given.get("action") or "/"
        assert target.startswith(("/", "#", "?", "https:", "mailto:")), target


def test_large_file_is_folded(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    paths = {f"/t{n}": {"get": {"operationId": f"getThing{n}", "tags": [f"g{n % 7}"]}} for n in range(700)}
    (folder / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    visitor = opened(folder)
    visitor.get("/reference/get-thing300")
    assert visitor.text.count("<details open>") == 1
    assert len(visitor.get("/reference")) < 700_000


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_a_refusal_has_its_page(opened: Opened, code: str) -> None:
    visitor = opened(None)
    visitor.get(f"/errors/{code}")
    assert visitor.status == 200
    assert CODES[code].title in visitor.words
    visitor.get(f"/errors/{code}-{_HOSTILE}")
    assert visitor.status == 404
    assert "alert(1)" not in visitor.text
