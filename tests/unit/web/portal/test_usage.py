"""The usage page: what it says is what will be invoiced, and it is nobody else's."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commerce import START
from tests.support.portal import Storefront
from tests.unit.metering.fakes import event
from tollway.accounts.models import SignedIn
from tollway.app.usage_pages import CustomerUsage
from tollway.web.portal.ports.usage import UsageView
from tollway.web.ui.spreadsheet import safe_cell

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: small
    rate_limit: {minute: 60}
    quota: {api_calls: 40}
    prices:
      - {model: flat, amount: "10.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "10", unit_amount: "0"}, {up_to: null, unit_amount: "0.013"}]
  - name: flat
    prices: [{model: flat, amount: "5.00"}]
  - name: medium
    quota: {api_calls: 400}
    prices:
      - {model: flat, amount: "20.00"}
      - {model: per_unit, meter: api_calls, unit_amount: "0.01"}
  - name: large
    billing: anniversary
    timezone: Asia/Kolkata
    prices:
      - {model: flat, amount: "100.00"}
      - {model: per_unit, meter: api_calls, unit_amount: "0.01"}
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Storefront]:
    front = Storefront(tmp_path, catalog=CATALOG)
    yield front
    front.close()


def _use(front: Storefront, signed: SignedIn, count: int, at: datetime, status: int = 200) -> None:
    subscription = front.subscription(signed)
    phase = next(
        p for p in subscription.phases if p.starts_at <= at and (p.ends_at is None or at < p.ends_at)
    )
    front.world.use(subscription, count, at, phase=phase.position, status=status)
    front.world.worker.catch_up()


def _view(front: Storefront, signed: SignedIn, period: int = 0) -> UsageView:
    usage = front.shop.usage
    pages = CustomerUsage(front.world.main, usage.query, usage.activity, front.world.invoicing(), front.clock)
    view = pages.view(signed.organisation, period=period)
    assert view is not None
    return view


def test_it_says_what_the_next_invoice_says(front: Storefront) -> None:
    us = front.join("Meridian Freight", "small")
    front.world.go_to(START + timedelta(days=2))
    _use(front, us, 13, START + timedelta(days=1))
    _use(front, us, 2, START + timedelta(days=1, minutes=1), status=404)
    visitor = front.visitor(us)
    page = visitor.get("/usage")
    assert re.search(r'data-cost>.*\$10<span class="cents">\.04</span>', page)
    assert "Usage $0.04" in visitor.words
    assert "27 of 40 left" in visitor.words
    assert "at most 60" in visitor.words
    assert re.search(r"404 .*2", visitor.words)
    front.world.go_to(START.replace(month=3, day=1))
    front.world.run()
    (_, closing) = front.world.invoices(front.subscription(us))
    assert closing.total == 1004
    past = visitor.get("/usage?period=1")
    assert "Invoiced on" in visitor.words
    assert '$10<span class="cents">.04</span>' in past


def test_a_call_shows_once_it_is_metered_and_nothing_is_sent_while_nothing_changes(front: Storefront) -> None:
    us = front.join("Meridian Freight", "small")
    visitor = front.visitor(us)
    page = visitor.get("/usage")
    assert "No calls yet" in visitor.words
    seen = re.search(r'hx-get="(/usage/live\?seen=[^"]+)"', page)
    assert seen
    visitor.get(seen[1])
    assert visitor.status == 204
    front.world.go_to(START + timedelta(seconds=30))
    _use(front, us, 1, START + timedelta(seconds=20))
    visitor.get(seen[1])
    assert visitor.status == 200
    assert "data-calls>1<" in visitor.text
    assert "<html" not in visitor.text
    now = re.search(r'hx-get="(/usage/live\?seen=[^"]+)"', visitor.text)
    assert now
    assert now[1] != seen[1]


def test_it_works_without_scripts_and_before_there_is_a_plan(front: Storefront) -> None:
    nobody = front.visitor(front.join("Newcomer", None))
    nobody.get("/usage")
    assert "No plan yet" in nobody.words
    nobody.get("/usage/live?seen=x")
    assert nobody.status == 204
    nobody.get("/usage.csv")
    assert nobody.text.startswith("hour_utc,")


def test_another_organisations_calls_are_nowhere(front: Storefront) -> None:
    us, them = front.join("Meridian Freight", "small"), front.join("Tidewater", "small")
    front.world.go_to(START + timedelta(days=2))
    _use(front, them, 31, START + timedelta(days=1))
    view = _view(front, us)
    assert view.calls == 0
    assert view.cost is not None
    assert view.cost.usage.minor == 0
    assert sum(slot.counted for slot in view.days) == 0
    visitor = front.visitor(us)
    visitor.get("/usage.csv")
    assert visitor.text.count("\n") == 1


def test_days_begin_in_the_plans_zone(front: Storefront) -> None:
    us = front.join("Meridian Freight", "large")
    front.world.go_to(START + timedelta(days=5))
    _use(front, us, 5, START + timedelta(days=4))
    view = _view(front, us)
    assert view.zone.key == "Asia/Kolkata"
    assert [slot.counted for slot in view.days] == [0, 0, 0, 0, 5, 0]
    assert all(slot.start.astimezone(view.zone).hour == 0 for slot in view.days)


def test_an_upgrade_within_the_period_keeps_the_days_before_it(front: Storefront) -> None:
    us = front.join("Meridian Freight", "small")
    front.world.go_to(START + timedelta(days=3))
    _use(front, us, 12, START + timedelta(days=1))
    front.subscribing.change(us.organisation.slug, "medium")
    front.world.go_to(START + timedelta(days=5))
    _use(front, us, 5, START + timedelta(days=4))
    view = _view(front, us)
    assert view.plan == "medium"
    assert [slot.counted for slot in view.days] == [0, 12, 0, 0, 5, 0]
    # Of ten free calls, the small plan's three days of 28 have one; the medium plan charges every call.
    assert [slot.charged for slot in view.days][4] == 5
    assert 10 < [slot.charged for slot in view.days][1] < 12
    assert [limit.used for limit in view.limits] == [17]


def test_a_plan_that_meters_nothing_shows_its_calls_all_the_same(front: Storefront) -> None:
    us = front.join("Meridian Freight", "flat")
    front.world.go_to(START + timedelta(days=2))
    _use(front, us, 7, START + timedelta(days=1, hours=3))
    view = _view(front, us)
    assert view.gauge is None
    assert [slot.included for slot in view.days] == [0, 7, 0]
    visitor = front.visitor(us)
    visitor.get("/usage")
    assert visitor.status == 200


@pytest.mark.parametrize("seed", [1, 2])
def test_days_add_up_to_what_is_invoiced(front: Storefront, seed: int) -> None:
    dice = random.Random(seed)
    us = front.join("Meridian Freight", "small")
    subscription = front.subscription(us)
    # Some at the very edges of the first period, which lie within a day and a quarter of an hour.
    edge = front.subscription(us).phases[0].starts_at.replace(month=2, day=28) - START
    offsets = [edge + timedelta(minutes=m) for m in (-16, -15, -1, 0, 1, 14, 15)]
    offsets += [timedelta(minutes=dice.randrange(40 * 24 * 60)) for _ in range(12)]
    calls = sorted((START + offset, dice.randint(1, 6)) for offset in offsets)
    for at, count in calls:
        front.world.use(subscription, count, at)
    front.world.go_to(START + timedelta(days=41))
    front.world.worker.catch_up()
    front.world.run()
    for period in (0, 1):
        view = _view(front, us, period)
        assert view.cost is not None
        start, stop = view.period.start, view.period.end
        expected = sum(count for at, count in calls if start <= at < stop)
        assert sum(slot.counted for slot in view.days) == expected
        assert sum(slot.charged for slot in view.days) == max(0, expected - 10)
        exact = Decimal(max(0, expected - 10)) * Decimal("1.3")
        assert view.cost.usage.minor == exact.quantize(Decimal(1), ROUND_HALF_UP)


def test_a_days_hours_add_up_to_the_day(front: Storefront) -> None:
    us = front.join("Meridian Freight", "small")
    front.world.go_to(START + timedelta(days=2))
    for minutes in (1, 70, 700, 1000):
        _use(front, us, 4, START + timedelta(minutes=minutes))
    visitor = front.visitor(us)
    for day in ("2026-01-31", "2026-02-01"):
        visitor.get(f"/usage?day={day}")
        assert "By hour" in visitor.words
    usage = front.shop.usage
    pages = CustomerUsage(front.world.main, usage.query, usage.activity, front.world.invoicing(), front.clock)
    for slot in _view(front, us).days:
        view = pages.view(us.organisation, day=slot.start.date())
        assert view is not None
        assert sum(h.included for h in view.hours) == slot.included
        assert sum(h.charged for h in view.hours) == slot.charged
    for odd in ("2025-01-01", "x", "2026-02-30"):
        visitor.get(f"/usage?day={odd}")
        assert "By hour" not in visitor.words


def test_the_table_holds_no_formula(front: Storefront) -> None:
    us = front.join("Meridian Freight", "small")
    with front.store.write() as gateway:
        service = gateway.services.create({"name": "s", "url": "http://127.0.0.1:9"})
        route = gateway.routes.create({"name": "-cmd", "paths": ["/x"], "service": {"id": str(service.id)}})
    subscription = front.subscription(us)
    call = event(
        START + timedelta(minutes=1),
        customer=subscription.customer,
        consumer=subscription.consumer,
        phase=subscription.phases[0].id,
    )
    front.world.log.append(replace(call, route=route.id))
    front.world.go_to(START + timedelta(hours=1))
    front.world.worker.catch_up()
    visitor = front.visitor(us)
    visitor.get("/usage.csv")
    rows = list(csv.reader(io.StringIO(visitor.text)))
    assert rows[0] == ["hour_utc", "endpoint", "key", "status", "calls", "units", "bytes_out"]
    assert rows[1][:2] == ["2026-01-31T10:00:00Z", "'-cmd"]
    assert rows[1][3:5] == ["200", "1"]


@given(st.text(min_size=1))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert isinstance(cell, str)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == text or cell == text


def test_odd_queries_show_the_present_period(front: Storefront) -> None:
    visitor = front.visitor(front.join("Meridian Freight", "small"))
    for query in ("period=99", "period=-1", "period=x", "period=²", "day=2026-01-31&period=7"):
        visitor.get(f"/usage?{query}")
        assert visitor.status == 200
