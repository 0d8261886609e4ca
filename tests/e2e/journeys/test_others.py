"""Whoever signs in finds their own things alone: every route with an id in it, asked with another's."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.support.past import NEWCOMER, PastShop
from tests.support.portal import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Names of what everybody may see, or of what an organisation may have; they belong to nobody.
_NOBODYS = {"/static/{digest}/{name:path}", "/errors/{code}"}
_BELONGING = {"invoice", "key", "method", "ticket"}
_PUBLIC = {"name", "slug", "code", "digest"}


@pytest.fixture(scope="module")
def theirs(past: PastShop) -> dict[str, str]:
    """What the one organisation has, by the name that routes give it; and its sandbox's pages."""
    owner = past.customer("owner@vista-geo.example")
    ids = {
        "invoice": _first(r"/billing/invoices/([0-9a-f-]{36})", owner.get("/billing")),
        "key": _first(r"/keys/([0-9a-f-]{36})/rotate", owner.get("/keys")),
        "ticket": _first(r"/tickets/([0-9a-f-]{36})", owner.get("/tickets")),
        "method": _first(r"/billing/methods/([0-9a-f-]{36})/remove", owner.get("/billing")),
    }
    owner.post("/billing/methods", page="/billing")
    return {**ids, "setup": owner.location.partition("setup=")[2]}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return found[1]


def _parameters(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", path))


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    return sorted(route for route in app.state.access if route[0] != "HEAD")


def _filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: values[found[1]], path)


def _ask(visitor: Visitor, method: str, path: str) -> Any:
    """Ask as a browser does, a form with the page's own token."""
    if method == "GET":
        return visitor.client.get(path)
    token = _first(
        r'name="_csrf" value="([^"]+)"',
        visitor.get("/account" if visitor.origin.startswith("http://p") else "/"),
    )
    return visitor.client.post(path, data={"_csrf": token}, headers={"origin": visitor.origin})


def test_every_route_names_what_it_is_asked_for(past: PastShop) -> None:
    """A route with a parameter of another name than these is not tested below: say here whose it is."""
    for method, path in _routes(past.portal):
        assert _parameters(path) <= _BELONGING | _PUBLIC, (method, path)


@pytest.mark.parametrize("who", ["owner@fernweh-maps.example", NEWCOMER])
def test_what_is_anothers_is_not_there(past: PastShop, theirs: dict[str, str], who: str) -> None:
    stranger, owner = past.customer(who), past.customer("owner@vista-geo.example")
    asked = [(m, p) for m, p in _routes(past.portal) if _parameters(p) & _BELONGING]
    assert len(asked) > 10
    for method, path in asked:
        address = _filled(path, theirs)
        answer = _ask(stranger, method, address)
        assert answer.status_code == 404, (method, path, answer.status_code)
        unknown = _ask(stranger, method, _filled(path, dict.fromkeys(theirs, str(uuid4()))))
        # Nothing tells what is another's from what is nobody's.
        assert unknown.status_code == 404, (method, path)
        if method == "GET":
            assert owner.client.get(address).status_code in {200, 303}, path
    for address in (f"/pay/sandbox?setup={theirs['setup']}", f"/pay/return?setup={theirs['setup']}"):
        assert stranger.client.get(address).status_code == 404, address
    assert owner.client.get(f"/pay/sandbox?setup={theirs['setup']}").status_code == 200
    assert theirs["invoice"] in owner.get("/billing"), "it is all still there"
    assert theirs["method"] in owner.get("/billing")
    assert theirs["key"] in owner.get("/keys")
    assert "asked" in owner.get(f"/tickets/{theirs['ticket']}").lower()


def test_sessions_of_one_site_are_worth_nothing_on_the_other(past: PastShop, theirs: dict[str, str]) -> None:
    member, operator = past.customer("owner@vista-geo.example"), past.operator()
    carried = Visitor(past.console, member.client.cookies["tollway_portal_session"], site="console")
    back = Visitor(past.portal, operator.client.cookies["tollway_console_session"])
    values = {
        **theirs,
        **dict.fromkeys(("customer", "service", "route", "payment"), str(uuid4())),
        "name": "free",
    }
    for app, visitor in ((past.console, carried), (past.portal, back)):
        for (method, path), access in app.state.access.items():
            if access.value == "signed in":
                answer = visitor.client.request(method, _filled(path, {**values, "slug": "x", "code": "x"}))
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/sign-in"), (method, path)
                assert answer.text == ""


@pytest.mark.parametrize("site", ["portal", "console"])
def test_no_form_of_another_site_or_without_its_token_does_anything(
    past: PastShop, site: str, theirs: dict[str, str]
) -> None:
    visitor = past.operator() if site == "console" else past.customer("owner@vista-geo.example")
    app = past.console if site == "console" else past.portal
    token = _first(r'name="_csrf" value="([^"]+)"', visitor.get("/" if site == "console" else "/account"))
    values = {
        **theirs,
        **dict.fromkeys(("customer", "service", "route", "payment"), str(uuid4())),
        "name": "free",
    }
    posts = [path for method, path in _routes(app) if method == "POST"]
    assert len(posts) > 15
    for path in posts:
        address = _filled(path, {**values, "slug": "get-city"})
        foreign = visitor.client.post(
            address, data={"_csrf": token}, headers={"origin": "https://evil.example"}
        )
        assert foreign.status_code == 403, path
        for data in ({}, {"_csrf": token[::-1]}):
            bare = visitor.client.post(address, data=data, headers={"origin": visitor.origin})
            assert bare.status_code == 403, path
    visitor.get("/")
    assert "Sign in" not in visitor.words.partition("Skip to content")[2][:400]


def test_what_machines_reach_on_the_portals_port_asks_for_more_than_a_session(past: PastShop) -> None:
    """`/tollway/v1` takes API keys, webhooks their signature; a browser's session is neither."""
    member = past.customer("owner@vista-geo.example")
    api = next(route.app for route in past.portal.routes if getattr(route, "path", "") == "/tollway/v1")
    described = TestClient(api).get("/openapi.json").json()["paths"]
    assert set(described) == {"/events"}, "a new path is to be asked here with another's ids"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": "units",
        "subject": "fernweh-maps",
        "data": {"api_endpoint": "/x", "usage_units": 1},
    }
    kind = {"content-type": "application/cloudevents+json"}
    assert member.client.post("/tollway/v1/events", json=event, headers=kind).status_code == 401
    made = member.post("/keys", name="reporter")
    key = _first(r"(tollway_live_[0-9A-Za-z]{43})", made)
    answer = member.client.post("/tollway/v1/events", json=event, headers={**kind, "apikey": key})
    assert answer.status_code == 403, answer.text
    assert member.client.post("/webhooks/sandbox", content=b"{}").status_code in {400, 401, 403, 404}
    assert member.client.get("/tollway/v1/customers").status_code in {401, 404}
