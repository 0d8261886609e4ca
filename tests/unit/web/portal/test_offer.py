"""The plan table and the calculator: every figure is the catalog's, and rated as an invoice is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.catalog.models import Plan
from tollway.catalog.parse import parse_catalog
from tollway.catalog.prices import Percentage, Price
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.currency import currency
from tollway.kernel.ids import new_id
from tollway.kernel.money import Money
from tollway.web.portal.content.model import PlanWords, PortalFile
from tollway.web.portal.offer.estimate import Axis, axis, cheapest, estimate, main_meter
from tollway.web.portal.offer.model import Offer
from tollway.web.portal.offer.table import plan_table, sold_plans
from tollway.web.portal.offer.titles import detail_words, line_words
from tollway.web.portal.offer.words import amount, money

_CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count}
  - {name: bytes, aggregation: sum, sum: bytes_out}
plans:
  - name: free
    rate_limit: {minute: 10}
    quota: {api_calls: 1000}
    features: [data_v1]
    prices: [{model: per_unit, meter: api_calls, unit_amount: "0"}]
  - name: pro
    rate_limit: {minute: 1000}
    features: [data_v1, data_v2]
    quota: {api_calls: 100000}
    prices:
      - {model: flat, amount: "49.00"}
      - {model: graduated, meter: api_calls,
         tiers: [{up_to: "10000", unit_amount: "0"}, {up_to: null, unit_amount: "0.002"}]}
  - name: big
    prices:
      - {model: flat, amount: "499.00"}
      - {model: package, meter: api_calls, package_size: "100", package_amount: "0.05"}
      - {model: per_unit, meter: bytes, unit_amount: "1",
         unit_conversion: {operation: divide, factor: "1000000000", quantity_rounding: ceil}}
addons:
  - {name: extra_analytics, features: [analytics], prices: [{model: flat, amount: "19.00"}]}
"""
_USD = currency("USD")
_WAIT = "then 429 with the seconds to wait"
_END = "then 429 until the period ends"


def _offer(text: str = _CATALOG) -> Offer:
    catalog = parse_catalog(text.encode(), "catalog.yaml")
    plans = [
        PlanVersion(id=new_id(), version=1, plan=plan, currency=catalog.currency) for plan in catalog.plans
    ]
    addons = [
        AddOnVersion(id=new_id(), version=1, addon=each, currency=catalog.currency) for each in catalog.addons
    ]
    return Offer(plans, addons, catalog.meters)


def test_table_says_what_the_catalog_says() -> None:
    table = plan_table(
        _offer(), PortalFile(highlight="pro", plans={"big": PlanWords("Enterprise", "for many")})
    )
    assert table is not None
    assert [(column.title, column.price, column.note, column.picked) for column in table.columns] == [
        ("Free", "$0", "a month", False),
        ("Pro", "$49", "a month, then per use", True),
        ("Enterprise", "$499", "for many", False),
    ]
    rows = {
        row.label: [" | ".join((cell.short, *cell.more)) for cell in row.cells]
        for group in table.groups
        for row in group.rows
    }
    assert rows == {
        "Calls included a month": ["1,000", "10,000", "none"],
        "Each call above that": ["not possible", "$0.002", "$0.05 for each 100 calls"],
        "Bytes included a month": ["none", "none", "none"],
        "Each byte above that": ["not charged", "not charged", "$1 | priced per bytes ÷ 1,000,000,000"],
        "Calls a minute": [f"10 | {_WAIT}", f"1,000 | {_WAIT}", "No limit"],
        "Calls a month": [f"1,000 | {_END}", f"100,000 | {_END}", "No limit"],
        "Data v1": ["Included", "Included", "not included"],
        "Data v2": ["not included", "Included", "not included"],
        "Analytics": ["as add-on Extra analytics"] * 3,
    }  # fmt: skip
    assert [(row.title, row.brings, row.price) for row in table.addons] == [
        ("Extra analytics", "Analytics", "$19 a month")
    ]


def test_seller_chooses_what_is_shown() -> None:
    offer = _offer()
    assert [each.plan.name for each in sold_plans(offer, PortalFile())] == ["free", "pro", "big"]
    assert [each.plan.name for each in sold_plans(offer, PortalFile(shown=("big", "gone", "free")))] == [
        "big",
        "free",
    ]
    assert plan_table(Offer(), PortalFile()) is None


@pytest.mark.parametrize(
    ("calls", "best", "total"),
    [(0, "free", "0.00"), (1_000, "free", "0.00"), (1_001, "pro", "49.00"), (60_000, "pro", "149.00"),
     (100_000, "pro", "229.00"), (100_001, "big", "549.05"), (1_000_000, "big", "999.00")],
)  # fmt: skip
def test_cheapest_plan_that_allows_it(calls: int, best: str, total: str) -> None:
    offer = _offer()
    assert main_meter(offer) == "api_calls"
    found = cheapest(offer.plans, "api_calls", calls, {})
    assert found.best is not None
    assert (found.best.plan.plan.name, found.best.total) == (best, Money.rounded(Decimal(total), _USD))
    free = found.all[0]
    assert free.stops_at == (1_000 if calls > 1_000 else None)


def test_a_price_that_needs_more_than_a_number_is_left_out() -> None:
    plan = Plan("share", prices=(Price(Percentage(Decimal(2)), meter="api_calls"),))
    version = PlanVersion(id=new_id(), version=1, plan=plan, currency=_USD)
    assert estimate(version, "api_calls", 10, "calls").total is None


@given(st.integers(0, 10**9))
def test_estimate_adds_up(calls: int) -> None:
    for version in _offer().plans:
        found = estimate(version, "api_calls", calls, "calls")
        if found.total is not None:
            assert found.total.minor == sum(line.amount.minor for line in found.lines)


@given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 1000))
def test_slider_goes_there_and_back(low: int, decades: int, position: int) -> None:
    scale = Axis(10**low, 10 ** (low + decades))
    quantity = scale.quantity(position)
    assert scale.low <= quantity <= scale.high
    assert abs(scale.position(quantity) - position) <= 25  # two digits that matter


def test_axis_shows_every_bound() -> None:
    assert axis(_offer().plans, "api_calls") == Axis(10, 1_000_000)
    assert axis([], "api_calls") == Axis(1_000, 100_000)


@pytest.mark.parametrize(
    ("value", "code", "written"),
    [
        ("49", "USD", "$49"),
        ("0.002", "EUR", "€0.002"),
        ("1.5", "GBP", "£1.50"),
        ("1200", "CHF", "CHF\xa01,200"),
        ("0.5", "JPY", "¥0.5"),
    ],
)
def test_amounts_as_people_write_them(value: str, code: str, written: str) -> None:
    assert amount(Fraction(value), currency(code)) == written


def test_money_has_its_decimals_and_sign() -> None:
    assert money(Money(-123_456, _USD)) == "−$1,234.56"
    assert money(Money(1_500, currency("JPY"))) == "¥1,500"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Plan big", "Plan Enterprise"),
        ("Unused: Plan pro", "Unused: Plan Pro"),
        ("Add-on bulk_files", "Add-on Whole files"),
        ("Usage of api_calls (Add-on more)", "Usage: calls (Add-on More)"),
        ("Late usage of bytes, 1 Dec 2026 to 31 Dec 2026", "Late usage: octets, 1 Dec 2026 to 31 Dec 2026"),
    ],
)
def test_lines_to_come_use_the_sellers_words(text: str, shown: str) -> None:
    words = PortalFile(
        plans={"big": PlanWords("Enterprise")},
        features={"bulk_files": "Whole files"},
        units={"bytes": "octets"},
    )
    assert line_words(text, words) == shown


def test_how_a_line_came_about_counts_in_the_sellers_unit() -> None:
    text = "First 10 api calls: 10 free. Api calls 11 to 20: 5 at 0.002 USD"
    said = "First 10 calls: 10 free. Calls 11 to 20: 5 at 0.002 USD"
    assert detail_words(text, "Usage of api_calls", PortalFile()) == said
    assert detail_words(text, "Plan pro", PortalFile()) == text
