"""A customer's story in Chromium before real processes, from the landing page to a ticket.

It is one story: each part stands on what the parts before it bought.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Tab
from tests.support.open_shop import ROOT, OpenShop, eventually, open_shop

_EMAIL = "ines@meridian.example"
_PATIENCE = 60_000
_WITHIN = 2.0
_TRIES = 6
_OVERLAP = timedelta(seconds=30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    catalog = (ROOT / "demo/shop/catalog.yaml").read_text()
    few = catalog.replace('{up_to: "1000", unit_amount: "0"}', '{up_to: "2", unit_amount: "0"}')
    assert few != catalog, "so that a handful of calls costs something"
    folder = tmp_path_factory.mktemp("shop")
    with open_shop(folder, TOLLWAY_PORTAL_DIR=str(ROOT / "demo/portal")) as shop:
        shop.stack.tollway(
            *("seller", "set", "--name", "Atlas Data", "--address", "1 Quay Street", "--country", "US"),
            *("--currency", "USD", "--invoice-prefix", "ATL-"),
        )
        shop.apply(few)
        shop.sell_atlas()
        yield shop


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_the_landing_page_to_a_ticket(shop: OpenShop, tab: Tab, tmp_path: Path) -> None:
    expect.set_options(timeout=_PATIENCE)
    tab.context.set_default_timeout(_PATIENCE)
    page = tab.open(shop.portal)
    _sign_up(shop, page)
    key = _choose_a_plan(page)
    _first_call(page)
    _usage_moves(page)
    _save_a_card(page)
    _is_refused_and_buys(page)
    shop.invoice()
    number = _upgrade(shop, page)
    _invoice_as_pdf(page, number, tmp_path)
    new, ends_at = _rotate(shop, page, key)
    _ask(page)
    _only_the_new_key_works(shop, key, new, ends_at)
    assert tab.foreign == []
    assert tab.complaints == []


def _sign_up(shop: OpenShop, page: Page) -> None:
    page.get_by_role("link", name="Get a key").first.click()
    page.get_by_label("Organisation").fill("Meridian Freight")
    page.get_by_label("E-mail").fill(_EMAIL)
    page.get_by_label("Password").fill("a short sentence")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/check-mail")
    page.goto(shop.link(_EMAIL, "/confirm"))
    page.get_by_role("button", name="Confirm and sign in").click()
    page.wait_for_url("**/start")


def _choose_a_plan(page: Page) -> str:
    """Take the plan with a fee; return the first key, which is shown this once."""
    page.get_by_role("radio", name="Starter").check()
    page.get_by_role("button", name="Start with this plan").click()
    page.get_by_role("heading", name="Make your first call").wait_for()
    key = page.locator("#new-key").inner_text().strip()
    assert re.fullmatch(r"tollway_live_[0-9A-Za-z]{43}", key)
    page.get_by_role("link", name="All keys").click()
    page.get_by_role("link", name="Make the first call").click()
    page.get_by_role("heading", name="Make your first call").wait_for()
    assert key not in page.content()
    assert f"Ends in {key[-4:]}" in page.locator("main").inner_text()
    return key


def _try(page: Page, slug: str, status: str, **parameters: str) -> float:
    """Send an operation from its page; return when the answer was there."""
    page.goto(_address(page, f"/reference/{slug}"))
    for name, value in parameters.items():
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Send request").click()
    expect(page.locator("#answer header")).to_contain_text(status)
    return time.monotonic()


def _first_call(page: Page) -> None:
    _try(page, "get-city", "200", id="2950159")
    expect(page.locator("#answer")).to_contain_text('"name": "Berlin"')


def _usage_moves(page: Page) -> None:
    """Each call is on the page two seconds after its answer at the latest, as long as the machine can."""
    page.goto(_address(page, "/usage"))
    expect(page.locator("[data-calls]").first).to_have_text("1")
    took = []
    for calls in range(2, 2 + _TRIES):
        answered = _try(page, "get-country", "200", code="PT")
        took.append(_shown_by(page, calls) - answered)
        if took[-1] <= _WITHIN:
            break
    assert min(took) <= _WITHIN, took
    print(f"a call was on the page {min(took):.1f} s after its answer")
    # The page that is left open moves as well.
    page.goto(_address(page, "/usage"))
    expect(page.locator("[data-calls]").first).to_have_text(str(1 + len(took)))


def _shown_by(page: Page, calls: int) -> float:
    """Load the page, without scripts, until it shows these calls; return when it was asked for."""
    url = _address(page, "/usage")

    def look() -> float | None:
        asked = time.monotonic()
        found = re.search(r"data-calls>([\d,]+)<", page.context.request.get(url).text())
        return asked if found is not None and int(found[1]) == calls else None

    return eventually(look)


def _save_a_card(page: Page) -> None:
    page.get_by_role("link", name="Billing").first.click()
    page.get_by_role("button", name="Save a card").click()
    page.get_by_role("button", name="Save this card").click()
    page.wait_for_url("**/billing#cards")


def _is_refused_and_buys(page: Page) -> None:
    """A call that the plan doesn't have says what brings it; bought, the same call is answered."""
    _try(page, "nearest-cities", "403", lat="48.85", lon="2.35")
    said = page.locator("#answer")
    expect(said).to_contain_text("Your plan doesn't have nearest.")
    expect(said).to_contain_text("The add-on nearest_search brings it, at once.")
    page.get_by_role("link", name="Add nearest_search").click()
    page.get_by_role("heading", name="Add Nearest search").wait_for()
    page.get_by_text("Nothing is charged now.").wait_for()
    ((_, rest), (_, whole)) = (line for line in _lines(page) if line[0] == "Add-on Nearest search")
    assert (rest, whole) == ("19.00", "19.00"), "the period that began a moment ago, and the next one"
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Nearest search is yours now")
    _try(page, "nearest-cities", "200", lat="48.85", lon="2.35")
    expect(said).to_contain_text('"name": "Paris"')


def _upgrade(shop: OpenShop, page: Page) -> str:
    """Upgrade; what the preview says is the invoice that follows, line by line. Return its number."""
    page.get_by_role("link", name="Billing").first.click()
    page.get_by_role("radio", name="Growth").check()
    page.get_by_role("button", name="See what it costs").click()
    page.get_by_role("heading", name="Starter to Growth").wait_for()
    charged = _lines(page)
    assert dict(charged)["Unused: Plan Starter"] == "−49.00"
    assert dict(charged)["Plan Growth"] == "199.00"
    label, total = charged[-1]
    assert label == "Charged with the change"
    assert Decimal(total) == sum(Decimal(amount.replace("−", "-")) for _, amount in charged[:-1])
    page.get_by_role("button", name=f"Order and pay ${total}").click()
    page.wait_for_url("**/billing")
    shop.invoice()

    def paid() -> bool | None:
        page.reload()
        return page.get_by_role("row", name=f"${total}").get_by_text("Paid").count() == 1 or None

    eventually(paid)
    page.get_by_role("row", name=f"${total}").get_by_role("link").first.click()
    page.get_by_text("Nothing is left to do").wait_for()
    # The invoice names what was sold as the catalog does; the preview by the seller's words.
    assert [amount for _, amount in _lines(page)] == [*(amount for _, amount in charged[:-1]), total]
    return page.get_by_role("heading", level=1).inner_text().removeprefix("Invoice ")


def _invoice_as_pdf(page: Page, number: str, folder: Path) -> None:
    """The PDF says what the page says."""
    lines = _lines(page)
    href = page.get_by_role("link", name="PDF").get_attribute("href")
    answer = page.context.request.get(_address(page, href or ""))
    assert answer.headers["content-type"] == "application/pdf"
    assert f'filename="{number}.pdf"' in answer.headers["content-disposition"]
    pdf = folder / "invoice.pdf"
    pdf.write_bytes(answer.body())
    text = subprocess.run(
        ["/usr/bin/pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout
    for words in (number, "Atlas Data", "1 Quay Street", "Meridian Freight", "Total"):
        assert words in text
    for label, amount in lines[:-1]:
        assert re.search(rf"{re.escape(label)}.*{re.escape(amount)}", text), (label, amount, text)
    assert re.search(rf"Total.*{re.escape(lines[-1][1])}", text), text


def _rotate(shop: OpenShop, page: Page, key: str) -> tuple[str, datetime]:
    """Rotate the first key; both work. Return the second, and when the page says that the first one ends."""
    page.get_by_role("link", name="Keys").first.click()
    page.get_by_role("link", name=f"ending in {key[-4:]}").first.click()
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if soon - datetime.now(UTC) < _OVERLAP:
        soon += timedelta(minutes=1)
    # The shortest overlap on offer is an hour, for which no test waits: the same choice, of a nearer moment.
    choice = page.get_by_role("radio", name="In an hour")
    choice.evaluate("(radio, value) => { radio.value = value }", str(int(soon.timestamp())))
    choice.check()
    page.get_by_role("button", name="Rotate key").click()
    page.get_by_role("heading", name="Your new key").wait_for()
    new = page.locator("#new-key").inner_text().strip()
    told = page.locator(".callout", has_text="works until exactly").locator("time").get_attribute("datetime")
    assert told is not None
    ends_at = datetime.fromisoformat(told)
    assert ends_at == soon
    statuses = shop.call("/v1/countries/PT", key).status_code, shop.call("/v1/countries/PT", new).status_code
    assert statuses == (200, 200)
    assert datetime.now(UTC) < ends_at, "this machine was too busy to see the overlap"
    assert f"{ends_at:%H:%M} UTC" in shop.mail(_EMAIL, f"ending in {key[-4:]}")
    return new, ends_at


def _only_the_new_key_works(shop: OpenShop, key: str, new: str, ends_at: datetime) -> None:
    """The first key works until its moment, and not after it."""
    while datetime.now(UTC) < ends_at:
        began = datetime.now(UTC)
        status = shop.call("/v1/countries/PT", key).status_code
        # What was under way when the moment came may have been judged on either side of it.
        assert status == 200 or datetime.now(UTC) >= ends_at, began
        time.sleep(0.2)
    assert shop.call("/v1/countries/PT", key).status_code == 401
    assert shop.call("/v1/countries/PT", new).status_code == 200


def _ask(page: Page) -> None:
    page.get_by_role("link", name="Help").first.click()
    page.get_by_role("link", name="Ask us").first.click()
    page.get_by_label("Subject").fill("Borders of Kosovo")
    page.get_by_label("Your question").fill("`/v1/countries/XK` answers **404**.")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile(r"/tickets/[0-9a-f-]{36}$"))
    expect(page.get_by_role("heading", name="Borders of Kosovo")).to_be_visible()
    expect(page.locator(".thread code")).to_have_text("/v1/countries/XK")


def _lines(page: Page) -> list[tuple[str, str]]:
    """Return label and amount of each line that a page adds up, as far as its first total."""
    found = []
    for row in page.locator("table.sum").first.locator("tbody tr, tfoot tr").all():
        label = row.locator("th").inner_text().splitlines()[0].strip()
        found.append((label, row.locator("td").inner_text().strip().replace("$", "")))
    return found


def _address(page: Page, path: str) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}{path}"
