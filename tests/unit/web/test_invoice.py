"""An invoice as JSON, as a page and as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.commerce import START, World
from tollway.kernel.mode import Mode
from tollway.web.invoice.convert import invoice_json
from tollway.web.invoice.page import figure, invoice_page
from tollway.web.invoice.text import invoice_text

NAME = '<script>alert("1")</script> & Söhne\x1b[31m'


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    world = World(tmp_path_factory.mktemp("world"))
    subscription = world.subscribe("pro", NAME, Mode.TEST)
    world.use(subscription, 25, START + timedelta(days=1))
    world.go_to(START.replace(month=2, day=28))
    world.run()
    yield [invoice_json(invoice, subscription, NAME) for invoice in world.invoices(subscription)]
    world.close()


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in {"src", "href", "style"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_json_says_everything_exactly(documents: list[dict[str, Any]]) -> None:
    opening, closing = documents
    assert (opening["number"], opening["total"], opening["period_text"]) == ("TEST-INV-000001", "49.00", None)
    assert (closing["status"], closing["currency"], closing["total"]) == ("finalised", "USD", "49.20")
    assert closing["supplier"]["address"] == ["1 Quay Street", "Boston"]
    assert closing["recipient"]["name"] == NAME
    line = closing["lines"][1]
    assert {
        name: line[name] for name in ("line", "kind", "quantity", "amount", "total", "meter", "price")
    } == {
        "line": 2,
        "kind": "usage",
        "quantity": "25",
        "amount": "0.195",
        "total": "0.20",
        "meter": "api_calls",
        "price": "pro/1/prices/1",
    }
    assert [step["amount"] for step in line["explanation"]] == ["0", "0.195"]
    assert list(closing["usage"]["cursor"].values()) == [25 * 64]


def test_the_page_stands_alone_and_escapes_names(documents: list[dict[str, Any]]) -> None:
    html = invoice_page(documents[1])
    page = _Page(html)
    assert page.outside == []
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert NAME in page.text
    for text in ("Invoice TEST-INV-000002", "Test invoice: nothing is owed", "Atlas Data", "49.20"):
        assert text in page.text
    assert "prefers-color-scheme:dark" in html
    assert 'name="viewport"' in html


def test_a_draft_and_a_preview_have_pages_too(documents: list[dict[str, Any]]) -> None:
    draft = {
        **documents[1],
        **dict.fromkeys(("number", "supplier", "recipient", "finalised_at", "finalised_text")),
        "status": "draft",
    }
    page = _Page(invoice_page(draft))
    assert "Draft invoice" in page.text
    assert NAME in page.text
    assert invoice_text(draft).startswith(f"Draft invoice {draft['id']}")


def test_text_fits_a_terminal_and_cannot_steer_it(documents: list[dict[str, Any]]) -> None:
    text = invoice_text(documents[1])
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 78
    assert re.search(r"^Total +49\.20$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1234567.5", "1,234,567.5"), ("-24.50", "\N{MINUS SIGN}24.50"), ("0", "0"), ("900", "900")],
)
def test_figures_are_written_for_people(amount: str, shown: str) -> None:
    assert figure(amount) == shown
