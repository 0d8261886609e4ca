"""Billing on the portal: what a preview says is what is invoiced, and nobody reaches another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.commerce import START
from tests.support.databases import ON_POSTGRESQL
from tests.support.portal import Storefront, Visitor
from tollway.accounts.models import SignedIn
from tollway.support.models import Author, Side

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: pro
    prices:
      - {model: flat, amount: "49.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "10", unit_amount: "0"}, {up_to: null, unit_amount: "0.02"}]
  - name: enterprise
    prices:
      - {model: flat, amount: "499.00"}
addons:
  - {name: extra_analytics, features: [analytics_advanced], prices: [{model: flat, amount: "19.00"}]}
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Storefront]:
    front = Storefront(tmp_path, catalog=CATALOG)
    yield front
    front.close()


def _hidden(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found if name != "_csrf"}


def _agree(visitor: Visitor, page: str, action: str | None = None) -> None:
    fields = _hidden(visitor.get(page))
    assert visitor.status == 200, visitor.words
    visitor.post(action or page, page=page, **fields)


def _totals(front: Storefront, signed: SignedIn) -> list[int]:
    return [invoice.total for invoice in front.world.invoices(front.subscription(signed))]


def _with_invoices(front: Storefront, name: str = "Meridian Freight") -> tuple[SignedIn, Visitor]:
    signed = front.join(name, "pro")
    front.world.go_to(START + timedelta(days=3))
    front.world.run()
    return signed, front.visitor(signed)


def _with_card(visitor: Visitor, card: str = "succeeds") -> None:
    visitor.post("/billing/methods", page="/billing")
    assert visitor.status == 303
    page = visitor.location
    assert page.startswith("/pay/sandbox?setup=")
    setup = page.partition("=")[2]
    visitor.post("/pay/sandbox", page=page, setup=setup, card=card)
    assert visitor.location == "/billing#cards"


def test_an_upgrade_costs_to_the_cent_what_its_preview_says(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    front.world.use(front.subscription(us), 25, START + timedelta(days=1))
    front.world.worker.catch_up()
    page = visitor.get("/billing/change?plan=enterprise")
    said = re.search(r"Order and pay \$([\d.]+)", visitor.words)
    assert said
    assert "Starting now" in visitor.words
    fields = _hidden(page)
    front.world.go_to(front.clock.now() + timedelta(minutes=7))  # the reader thinks it over
    visitor.post("/billing/change", page="/billing/change?plan=enterprise", **fields)
    assert (visitor.status, visitor.location) == (303, "/billing")
    front.world.run()
    assert _totals(front, us)[-1] == round(float(said[1]) * 100)
    visitor.get("/billing")
    assert "Plan Enterprise" in visitor.words


def test_a_preview_that_is_too_old_or_of_another_price_is_shown_again(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    fields = _hidden(visitor.get("/billing/change?plan=enterprise"))
    front.world.go_to(front.clock.now() + timedelta(minutes=11))
    for stale in (
        fields,
        {**fields, "version": "enterprise/0"},
        {**fields, "at": "x"},
        {"plan": "enterprise"},
    ):
        visitor.post("/billing/change", page="/billing/change?plan=enterprise", **stale)
        assert visitor.status == 409
        assert "Please look again" in visitor.words
    assert front.subscription(us).phases[-1].plan.plan.name == "pro"


def test_nobody_agrees_to_a_moment_ahead(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    fields = _hidden(visitor.get("/billing/change?plan=enterprise"))
    visitor.post(
        "/billing/change", page="/billing/change?plan=enterprise", **{**fields, "at": "2036-01-01T00:00:00Z"}
    )
    assert front.subscription(us).phases[-1].starts_at <= front.clock.now()


def test_a_downgrade_waits_for_the_period_and_says_so(front: Storefront) -> None:
    us = front.join("Meridian Freight", "enterprise")
    visitor = front.visitor(us)
    visitor.get("/billing/change?plan=pro")
    assert "Nothing is charged now" in visitor.words
    assert "From 28 Feb 2026 on" in visitor.words
    _agree(visitor, "/billing/change?plan=pro", "/billing/change")
    visitor.get("/billing")
    assert "Then Pro" in visitor.words
    assert len(_totals(front, us)) == 0


def test_an_add_on_is_added_charged_as_said_and_removed(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    visitor.get("/billing?add=extra_analytics")
    assert visitor.location == "/billing/add-ons/extra_analytics"
    visitor.get(visitor.location)
    said = re.search(r"Total so far \$([\d.]+)", visitor.words)
    assert said
    _agree(visitor, "/billing/add-ons/extra_analytics")
    assert visitor.status == 303
    visitor.get("/billing")
    assert "Extra analytics yours" in visitor.words
    visitor.get("/billing/add-ons/extra_analytics")
    assert visitor.status == 409
    visitor.post("/billing/add-ons/extra_analytics/remove", page="/billing/add-ons/extra_analytics/remove")
    visitor.get("/billing")
    assert "ends with the period" in visitor.words
    assert front.subscription(us).items[0].ends_at is not None
    _agree(visitor, "/billing/add-ons/extra_analytics")  # kept after all
    front.world.go_to(START.replace(month=3, day=1))
    front.world.run()
    assert _totals(front, us)[-1] == round(float(said[1]) * 100)


def test_cancelling_takes_two_clicks_and_says_when_it_ends(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    assert 'href="/billing/cancel"' in visitor.get("/billing")
    visitor.get("/billing/cancel")
    assert "28 Feb 2026, 10:20 UTC" in visitor.words
    visitor.post("/billing/cancel")
    visitor.get("/billing")
    assert "Cancelled: everything works until then" in visitor.words
    assert front.subscription(us).ends_at is not None
    visitor.get("/billing/cancel")
    assert visitor.location == "/billing"


def test_a_card_is_saved_and_an_invoice_paid(front: Storefront) -> None:
    _, visitor = _with_invoices(front)
    page = visitor.get("/billing/invoices")
    found = re.search(r'href="(/billing/invoices/[0-9a-f-]{36})"', page)
    assert found
    invoice = found[1]
    visitor.post(f"{invoice}/pay", page=invoice)
    assert visitor.location == "/billing#cards"  # none is saved yet
    _with_card(visitor)
    visitor.get("/billing")
    assert "4242" in visitor.words
    visitor.post(f"{invoice}/pay", page=invoice)
    visitor.get(invoice)
    assert "Nothing is left to do" in visitor.words
    visitor.get("/billing/payments")
    assert re.search(r"INV-000001 \$49.00 Paid", visitor.words)
    method = re.search(r'action="(/billing/methods/[0-9a-f-]{36})/remove"', visitor.get("/billing"))
    assert method
    visitor.post(f"{method[1]}/remove", page="/billing")
    visitor.get("/billing")
    assert "None yet" in visitor.words


def test_a_card_that_is_declined_is_said_and_one_that_asks_is_confirmed(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    cards = {card.behaviour.value: card.name for card in front.cards}
    invoice = f"/billing/invoices/{front.world.invoices(front.subscription(us))[0].id}"
    _with_card(visitor, cards["decline"])
    visitor.post(f"{invoice}/pay", page=invoice)
    visitor.get(invoice)
    assert "to pay" in visitor.words
    assert "card" in visitor.words
    _with_card(visitor, cards["act"])
    visitor.post(f"{invoice}/pay", page=invoice)
    assert visitor.location.startswith("/pay/sandbox/action?charge=")
    page = visitor.location
    visitor.post("/pay/sandbox/action", page=page, charge=page.partition("=")[2], answer="approve")
    visitor.get(invoice)
    assert "Nothing is left to do" in visitor.words


def test_an_invoice_is_a_page_to_print_and_a_pdf(front: Storefront) -> None:
    us, visitor = _with_invoices(front)
    invoice = front.world.invoices(front.subscription(us))[0].id
    answer = visitor.client.get(f"/billing/invoices/{invoice}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["content-disposition"] == 'inline; filename="INV-000001.pdf"'
    assert answer.content == visitor.client.get(f"/billing/invoices/{invoice}/pdf").content
    answer = visitor.client.get(f"/billing/invoices/{invoice}/print")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "49.00" in answer.text


def test_without_a_plan_there_is_one_thing_to_do(front: Storefront) -> None:
    visitor = front.visitor(front.join("Newcomer", None))
    assert 'href="/start"' in visitor.get("/billing")
    assert "Nothing was paid yet" in visitor.get("/billing/payments")
    for path in ("/billing/change?plan=pro", "/billing/add-ons/extra_analytics"):
        visitor.get(path)
        assert visitor.status == 404


def test_every_route_times_another_organisations_objects_is_404(front: Storefront) -> None:
    """Each route with an object in its path, by enumeration; a new one must be listed here."""
    us, ours = _with_invoices(front)
    _with_card(ours)
    invoice = front.world.invoices(front.subscription(us))[0].id
    method = re.search(r'action="/billing/methods/([0-9a-f-]{36})/remove"', ours.get("/billing"))
    ours.post("/billing/methods", page="/billing")
    setup = ours.location.partition("=")[2]
    ticket = front.desk.ask(us.organisation.id, Author(Side.CUSTOMER, us.user.id, "Ines"), "Mine", "Mine").id
    assert method
    objects = {"invoice": str(invoice), "method": method[1], "ticket": str(ticket)}
    stranger = front.visitor(front.join("Tidewater", "pro"))
    mine = {"/billing", "/tickets", "/usage", "/pay"}
    tried = 0
    for verb, path in sorted(front.app.state.access):
        names = re.findall(r"{(\w+)(?::\w+)?}", path)
        if not any(path.startswith(one) for one in mine) or not names or "name" in names:
            continue
        assert set(names) <= set(objects), f"{path}: say here what its object is"
        for ids in (objects, dict.fromkeys(objects, str(uuid4())), dict.fromkeys(objects, "x")):
            address = path.format(**ids)
            if verb == "POST":
                stranger.post(address, page="/billing", text="mine now")
            elif verb == "GET":
                stranger.get(address)
            else:
                continue
            assert stranger.status == 404, (verb, address)
            tried += 1
    assert tried >= 3 * 10
    away = [f"/pay/{page}?setup={one}" for page in ("sandbox", "return") for one in (setup, uuid4(), "x")]
    for path in (*away, "/pay/sandbox/action?charge=x"):
        stranger.get(path)
        assert stranger.status == 404, path
    stranger.post("/pay/sandbox", page="/billing", setup=setup, card="succeeds")
    assert stranger.status == 404
    ours.get("/billing")
    assert "4242" in ours.words
    assert "To pay" in ours.words


@pytest.mark.parametrize("path", ["/billing/add-ons/a%00", "/pay/sandbox/action?charge=%00"])
def test_what_a_database_cannot_even_look_for_is_not_there(front: Storefront, path: str) -> None:
    visitor = front.visitor(front.join("Meridian"))
    visitor.get(path)
    # PostgreSQL takes no NUL in a text; SQLite does, and finds none.
    assert visitor.status == (422 if ON_POSTGRESQL else 404)


def test_a_plan_that_no_database_could_hold_is_not_on_the_list(front: Storefront) -> None:
    visitor = front.visitor(front.join("Meridian"))
    visitor.get("/billing/change?plan=%00")
    assert visitor.status == 404


def test_a_plan_that_is_not_shown_can_not_be_taken(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    (content / "portal.yaml").write_text("plans: {shown: [pro]}")
    front = Storefront(tmp_path, catalog=CATALOG, portal_dir=content)
    signed = front.join("Meridian")
    agreed = {"at": front.clock.now().isoformat(), "version": "enterprise@1"}
    visitor = front.visitor(signed)
    visitor.get("/billing/change?plan=enterprise")
    assert visitor.status == 404
    visitor.post("/billing/change", page="/billing", plan="enterprise", **agreed)
    assert visitor.status == 404
    assert front.subscription(signed).phases[-1].plan.plan.name == "pro"
    front.close()
