"""Every page says who may open it and opens for nobody else; forms count only from our own pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from httpx2 import Headers
from starlette.routing import Mount

from tests.support.portal import Visitor
from tests.support.street import FORM, Street
from tollway.web.ui.access import Access

# What anybody may open. Whatever else there is has to be for those signed in, or be added here on purpose.
_ANYONE = {
    "/",
    "/check-mail",
    "/confirm",
    "/new-password",
    "/pricing",
    "/pricing/estimate",
    "/reset-password",
    "/robots.txt",
    "/sign-in",
    "/sign-out",
    "/sign-up",
    "/sitemap.xml",
    "/static/{digest}/{name:path}",
}
_ANYONE_BELOW = ("/reference", "/guides", "/openapi.", "/explorer", "/llms", "/try", "/errors/")
# Answer machines, which prove themselves in other ways: an API key, a provider's signature.
_MOUNTS = {"/tollway/v1", "/webhooks"}
# What a stranger reads there: how to use it.
_DESCRIBES = {"/openapi.json", "/errors/{code}"}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


def _declared(street: Street) -> dict[tuple[str, str], Access]:
    found: dict[tuple[str, str], Access] = street.app.state.access
    return found


def _example(path: str) -> str:
    """Return an address of a route: ids of nobody's things."""
    parts = [
        "00000000-0000-7000-8000-000000000000" if part.startswith("{") else part for part in path.split("/")
    ]
    return "/".join(parts)


def test_every_route_declares_who_may_open_it(street: Street) -> None:
    routes = {
        (method, route.path)
        for route in street.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert routes == set(_declared(street))
    others = [route for route in street.app.routes if not isinstance(route, APIRoute)]
    assert {route.path for route in others if isinstance(route, Mount)} <= _MOUNTS
    assert all(isinstance(route, Mount) for route in others)


def test_what_machines_call_does_nothing_for_a_stranger_nor_for_a_session_alone(street: Street) -> None:
    mounts = [route for route in street.app.routes if isinstance(route, Mount)]
    asked: set[str] = set()
    for browser in (street.visitor(), street.signed_up()):
        for mount in mounts:
            for context in iter_route_contexts(mount.routes):
                if context.path in _DESCRIBES:
                    continue
                for method in context.methods or ():
                    path = mount.path + _example(context.path or "")
                    kind = {"content-type": "application/cloudevents+json"}
                    answer = browser.client.request(method, path, content=b"{}", headers=kind)
                    assert answer.status_code in {401, 404}, path
                    asked.add(path.partition("0")[0])
    assert asked == {"/tollway/v1/events", "/webhooks/"}


def test_customers_are_told_of_their_keys_and_not_of_the_operators_token(street: Street) -> None:
    document = street.visitor().client.get("/tollway/v1/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "bearer"}
    assert "admin" not in str(document).lower()
    assert list(document["paths"]) == ["/events"]


def test_what_machines_call_bounds_its_own_bodies(street: Street) -> None:
    client = street.visitor().client
    kind = {"content-type": "application/cloudevents-batch+json"}
    # More than a form may have, less than a batch may.
    answer = client.post("/tollway/v1/events", content=b" " * (3 << 19), headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    answer = client.post("/tollway/v1/events", content=b" " * (5 << 19), headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert client.post("/webhooks/sandbox", content=b" " * (1 << 19)).status_code == 413


def test_only_what_is_listed_here_is_for_anybody(street: Street) -> None:
    public = {path for (_, path), access in _declared(street).items() if access is Access.ANYONE}
    assert {path for path in public if path not in _ANYONE and not path.startswith(_ANYONE_BELOW)} == set()


def test_a_stranger_is_sent_to_sign_in_by_every_other_page(street: Street) -> None:
    visitor = street.visitor()
    for (method, path), access in _declared(street).items():
        if access is Access.SIGNED_IN:
            answer = visitor.client.request(method, _example(path))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=/"), path
            assert answer.text == ""


def test_nobody_posts_without_the_forms_token(street: Street) -> None:
    visitor = street.signed_up()
    origin = {"origin": "http://portal.example"}
    for method, path in _declared(street):
        if method == "POST":
            for token in ({}, {"_csrf": ""}, {"_csrf": "0" * 64}, {"_csrf": "é"}):
                answer = visitor.client.post(_example(path), data=token, headers=origin)
                assert answer.status_code == 403, path
    visitor.get("/account")
    assert visitor.status == 200  # signed in still: signing out was refused as well


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://portal.example.evil.example"},
        {"origin": "http://portal.example:8003"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_does_nothing_even_with_a_token(
    street: Street, headers: dict[str, str]
) -> None:
    visitor = street.visitor()
    data = {"_csrf": _token(visitor), **FORM}
    answer = visitor.client.post("/sign-up", data=data, headers=headers)
    assert answer.status_code == 403
    assert "came from another site" in answer.text
    assert visitor.client.post("/sign-up", data=data).status_code == 303


def test_a_token_is_worth_nothing_in_another_browser_or_session(street: Street) -> None:
    visitor = street.visitor()
    before = _token(visitor)
    other = street.visitor()
    _token(other)
    assert other.client.post("/sign-up", data={"_csrf": before, **FORM}).status_code == 403
    signed = street.signed_up()
    of_session = _token(signed, "/account")
    signed.post("/sign-out", page="/account")
    assert signed.client.post("/sign-in", data={"_csrf": of_session}).status_code == 403


def test_scripts_may_send_the_token_as_a_header_and_files_are_not_taken(street: Street) -> None:
    visitor = street.visitor()
    token = _token(visitor)
    assert visitor.client.post("/sign-up", headers={"x-csrf-token": token}).status_code == 422
    answer = visitor.client.post("/sign-up", data={"_csrf": token}, files={"file": b"x"})
    assert answer.status_code == 400


def test_a_body_beyond_a_mebibyte_is_refused(street: Street) -> None:
    visitor = street.visitor()
    data = {"_csrf": _token(visitor), "organisation": "x" * (1 << 20)}
    assert visitor.client.post("/sign-up", data=data).status_code == 413


def test_every_answer_carries_the_headers(street: Street) -> None:
    visitor = street.visitor()
    for path in ("/sign-up", "/account", "/nowhere", "/static/0/x.js", "/tollway/v1/events"):
        _require_headers(visitor.client.get(path).headers)


def _require_headers(headers: Headers) -> None:
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_cookies_are_the_sites_own(street: Street) -> None:
    visitor = street.visitor()
    cookie = visitor.client.get("/sign-up").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_a_page_that_fails_says_so_without_a_word_of_why(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the database")

    monkeypatch.setattr(type(street.app.state.context.accounts), "ask_reset", fail)
    visitor = street.visitor()
    visitor.client = type(visitor.client)(
        street.app, base_url="http://portal.example", raise_server_exceptions=False
    )
    token = _token(visitor)
    answer = visitor.client.post("/reset-password", data={"_csrf": token, "email": "a@b.example"})
    assert answer.status_code == 500
    assert "a secret" not in answer.text
    assert "It is our fault" in answer.text
    _require_headers(answer.headers)


def _token(visitor: Visitor, path: str = "/sign-up") -> str:
    text = visitor.get(path)
    return text.partition('name="_csrf" value="')[2][:64]
