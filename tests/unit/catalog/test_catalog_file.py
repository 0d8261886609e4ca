"""The catalog file: what is read of it, and how each fault is told."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.billing.rating.prices import prices
from tollway.catalog import canonical
from tollway.catalog.errors import CatalogFaults
from tollway.catalog.models import (
    AddOn,
    Aggregation,
    Catalog,
    Cycle,
    Interval,
    LimitWindow,
    Meter,
    MeterFilter,
    Plan,
    SummedField,
)
from tollway.catalog.parse import parse_catalog
from tollway.catalog.prices import Flat, Graduated, Price, Tier
from tollway.kernel.currency import currency

EXAMPLE = """\
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: pro
    rate_limit: {minute: 1000}
    features: [data_v1, analytics_basic]
    quota: {api_calls: 100000}            # per billing period; hard by default
    prices:
      - {model: flat, amount: "49.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "10000", unit_amount: "0"}, {up_to: null, unit_amount: "0.002"}]
addons:
  - {name: extra_analytics, features: [analytics_advanced], prices: [{model: flat, amount: "19.00"}]}
"""
HEAD = '_format_version: "1.0"\ncurrency: USD\n'
METER = HEAD + "meters: [{name: calls}]\n"


def parse(text: str) -> Catalog:
    return parse_catalog(text.encode(), "c.yaml")


def faults(text: str | bytes) -> list[str]:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(CatalogFaults) as refused:
        parse_catalog(raw, "c.yaml")
    found = str(refused.value).split("\n")
    assert len(found) == len(refused.value.faults)
    assert all(fault.startswith("c.yaml") and len(fault) < 300 for fault in found)
    assert all(fault.fix for fault in refused.value.faults)
    return found


def test_the_contracts_example() -> None:
    assert parse(EXAMPLE) == Catalog(
        currency=currency("USD"),
        meters=(Meter("api_calls", Aggregation.COUNT, filter=MeterFilter(frozenset({"2xx", "3xx"}))),),
        plans=(
            Plan(
                name="pro",
                rate_limit={LimitWindow.MINUTE: 1000},
                features=frozenset({"data_v1", "analytics_basic"}),
                quota={"api_calls": 100_000},
                prices=(
                    Price(Flat(Decimal(49))),
                    Price(
                        Graduated((Tier(Decimal(10_000), Decimal(0)), Tier(None, Decimal("0.002")))),
                        meter="api_calls",
                    ),
                ),
                interval=Interval.MONTH,
                billing=Cycle.ANNIVERSARY,
                timezone="UTC",
            ),
        ),
        addons=(AddOn("extra_analytics", frozenset({"analytics_advanced"}), (Price(Flat(Decimal(19))),)),),
    )


def test_everything_else_that_may_be_said() -> None:
    catalog = parse(
        HEAD
        + """\
meters:
  - name: bytes
    aggregation: sum
    sum: bytes_out
    completion: any
    filter: {status: ["2xx", 404], method: [GET], route: [data]}
plans:
  - {name: yearly, interval: year, billing: calendar, timezone: Europe/Berlin}
addons: []
"""
    )
    meter = catalog.meter("bytes")
    assert meter is not None
    assert meter.summed is SummedField.BYTES_OUT
    assert meter.filter == MeterFilter(frozenset({"2xx", "404"}), frozenset({"GET"}), frozenset({"data"}))
    plan = catalog.plan("yearly")
    assert plan is not None
    assert (plan.interval, plan.billing, plan.timezone) == (Interval.YEAR, Cycle.CALENDAR, "Europe/Berlin")
    assert catalog.plan("monthly") is None
    assert catalog.addon("bytes") is None


def test_a_filter_takes_what_matches_all_its_fields() -> None:
    taken = MeterFilter(frozenset({"2xx", "404"}), frozenset({"GET"}), frozenset({"data"}))
    assert taken.matches(status=204, method="GET", route="data")
    assert taken.matches(status=404, method="GET", route="data")
    assert not taken.matches(status=403, method="GET", route="data")
    assert not taken.matches(status=200, method="POST", route="data")
    assert not taken.matches(status=200, method="GET")
    assert MeterFilter().matches(status=500, method="")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.yaml:1: nothing, where fields are needed"),
        ("- 1", "c.yaml:1: a list, where fields are needed"),
        ("currency: USD", "_format_version: missing"),
        (
            "_format_version: 1.0\ncurrency: USD",
            'c.yaml:1: _format_version: not a version that is known here; write "1.0"',
        ),
        (HEAD + "currency: EUR", "c.yaml:3: currency is written twice, first on line 2"),
        (HEAD + "plan: []", "c.yaml:3: plan: unknown field; did you mean plans?"),
        (
            HEAD.replace("USD", "usd"),
            "c.yaml:2: currency: 'usd' is not written as ISO 4217 does; write \"USD\"",
        ),
        (HEAD + "plans: {}", "c.yaml:3: plans: fields, where a list is needed"),
        (HEAD + "plans:\n  - pro", "c.yaml:4: plans[0]: 'pro', where fields are needed"),
        (HEAD + "plans:\n  - {name: 5}", 'c.yaml:4: plans[0].name: 5, where a name is needed; write "5"'),
        (HEAD + 'plans:\n  - {name: " x"}', "plans[0].name: ' x' is no name"),
        (
            HEAD + "plans:\n  - {name: a}\n  - {name: a}",
            "c.yaml:5: plans[1].name: 'a' is the name of an earlier one",
        ),
        (HEAD + "plans:\n  - {features: [a]}", "c.yaml:4: plans[0].name: missing"),
        (HEAD + "plans:\n  - {name: a, features: [b, b]}", "plans[0].features[1]: 'b' is listed twice"),
        (HEAD + "plans:\n  - {name: a, timezone: Mars}", "plans[0].timezone: 'Mars' is no time zone"),
        (
            HEAD + "plans:\n  - {name: a, interval: monthly}",
            "plans[0].interval: 'monthly' is none of its values",
        ),
        (
            HEAD + "plans:\n  - {name: a, rate_limit: {minute: 0}}",
            "plans[0].rate_limit.minute: 0 is out of range",
        ),
        (
            HEAD + "plans:\n  - {name: a, rate_limit: {minute: 60s}}",
            "rate_limit.minute: '60s', where a whole number",
        ),
        (HEAD + "plans:\n  - {name: a, rate_limit: {fortnight: 1}}", "rate_limit.fortnight: unknown field"),
        (
            HEAD + "plans:\n  - {name: a, rate_limit: {minute: 9, hour: 8}}",
            "rate_limit.hour: 8 a hour is less than 9",
        ),
        (
            HEAD + "plans:\n  - {name: a, quota: {calls: 1}}",
            "plans[0].quota.calls: there is no meter 'calls'",
        ),
        (METER + "plans:\n  - {name: a, quota: {calls: -1}}", "plans[0].quota.calls: -1 is out of range"),
        (
            HEAD + "meters: [" + ", ".join(f"{{name: m{n}}}" for n in range(9)) + "]\n"
            "plans:\n  - {name: a, quota: {" + ", ".join(f"m{n}: 1" for n in range(9)) + "}}",
            "plans[0].quota: 9 meters, and 8 is the most",
        ),
        (HEAD + "addons:\n  - {name: a, quota: {calls: 1}}", "addons[0].quota.calls: there is no meter"),
        (
            HEAD + "meters:\n  - {name: a, aggregation: mean}",
            "meters[0].aggregation: 'mean' is none of its values",
        ),
        (HEAD + "meters:\n  - {name: a, aggregation: sum}", "meters[0].sum: missing"),
        (HEAD + "meters:\n  - {name: a, sum: units}", "meters[0].sum: a count adds nothing up"),
        (HEAD + "meters:\n  - {name: a, filter: {status: [2xz]}}", "meters[0].filter.status[0]: no status"),
        (HEAD + "meters:\n  - {name: a, filter: {status: [600]}}", "meters[0].filter.status[0]: no status"),
        (
            HEAD + "meters:\n  - {name: a, filter: {method: [get]}}",
            "meters[0].filter.method[0]: 'get' is no method",
        ),
        (HEAD + "meters:\n  - {name: a, filter: {path: [/x]}}", "meters[0].filter.path: unknown field"),
    ],
)
def test_a_fault_names_file_line_field_and_fix(text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults(text)), faults(text)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("{model: flat, amount: 49.00}", 'prices[0].amount: 49.00 is not in quotes; write "49.00"'),
        ("{model: flat, amount: 1e3}", "prices[0].amount: 1e3 is not in quotes"),
        ("{model: flat, amount: 010}", "prices[0].amount: 010 is not in quotes"),
        ("{model: flat, amount: 1_000}", "prices[0].amount: 1_000 is not in quotes"),
        ("{model: flat, amount: .nan}", "prices[0].amount: .nan is not in quotes"),
        ('{model: flat, amount: "-1"}', "prices[0].amount: -1 is below zero"),
        ("{model: flat, amount: yes}", "prices[0].amount: 'yes' is no number"),
        ("{model: flat, amount: true}", "prices[0].amount: true is no number"),
        ("{model: flat}", "prices[0].amount: missing"),
        ("{model: flat, amount: 1, meter: calls}", "prices[0].meter: a flat price takes no meter"),
        ("{model: flat, amount: 1, free_units: 1}", "prices[0].free_units: a flat price has no units"),
        ("{model: per_unit, unit_amount: 1}", "prices[0].meter: missing; write one of calls"),
        (
            "{model: per_unit, unit_amount: 1, meter: tokens}",
            "there is no meter 'tokens'; write one of calls",
        ),
        (
            "{model: per_unit, meter: calls, unit_amount: 1, minimum: 2, maximum: 1}",
            "minimum: above the maximum, 1",
        ),
        ("{model: dynamic, meter: calls}", "prices[0].model: no meter measures amounts of money"),
        ("{model: volume, meter: calls, tiers: [{up_to: null}]}", "prices[0].tiers[0].unit_amount: missing"),
        (
            "{model: volume, meter: calls, tiers: [{up_to: 1, unit_amount: 1}]}",
            "tiers[0].up_to: the last tier ends",
        ),
    ],
)
def test_a_faulty_price_names_line_and_field(price: str, expected: str) -> None:
    found = faults(METER + f"plans:\n  - name: pro\n    prices:\n      - {price}\n")
    assert len(found) == 1
    assert found[0].startswith("c.yaml:7: plans[0].")
    assert expected in found[0]


def test_all_faults_are_told_at_once() -> None:
    found = faults(EXAMPLE.replace('"49.00"', "49.00").replace("minute", "minuet").replace('"2xx"', "2yy"))
    assert [fault.split(": ")[0] for fault in found] == ["c.yaml:4", "c.yaml:7", "c.yaml:11"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a: &x [1]\nb: *x", "the anchor &x"),
        (
            b"a: !!python/object/apply:os.system ['true']",
            "the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        (b"<<: {currency: USD}", "<<: unknown field"),
        (b"? [a]\n: 1", "a key that is not plain text"),
        (b"? {a: 1}\n: {b: 2}", "a key that is not plain text"),
        (b"[" * 100_000, "nested more than 32 deep"),
        (b"{a: " * 100_000, "nested more than 32 deep"),
        (b"- " * 100_000, "nested more than 32 deep"),
        (b"\xff\xfe", "c.yaml:1: not UTF-8 text"),
        (b"a: 1\nb: \xff", "c.yaml:2: not UTF-8 text"),
        (b"a: \x00", "a control character"),
        (b"a: b: c", "c.yaml:1: not YAML"),
        (b"a: 1\n\tb: 2", "c.yaml:2: not YAML"),
        (b"'never closed", "not YAML"),
        (b"a: 1\n---\nb: 1\n", "a second document"),
        (b"x" * (4 * 1024 * 1024 + 1), "the file has more than 4194304 bytes"),
        (b'"\\u001b[31m' + b"k" * 900 + b'": 1', "unknown field"),
        (b"a: " + b"9" * 100_000, "unknown field"),
    ],
    ids=range(18),
)
def test_hostile_files_are_refused_in_a_line_each(raw: bytes, expected: str) -> None:
    found = faults(raw)
    assert any(expected in fault for fault in found), found
    assert all(fault.isprintable() for fault in found)


def test_a_billion_laughs_stay_a_few_lines() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert any("alias *a0; write the value out" in fault for fault in faults(bomb))


@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,-?&*!|>'\"%@` \n\ta1.", max_size=60).map(str.encode))
def test_any_bytes_are_a_catalog_or_its_faults(raw: bytes) -> None:
    try:
        parse_catalog(raw, "c.yaml")
    except CatalogFaults as refused:
        assert refused.faults  # noqa: PT017 - either way is fine, any other error is not


@given(prices())
def test_the_canonical_form_of_a_price_reads_back(price: Price) -> None:
    data = canonical.price_data(price)
    assert canonical.price_from_data(data) == price
    assert canonical.price_data(canonical.price_from_data(data)) == data


def test_the_canonical_form_of_a_catalog_reads_back() -> None:
    catalog = parse(EXAMPLE)
    assert tuple(map(canonical.plan_from_data, map(canonical.plan_data, catalog.plans))) == catalog.plans
    assert tuple(map(canonical.meter_from_data, map(canonical.meter_data, catalog.meters))) == catalog.meters
    assert tuple(map(canonical.addon_from_data, map(canonical.addon_data, catalog.addons))) == catalog.addons


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda text: text.replace('"49.00"', "49"), True),
        (lambda text: text.replace("[data_v1, analytics_basic]", "[analytics_basic, data_v1]"), True),
        (lambda text: text.replace("    quota", "    interval: month\n    quota"), True),
        (lambda text: text.replace('"49.00"', '"49.01"'), False),
        (lambda text: text.replace('up_to: "10000"', 'up_to: "10001"'), False),
        (lambda text: text.replace("    quota", "    timezone: Europe/Berlin\n    quota"), False),
    ],
)
def test_the_hash_changes_with_the_meaning_alone(change: Callable[[str], str], same: bool) -> None:  # noqa: FBT001
    before, after = (
        canonical.content_hash(canonical.plan_data(parse(text).plans[0]))
        for text in (EXAMPLE, change(EXAMPLE))
    )
    assert (before == after) is same


def test_the_demos_catalog_is_one() -> None:
    path = Path(__file__).parents[3] / "demo" / "catalog.yaml"
    catalog = parse_catalog(path.read_bytes(), path.name)
    assert [plan.name for plan in catalog.plans] == ["free", "pro", "enterprise"]
