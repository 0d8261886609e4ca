"""Every page of portal and console, in the shop with three months of past and in an empty one.

What anybody can reach by links is opened; one page of each route is looked at in Chromium. A new route that
nobody gets to fails here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.e2e.browser import Tab, served
from tests.support.crawl import Crawl, crawl
from tests.support.past import NEWCOMER, PastShop, empty_shop
from tests.support.portal import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_FOR_ANYBODY = (
    "/",
    "/check-mail",
    "/confirm?token=unknown",
    "/errors/quota_exceeded",
    "/explorer/openapi.json",
    "/llms.txt",
    "/new-password?token=unknown",
    "/openapi.yaml",
    "/reset-password",
    "/robots.txt",
    "/sitemap.xml",
    "/try/get-city",
)
_NO_PAGES = {
    "/explorer/openapi.json",
    "/guides/{slug}.md",
    "/keys/{key}/arrival",
    "/llms.txt",
    "/openapi.json",
    "/openapi.yaml",
    "/pay/return",
    "/pricing/estimate",
    "/reference.md",
    "/reference/{slug}.md",
    "/robots.txt",
    "/sitemap.xml",
    "/static/{digest}/{name:path}",
    "/try/{slug}",
    "/usage.csv",
    "/usage/live",
    "/billing/invoices/{invoice}/pdf",
    "/invoices/{invoice}/pdf",
}
"""Answers that are for machines, a piece of a page, or a redirect."""


_WITH_DEBTS = {"/billing", "/billing/invoices/{invoice}", "/pay/sandbox", "/pay/sandbox/action"}
_WHEN_NEW = {"/billing", "/billing/invoices", "/billing/payments", "/keys", "/start", "/tickets", "/usage"}
# It has its own style, and is for paper.
_STANDS_ALONE = "/billing/invoices/{invoice}/print"


def _look(tab: Tab, app: FastAPI, visitor: Visitor, found: Crawl, looks: set[str]) -> list[str]:
    """Look at one page of each of these routes in Chromium; return what is wrong."""
    faults = []
    tab.context.clear_cookies()
    with served(app) as url:
        for cookie in visitor.client.cookies.jar:
            tab.context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": url}])
        for template, page in found.pages.items():
            if template not in looks or template == _STANDS_ALONE:
                continue
            tab.open(url + page)
            try:
                tab.check()
            except AssertionError as error:
                faults.append(f"{page}: {error}")
            tab.complaints.clear()
            tab.foreign.clear()
    return faults


def _card_page(debtor: Visitor) -> str:
    """Return the page on which the sandbox asks for a card."""
    debtor.post("/billing/methods", page="/billing")
    assert debtor.status == 303
    return debtor.location


def _action_page(debtor: Visitor) -> str:
    """Return the page on which the sandbox asks whether to pay, with a card that wants to be asked."""
    setup = _card_page(debtor)
    debtor.post("/pay/sandbox", page=setup, setup=setup.partition("setup=")[2], card="needs_action")
    assert debtor.status == 303, debtor.words
    (invoice, *_) = re.findall(
        r'class="btn sm" href="(/billing/invoices/[0-9a-f-]+)">See and pay', debtor.get("/billing")
    )
    debtor.post(f"{invoice}/pay", page=invoice)
    assert debtor.location.startswith("/pay/sandbox/action?charge="), debtor.words
    return debtor.location


def test_every_page_of_the_portal(past: PastShop, tab: Tab) -> None:
    customer, debtor = (past.customer(f"owner@{slug}.example") for slug in ("fernweh-maps", "vista-geo"))
    holder = past.customer("owner@tram-and-train.example")  # of an add-on
    newcomer, leaver = past.customer(NEWCOMER), past.customer("owner@kompass-events.example")
    (key, *_) = re.findall(r"/keys/([0-9a-f-]+)/rotate", customer.get("/keys"))
    card = _card_page(debtor)
    first_call, arrival = f"/keys/{key}/first-call", f"/keys/{key}/arrival"
    readers: list[tuple[str, Visitor, tuple[str, ...], set[str] | None]] = [
        ("stranger", Visitor(past.portal), _FOR_ANYBODY, None),
        ("customer", customer, ("/", "/account", "/billing/change?plan=growth", first_call, arrival), None),
        (
            "debtor",
            debtor,
            ("/billing", _action_page(debtor), card, card.replace("sandbox", "return")),
            _WITH_DEBTS,
        ),
        ("holder", holder, ("/billing",), {"/billing/add-ons/{name}/remove"}),
        ("newcomer", newcomer, ("/", "/account", "/start"), _WHEN_NEW),
        ("leaver", leaver, ("/billing", "/usage", "/keys", "/start"), {"/billing", "/usage"}),
    ]
    faults: list[str] = []
    opened: set[str] = set()
    shown: set[str] = set()
    for who, visitor, starts, looked_at in readers:
        found = crawl(past.portal, visitor, *starts)
        # A page for anybody is the same for everybody, but for its head.
        looks = (set(found.pages) if looked_at is None else looked_at) - (shown & _public(past.portal))
        faults += [
            f"{who}: {fault}" for fault in (*found.faults, *_look(tab, past.portal, visitor, found, looks))
        ]
        opened |= set(found.templates)
        shown |= looks & set(found.pages)
    assert not faults, "\n".join(faults)
    _all_are_seen(past.portal, opened, shown)


def _public(app: FastAPI) -> set[str]:
    return {path for (_, path), access in app.state.access.items() if access.value == "anyone"}


def _all_are_seen(app: FastAPI, opened: set[str], shown: set[str]) -> None:
    pages = {path for method, path in app.state.access if method == "GET"}
    assert pages - opened - {"/static/{digest}/{name:path}"} == set(), "no link leads there, no start does"
    assert pages - shown - _NO_PAGES == set(), "never seen as a page"


def test_every_page_of_the_console(past: PastShop, tab: Tab, tmp_path: Path) -> None:
    stranger = Visitor(past.console, site="console")
    operator = past.operator()
    (customer,) = set(
        re.findall(r"/customers/[0-9a-f-]+(?=\">Paper Planes)", operator.get("/customers?q=paper"))
    )
    faults: list[str] = []
    opened: set[str] = set()
    shown: set[str] = set()

    def read(shop: PastShop, who: str, visitor: Visitor, *addresses: str) -> None:
        found = crawl(shop.console, visitor, *addresses)
        faults.extend(f"{who}: {fault}" for fault in found.faults)
        faults.extend(
            f"{who}: {fault}" for fault in _look(tab, shop.console, visitor, found, set(found.pages))
        )
        opened.update(found.templates)
        shown.update(found.pages)

    read(past, "stranger", stranger, "/sign-in")
    read(
        past,
        "operator",
        operator,
        "/",
        "/setup/seller",
        "/setup/api",
        "/setup/plan",
        "/setup/portal",
        f"{customer}/plan?plan=scale",
        f"{customer}/add-on?name=bulk_files",
    )
    with empty_shop(tmp_path) as empty:
        first = Visitor(empty.console, site="console")
        read(empty, "first of all", first, "/setup")
        token = empty.shop.settings.setup_token_file.read_text().strip()
        first.post(
            "/setup", token=token, name="Tomas", email="tomas@atlas.example", password="a short sentence"
        )
        assert first.status == 303
        read(empty, "first of all", first, "/", "/setup/seller", "/setup/api", "/setup/plan", "/setup/portal")
        newcomer = empty.customer(NEWCOMER)
        found = crawl(empty.portal, newcomer, "/", "/account", "/start")
        faults += [f"newcomer in an empty shop: {fault}" for fault in found.faults]
        faults += _look(tab, empty.portal, newcomer, found, {"/", "/pricing", "/start"})
    assert not faults, "\n".join(faults)
    _all_are_seen(past.console, opened, shown)
