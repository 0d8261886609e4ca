"""The console in a real browser: set up, sell, answer; every page as every page should be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.browser import Tab, served
from tests.support.commerce import START
from tests.support.console import BackOffice
from tollway.app.helpdesk import Helpdesk
from tollway.kernel.ids import new_id
from tollway.storage.accounts import SqlPeople
from tollway.support.models import Author, Side, TicketStatus

DAY = timedelta(days=1)


class Open(NamedTuple):
    """An office at work: where its console is, and the addresses of what is in it."""

    office: BackOffice
    url: str
    pages: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    office = BackOffice(tmp_path_factory.mktemp("office"))
    signed = office.join("Meridian Freight", "pro")
    office.join("Halden Shipping", "free")
    with office.shop.main.write() as connection:
        SqlPeople(connection).save_organisation(signed.organisation)
    with office.store.write() as gateway:
        service = gateway.services.create({"name": "countries", "url": "https://internal.example:8443/v1"})
        route = gateway.routes.create(
            {"name": "search", "service": {"id": str(service.id)}, "paths": ["/v1/search"]}
        )
        gateway.plugins.create({"name": "key-auth", "service": {"id": str(service.id)}})
        gateway.key_auths.create({"consumer": {"id": str(signed.organisation.consumer)}})
    office.world.run()
    subscription = office.subscription(signed)
    office.world.go_to(START + 10 * DAY)
    for day in range(1, 10):
        office.world.use(subscription, 3 * day, START + day * DAY, status=500 if day == 4 else 200)
    office.world.worker.catch_up()
    desk = Helpdesk(office.shop.main, office.clock)
    customer = Author(Side.CUSTOMER, signed.user.id, signed.user.email)
    ticket = desk.ask(
        signed.organisation.id, customer, "Kosovo is missing", "Call `/v1/search?q=XK`:\n\n- nothing"
    )
    desk.reply(ticket.id, Author(Side.OPERATOR, new_id(), "Tomas Nagy"), "We look.")
    desk.reply(ticket.id, customer, "Thank you.")
    (invoice,) = office.world.invoices(subscription)
    at = f"/customers/{subscription.customer}"
    pages = {
        "home": "/",
        "customers": "/customers",
        "customer": at,
        "change": f"{at}/plan?plan=enterprise",
        "cancel": f"{at}/cancel",
        "catalog": "/catalog",
        "catalog-file": "/catalog/file",
        "plan": "/catalog/plans/pro",
        "services": "/services",
        "service": f"/services/{service.id}",
        "route": f"/routes/{route.id}",
        "delete": f"/services/{service.id}/delete",
        "invoices": "/invoices",
        "invoice": f"/invoices/{invoice.id}",
        "tickets": "/tickets",
        "ticket": f"/tickets/{ticket.id}",
        "usage": "/usage",
        "nodes": "/health",
        "setup-seller": "/setup/seller",
        "setup-api": "/setup/api",
        "setup-plan": "/setup/plan",
        "setup-portal": "/setup/portal",
    }
    with served(office.console) as url:
        yield Open(office, url, pages)
    office.close()


PAGES = [
    "home",
    "customers",
    "customer",
    "change",
    "cancel",
    "catalog",
    "catalog-file",
    "plan",
    "services",
    "service",
    "route",
    "delete",
    "invoices",
    "invoice",
    "tickets",
    "ticket",
    "usage",
    "nodes",
    "setup-seller",
    "setup-api",
    "setup-plan",
    "setup-portal",
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_every_page_should_be(shop: Open, tab: Tab, name: str) -> None:
    _sign_in(shop, tab)
    tab.open(shop.url + shop.pages[name])
    tab.check(f"console-{name}")


def test_a_plan_is_edited_without_scripts_and_published(shop: Open, tab: Tab) -> None:
    _sign_in(shop, tab)
    page = tab.open(f"{shop.url}/catalog/new-plan")
    page.get_by_label("Name", exact=True).fill("starter")
    page.get_by_label("Amount each period").fill("19.00")
    page.get_by_role("button", name="Graduated tiers").click()
    page.get_by_role("button", name="Add a tier").click()
    page.get_by_label("Tier 1 up to").fill("1000")
    page.get_by_label("Tier 2 up to").fill("500")
    page.get_by_label("Tier 1 each unit").fill("0")
    page.get_by_label("Tier 2 each unit").fill("0.01")
    page.get_by_label("Tier 3 each unit").fill("0.005")
    page.get_by_role("button", name="Preview", exact=True).last.click()
    page.get_by_text("is not above the tier before it").first.wait_for()
    tab.check("console-plan-wrong")
    page.get_by_label("Tier 2 up to").fill("5000")
    page.get_by_label("api calls in a period").fill("2,000")
    page.get_by_role("button", name="Preview", exact=True).last.click()
    page.get_by_text("$29.00").wait_for()
    tab.check("console-plan-preview")
    page.get_by_role("button", name="Publish the plan").click()
    page.get_by_text("Published: starter, version 1.").wait_for()
    assert page.get_by_role("row", name="starter").get_by_text("$19.00").count() == 1


def test_a_ticket_is_answered(shop: Open, tab: Tab) -> None:
    _sign_in(shop, tab)
    page = tab.open(f"{shop.url}/")
    page.get_by_role("link", name="Answer").click()
    page.get_by_role("link", name="Kosovo is missing").click()
    page.get_by_label("Your answer").fill("It is **back**.")
    page.get_by_role("button", name="Send the answer").click()
    page.get_by_text("The customer gets it by mail too.").wait_for()
    assert page.locator("strong", has_text="back").count() == 1
    counts = Helpdesk(shop.office.shop.main, shop.office.clock).counts()
    assert (counts[TicketStatus.OPEN], counts[TicketStatus.ANSWERED]) == (0, 1)


def test_from_the_first_start_to_a_plan_on_the_portal(tmp_path: Path, tab: Tab) -> None:
    office = BackOffice(tmp_path)
    operators = office.console.state.context.operators
    # Not the office's own stand-in: who becomes the operator is what is tested.
    object.__setattr__(office.console.state.site, "identify", operators.identify)
    token = operators.prepare_setup()
    with served(office.console) as console, served(office.app) as portal:
        page = tab.open(f"{console}/")
        page.get_by_role("heading", name="Set up your shop").wait_for()
        tab.check("console-setup")
        page.get_by_label("Setup token").fill("guessed")
        page.get_by_label("Your name").fill("Tomas Nagy")
        page.get_by_label("E-mail").fill("tomas@atlas.example")
        page.get_by_label("Password").fill("a short sentence of mine")
        page.get_by_role("button", name="Make the account").click()
        page.get_by_text("This is not the setup token.").wait_for()
        page.goto(f"{console}/setup?token={token}")
        page.get_by_label("Your name").fill("Tomas Nagy")
        page.get_by_label("E-mail").fill("tomas@atlas.example")
        page.get_by_label("Password").fill("a short sentence of mine")
        page.get_by_role("button", name="Make the account").click()
        page.get_by_label("Country").fill("ie")
        page.get_by_role("textbox", name="Tax id").fill("X")
        page.get_by_role("button", name="Save and go on").click()
        page.get_by_text("is no tax id").wait_for()
        assert page.get_by_label("Country").input_value() == "ie"
        page.get_by_role("textbox", name="Tax id").fill("IE1234567T")
        page.get_by_role("button", name="Save and go on").click()
        page.get_by_label("Name", exact=True).fill("countries")
        page.get_by_label("Upstream URL").fill("http://127.0.0.1:9000")
        page.get_by_role("button", name="Save and go on").click()
        page.get_by_label("pay_as_you_go").check()
        page.get_by_role("button", name="Publish and go on").click()
        page.get_by_text("Plan pay_as_you_go is published.").wait_for()
        page.get_by_role("link", name="Go to the console").click()
        page.get_by_role("heading", name="Monthly recurring revenue").wait_for()
        page.goto(portal)
        page.get_by_text("Start with Pay as you go").first.wait_for()
        # The token is spent, and whoever has no session is asked to sign in.
        page.context.clear_cookies()
        page.goto(f"{console}/setup?token={token}")
        page.get_by_role("heading", name="Sign in to the console").wait_for()
    with office.store.read() as gateway:
        (service,) = gateway.services.repository.all()
        assert [one.name for one in gateway.plugins.repository.all(service_id=service.id)] == ["key-auth"]
    office.close()


def _sign_in(shop: Open, tab: Tab) -> None:
    tab.context.add_cookies([{"name": "tollway_console_session", "value": "tomas", "url": shop.url}])
