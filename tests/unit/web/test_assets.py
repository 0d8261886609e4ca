"""Static files: their address is their content's, and the seller's colours and logo are among them."""

from __future__ import annotations

import gzip

import pytest
from starlette.requests import Request

from tollway.kernel.errors import InvalidInput, TollwayError
from tollway.web.ui.assets import Assets
from tollway.web.ui.brand import Brand, Link, Logo

pytestmark = pytest.mark.one_database


def _ask(assets: Assets, url: str, encoding: str = "") -> tuple[bytes, dict[str, str]] | None:
    scope = {"type": "http", "headers": [(b"accept-encoding", encoding.encode())]}
    _, _, digest, name = url.split("/", 3)
    answer = assets.answer(Request(scope), digest, name)
    return None if answer is None else (bytes(answer.body), dict(answer.headers))


def test_a_file_is_found_by_its_content_alone_and_kept_for_ever() -> None:
    assets = Assets(Brand())
    url = assets.url("css/tokens.css")
    found = _ask(assets, url)
    assert found is not None
    body, headers = found
    assert b"--brand-hue" in body
    assert "immutable" in headers["cache-control"]
    packed = _ask(assets, url, "br, gzip")
    assert packed is not None
    assert gzip.decompress(packed[0]) == body
    assert _ask(assets, "/static/0123456789abcdef/css/tokens.css") is None
    assert _ask(assets, url.replace("css/tokens.css", "css/../../brand.py")) is None


def test_what_is_missing_is_named() -> None:
    with pytest.raises(TollwayError, match=r"css/none\.css"):
        Assets(Brand()).url("css/none.css")


def test_a_sellers_colours_and_logo_are_files_too() -> None:
    mark = Logo(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "image/svg+xml")
    assets = Assets(Brand(name="Atlas", hue=30, chroma=0.1, logo=mark))
    found = _ask(assets, assets.url("brand.css"))
    assert found is not None
    assert found[0] == b":root{--brand-hue:30;--brand-chroma:0.1}\n"
    assert assets.logo is not None
    picture = _ask(assets, assets.logo)
    assert picture is not None
    assert "sandbox" in picture[1]["content-security-policy"]  # opened by itself, its scripts don't run
    assert "default-src 'none'" in picture[1]["content-security-policy"]


@pytest.mark.parametrize(
    ("field", "value"), [("name", " "), ("name", "x" * 61), ("hue", 361), ("hue", -1), ("chroma", 0.2)]
)
def test_a_brand_that_cannot_be_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}:"):
        Brand(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil", "x", ""]
)
def test_a_link_leads_to_pages_alone(href: str) -> None:
    with pytest.raises(InvalidInput):
        Link("Terms", href)


@pytest.mark.parametrize("href", ["/guides/terms", "https://atlas.example/terms", "mailto:a@b.example"])
def test_links_that_lead_to_pages(href: str) -> None:
    assert Link("Terms", href).href == href
