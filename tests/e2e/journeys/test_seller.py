"""A seller's story in Chromium before real processes, from the first start to a ticket answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Tab
from tests.support.open_shop import OpenShop, eventually, open_shop

_SELLER = "tomas@atlas.example"
_CUSTOMER = "ines@meridian.example"
_PATIENCE = 60_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_the_first_start_to_an_answer(shop: OpenShop, tab: Tab, chromium: Browser) -> None:
    expect.set_options(timeout=_PATIENCE)
    tab.context.set_default_timeout(_PATIENCE)
    page = tab.page
    _set_up(shop, page)
    _revenue_is(page, "$0.00")
    _publish_a_plan(page)
    context = chromium.new_context(reduced_motion="reduce")
    theirs = Tab(context)
    context.set_default_timeout(_PATIENCE)
    try:
        key = _somebody_subscribes(shop, theirs.page)
        page.goto(f"{shop.console}/")
        _revenue_is(page, "$79.00")
        expect(page.get_by_role("region", name="What moved")).to_contain_text("Meridian Freight +$79.00")
        _their_calls_are_seen(shop, page, key)
        _their_ticket_is_answered(shop, page, theirs.page)
        assert (theirs.foreign, theirs.complaints) == ([], [])
    finally:
        context.close()
    assert (tab.foreign, tab.complaints) == ([], [])


def _set_up(shop: OpenShop, page: Page) -> None:
    """Make the operator's account with the token of the first start, then go through its steps."""
    token = (shop.stack.folder / "data" / "setup-token").read_text().strip()
    page.goto(shop.console)
    page.get_by_role("heading", name="Set up your shop").wait_for()
    page.get_by_label("Setup token").fill(token)
    page.get_by_label("Your name").fill("Tomas Nagy")
    page.get_by_label("E-mail").fill(_SELLER)
    page.get_by_label("Password").fill("a short sentence of mine")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_label("Legal name").fill("Atlas Data Ltd")
    page.get_by_label("Address").fill("1 Quay Street\nDublin")
    page.get_by_label("Country").fill("IE")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Name", exact=True).fill("atlas")
    page.get_by_label("Upstream URL").fill(shop.upstream_url)
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("free").check()
    page.get_by_role("button", name="Publish and go on").click()
    page.get_by_text("Plan free is published.").wait_for()
    page.get_by_role("link", name="Go to the console").click()
    page.get_by_role("heading", name="Monthly recurring revenue").wait_for()
    assert not (shop.stack.folder / "data" / "setup-token").exists()


def _revenue_is(page: Page, amount: str) -> None:
    expect(page.locator(".hero-num").first).to_have_text(amount)


def _publish_a_plan(page: Page) -> None:
    page.get_by_role("link", name="New plan").click()
    page.get_by_label("Name", exact=True).fill("team")
    page.get_by_label("Amount each period").fill("79.00")
    page.get_by_role("button", name="Publish the plan").click()
    page.get_by_text("Published: team, version 1.").wait_for()


def _somebody_subscribes(shop: OpenShop, page: Page) -> str:
    """Find the plan on the portal, sign up and take it; return the first key."""
    page.goto(f"{shop.portal}/pricing")
    expect(page.get_by_role("table").first).to_contain_text("$79")
    page.goto(f"{shop.portal}/sign-up")
    page.get_by_label("Organisation").fill("Meridian Freight")
    page.get_by_label("E-mail").fill(_CUSTOMER)
    page.get_by_label("Password").fill("a short sentence")
    if page.get_by_role("checkbox").count():
        page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/check-mail")
    page.goto(shop.link(_CUSTOMER, "/confirm"))
    page.get_by_role("button", name="Confirm and sign in").click()
    page.get_by_role("radio", name="Team").check()
    page.get_by_role("button", name="Start with this plan").click()
    page.get_by_role("heading", name="Make your first call").wait_for()
    return page.locator("#new-key").inner_text().strip()


def _their_calls_are_seen(shop: OpenShop, page: Page, key: str) -> None:
    assert [shop.call("/v1/countries/PT", key).status_code for _ in range(3)] == [200, 200, 200]

    def seen() -> bool | None:
        page.goto(f"{shop.console}/customers")
        return (
            page.get_by_role("row", name="Meridian Freight").get_by_text("3", exact=True).count() > 0 or None
        )

    eventually(seen)


def _their_ticket_is_answered(shop: OpenShop, page: Page, theirs: Page) -> None:
    """The customer asks; the seller is told by mail and answers; the customer is told and reads it."""
    theirs.goto(f"{shop.portal}/tickets/new")
    theirs.get_by_label("Subject").fill("Borders of Kosovo")
    theirs.get_by_label("Your question").fill("`/v1/countries/XK` answers **404**.")
    theirs.get_by_role("button", name="Send").click()
    theirs.get_by_role("heading", name="Borders of Kosovo").wait_for()
    assert "/v1/countries/XK" in shop.mail(_SELLER, "Borders of Kosovo")
    page.goto(f"{shop.console}/")
    page.get_by_role("link", name="Answer").click()
    page.get_by_role("link", name="Borders of Kosovo").click()
    page.get_by_label("Your answer").fill("Mended: it is **there** now.")
    page.get_by_role("button", name="Send the answer").click()
    page.get_by_text("The customer gets it by mail too.").wait_for()
    assert "it is **there** now" in shop.mail(_CUSTOMER, "Mended")
    theirs.reload()
    expect(theirs.locator(".thread li").last).to_contain_text("Tomas Nagy")
    expect(theirs.locator(".thread strong")).to_have_text(["404", "there"])
    page.goto(f"{shop.console}/")
    expect(page.get_by_role("region", name="Waiting for you")).to_contain_text("no open ticket")
