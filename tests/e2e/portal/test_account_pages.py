"""A customer's own pages in Chromium: usage that moves by itself, billing, tickets; axe on each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tab, served
from tests.support.commerce import START
from tests.support.portal import Storefront
from tollway.accounts.models import SignedIn
from tollway.support.models import Author, Side

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: pro
    rate_limit: {minute: 1000}
    quota: {api_calls: 400}
    prices:
      - {model: flat, amount: "49.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "100", unit_amount: "0"}, {up_to: null, unit_amount: "0.02"}]
  - name: enterprise
    prices: [{model: flat, amount: "499.00"}]
addons:
  - {name: extra_analytics, features: [analytics_advanced], prices: [{model: flat, amount: "19.00"}]}
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Storefront]:
    front = Storefront(tmp_path, catalog=CATALOG)
    yield front
    front.close()


@pytest.fixture
def us(front: Storefront) -> SignedIn:
    signed = front.join("Meridian Freight", "pro")
    subscription = front.subscription(signed)
    for day in range(12):
        front.world.use(subscription, 9 + day % 4 * 3, START + timedelta(days=day, hours=5))
        front.world.use(subscription, 1, START + timedelta(days=day, hours=6), status=404)
    front.world.go_to(START + timedelta(days=12))
    front.world.worker.catch_up()
    front.world.run()
    return signed


def _sign_in(tab: Tab, url: str, signed: SignedIn) -> None:
    tab.context.add_cookies(
        [{"name": "tollway_portal_session", "value": signed.organisation.slug, "url": url}]
    )


def test_usage_moves_by_itself_and_keeps_what_was_opened(tab: Tab, front: Storefront, us: SignedIn) -> None:
    with served(front.app) as url:
        _sign_in(tab, url, us)
        page = tab.open(f"{url}/usage")
        calls = page.locator("[data-calls]").first
        before = int(calls.inner_text())
        page.locator("details.twin summary").first.click()
        front.world.use(front.subscription(us), 5, front.clock.now())
        front.world.go_to(front.clock.now() + timedelta(seconds=1))
        front.world.worker.catch_up()
        expect(calls).to_have_text(str(before + 5))
        assert page.locator("details.twin").first.get_attribute("open") is not None
        tab.check("usage")
        page.locator("a.hit").first.click()
        page.get_by_role("heading", name=re.compile("^By hour")).wait_for()
        tab.check("usage-day")


def test_usage_without_scripts_shows_the_same(front: Storefront, us: SignedIn, tab: Tab) -> None:
    assert tab.context.browser is not None
    context = tab.context.browser.new_context(java_script_enabled=False)
    with served(front.app) as url:
        context.add_cookies([{"name": "tollway_portal_session", "value": us.organisation.slug, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/usage")
        assert "404" in page.inner_text("main")
        page.get_by_label("Period", exact=True).select_option("0")
        page.get_by_role("button", name="Show").click()
        page.locator("[data-cost]").wait_for()
    context.close()


def test_billing_from_the_card_to_the_cancellation(tab: Tab, front: Storefront, us: SignedIn) -> None:
    with served(front.app) as url:
        _sign_in(tab, url, us)
        page = tab.open(f"{url}/billing")
        page.get_by_role("button", name="Save a card").click()
        page.wait_for_url("**/pay/sandbox?*")
        tab.check("pay-sandbox")
        page.get_by_role("button", name="Save this card").click()
        page.wait_for_url("**/billing#cards")
        tab.check("billing")
        page.get_by_role("link", name="See and pay").click()
        tab.check("invoice")
        page.get_by_role("button", name=re.compile("^Pay ")).click()
        page.get_by_text("Nothing is left to do").wait_for()
        page.goto(f"{url}/billing/payments")
        tab.check("payments")
        page.goto(f"{url}/billing")
        page.get_by_role("link", name="Add Extra analytics").click()
        tab.check("add-on")
        page.get_by_role("button", name="Order").click()
        page.wait_for_url("**/billing")
        page.get_by_text("Enterprise").click()
        page.get_by_role("button", name="See what it costs").click()
        page.get_by_role("heading", name="Pro to Enterprise").wait_for()
        tab.check("preview")
        page.get_by_role("button", name=re.compile("^Order and pay ")).click()
        page.wait_for_url("**/billing")
        expect(page.get_by_role("heading", name="Enterprise", exact=True)).to_be_visible()
        tab.check("billing-upgraded")
        page.get_by_role("link", name="Cancel plan").click()
        tab.check("cancel")
        page.get_by_role("button", name="Cancel the plan").click()
        page.get_by_text("Cancelled: everything works until then.").wait_for()
        page.goto(f"{url}/billing/invoices")
        tab.check("invoices")


def test_a_ticket_is_asked_and_answered(tab: Tab, front: Storefront, us: SignedIn) -> None:
    with served(front.app) as url:
        _sign_in(tab, url, us)
        page = tab.open(f"{url}/tickets")
        tab.check("tickets-none")
        page.get_by_role("link", name="Ask us").first.click()
        page.get_by_role("button", name="Send").click()
        tab.check("ticket-faults")
        page.get_by_label("Subject").fill("Borders of Kosovo")
        page.get_by_label("Your question").fill(
            "I call `/v1/borders` and get **nothing**:\n\n> []\n\n- XK\n- KS"
        )
        page.get_by_role("button", name="Send").click()
        page.wait_for_url(re.compile("/tickets/[0-9a-f-]{36}$"))
        ticket = front.desk.page(organisation=us.organisation.id)[0].id
        front.desk.reply(
            ticket, Author(Side.OPERATOR, us.user.id, "Tomas Nagy"), "Mended:\n\n```\n200 OK\n```"
        )
        page.reload()
        tab.check("ticket")
        page.get_by_role("button", name="Close the ticket").click()
        page.get_by_text("This ticket is closed").wait_for()
        tab.check("ticket-closed")
        page.goto(f"{url}/tickets")
        tab.check("tickets")
