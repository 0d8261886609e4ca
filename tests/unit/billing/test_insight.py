"""Recurring revenue: what a month is worth, at any instant, and how it got there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.commerce import START, World
from tollway.billing.add_ons import add_on, remove_add_on
from tollway.billing.insight import (
    FeeSpan,
    as_money,
    goal_reached,
    monthly_fee,
    movements,
    mrr,
    paying,
    per_customer,
    shares,
)
from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.billing.subscriptions import Timing, cancel, change_plan
from tollway.catalog.fields import Faults
from tollway.catalog.models import Interval
from tollway.catalog.price_fields import read_price
from tollway.kernel.currency import currency
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money

USD, EUR, JPY = currency("USD"), currency("EUR"), currency("JPY")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def usd(text: str) -> Money:
    return Money.rounded(Fraction(text), USD)


@pytest.mark.parametrize(
    ("interval", "fee"),
    [
        (Interval.MONTH, Fraction(12)),
        (Interval.QUARTER, Fraction(4)),
        (Interval.YEAR, Fraction(1)),
        (Interval.WEEK, Fraction(52)),
        (Interval.DAY, Fraction(365)),
    ],
)
def test_a_fee_counts_by_its_share_of_a_month_and_usage_never(interval: Interval, fee: Fraction) -> None:
    faults = Faults()
    prices = [
        read_price(content, (), faults, with_meter=True)
        for content in (
            {"model": "flat", "amount": "10.00"},
            {"model": "flat", "amount": "4.00", "percent_discount": "50"},
            {"model": "per_unit", "unit_amount": "5", "minimum": "100", "meter": "calls"},
        )
    ]
    faults.raise_any()
    assert monthly_fee(prices, interval, USD) == fee


def test_mrr_is_known_for_any_instant_and_test_mode_is_never_in_it(world: World) -> None:
    pro = world.subscribe("pro", "a")
    world.subscribe("yearly", "b")
    world.subscribe("enterprise", "c", Mode.TEST)
    world.subscribe("free", "d")
    world.go_to(START + 10 * DAY)
    with world.main.read() as connection:
        enterprise = world.commerce(connection).catalog.plan("enterprise")
        free = world.commerce(connection).catalog.plan("free")
    assert enterprise is not None
    assert free is not None
    upgraded = change_plan(pro, enterprise, world.clock.now()).subscription
    world.save(upgraded)
    world.go_to(START + 20 * DAY)
    downgrade = change_plan(upgraded, free, world.clock.now())
    world.save(downgrade.subscription)
    with world.main.read() as connection:
        spans = world.commerce(connection).revenue.fee_spans()

    def at(instant: datetime) -> Money | None:
        return mrr(spans, instant).get(USD)

    # 400 a year is 33.33… a month; it is rounded with the rest of the figure, once.
    assert at(START - DAY) is None
    assert at(START) == usd("82.33")
    assert at(START + 10 * DAY) == usd("532.33")
    assert at(downgrade.effective_at - timedelta(microseconds=1)) == usd("532.33")
    assert at(downgrade.effective_at) == usd("33.33")
    by_customer = per_customer(spans, START, USD)
    assert len(by_customer) == 3
    assert paying(by_customer) == 2
    moved, customers = movements(spans, START + DAY, START + 365 * DAY, USD)
    assert (moved.before, moved.churn, moved.after) == (usd("82.33"), usd("-49.00"), usd("33.33"))
    assert [one.customer for one in customers] == [pro.customer]


def test_an_add_on_counts_while_it_is_in_force_by_the_plan_it_is_with(world: World) -> None:
    yearly = world.add_on(world.subscribe("yearly"), "analytics")
    pro = world.subscribe("pro")
    world.go_to(START + 5 * DAY)
    pro = world.add_on(pro, "analytics")
    world.go_to(START + 9 * DAY)
    world.save(remove_add_on(pro, "analytics", Timing.NOW, world.clock.now()).subscription)
    with world.main.read() as connection:
        spans = world.commerce(connection).revenue.fee_spans()
    whole_year = Fraction(400 + 19, 12)
    assert mrr(spans, START) == {USD: usd("83.92")}
    assert per_customer(spans, START, USD) == {yearly.customer: whole_year, pro.customer: 49}
    assert mrr(spans, START + 5 * DAY) == {USD: usd("102.92")}
    assert mrr(spans, START + 9 * DAY) == {USD: usd("83.92")}


def test_a_cancelled_subscription_counts_until_it_ends(world: World) -> None:
    pro = world.subscribe("pro")
    cancelled = cancel(pro, Timing.PERIOD_END, START + DAY)
    world.save(cancelled)
    assert cancelled.ends_at is not None
    with world.main.read() as connection:
        spans = world.commerce(connection).revenue.fee_spans()
    assert mrr(spans, START + DAY) == {USD: usd("49")}
    assert mrr(spans, cancelled.ends_at) == {}


def test_an_add_on_counts_in_the_rhythm_of_its_plan_and_while_it_is_there(world: World) -> None:
    with world.main.read() as connection:
        catalog = world.commerce(connection).catalog
        analytics, yearly = catalog.addon("analytics"), catalog.plan("yearly")
    assert analytics is not None
    assert yearly is not None
    pro = world.subscribe("pro")
    with_it = add_on(pro, analytics, START + 5 * DAY).subscription
    changed = change_plan(with_it, yearly, START + 6 * DAY)
    until = changed.effective_at + 10 * DAY
    removed = remove_add_on(changed.subscription, "analytics", Timing.NOW, until).subscription
    world.save(removed)
    with world.main.read() as connection:
        spans = world.commerce(connection).revenue.fee_spans()
    microsecond = timedelta(microseconds=1)
    at = {
        name: mrr(spans, instant)[USD]
        for name, instant in (
            ("before", START + 5 * DAY - microsecond),
            ("added", START + 5 * DAY),
            ("yearly", changed.effective_at),
            ("removed", until),
        )
    }
    fee = sum(
        (rate(price, Facts(), USD).amount for price in analytics.addon.prices if price.meter is None),
        Fraction(0),
    )
    assert fee > 0
    assert at == {
        "before": usd("49"),
        "added": as_money(49 + fee, USD),
        "yearly": as_money((400 + fee) / 12, USD),
        "removed": as_money(Fraction(400, 12), USD),
    }


def test_usage_on_final_live_invoices_is_told_apart_by_when_its_period_ended(world: World) -> None:
    live, test = world.subscribe("pro"), world.subscribe("pro", mode=Mode.TEST)
    world.go_to(START + 5 * DAY)
    world.use(live, 110, START + DAY)
    world.use(test, 1_000, START + DAY)
    world.go_to(START + 40 * DAY)
    world.run()
    with world.main.read() as connection:
        commerce = world.commerce(connection)
        closed = commerce.invoices.of_subscription(live.id)[1].period_end
        edges = [START, closed - DAY, closed, closed + DAY]
        (found,) = commerce.revenue.invoiced_usage(edges)
        assert commerce.revenue.invoiced_usage([closed, closed + DAY]) == []
    assert (found.start, found.end, found.total) == (closed - DAY, closed, usd("1.30"))


def test_the_pace_is_a_straight_line_to_the_goal() -> None:
    def reached(before: str, after: str, goal: str = "10000") -> datetime | None:
        return goal_reached(usd(before), usd(after), 30 * DAY, usd(goal), NOW)

    assert reached("7000", "7500") == NOW + 150 * DAY
    assert reached("0", "10000") is None  # it is reached
    assert reached("7500", "7500") is None
    assert reached("7500", "7000") is None
    assert reached("0", "0.01") is None  # in eighty thousand years


CUSTOMERS = [UUID(int=n) for n in range(6)]
HOURS = st.integers(0, 1_000).map(lambda hours: NOW + timedelta(hours=hours))
FEES = st.fractions(0, 500, max_denominator=400)


@st.composite
def fee_spans(draw: st.DrawFn) -> list[FeeSpan]:
    spans = []
    for _ in range(draw(st.integers(0, 12))):
        starts, length = draw(HOURS), draw(st.none() | st.integers(0, 700))
        spans.append(
            FeeSpan(
                customer=draw(st.sampled_from(CUSTOMERS)),
                item=draw(st.sampled_from(("free", "pro", "extra"))),
                currency=draw(st.sampled_from((USD, EUR, JPY))),
                monthly=draw(st.just(Fraction(0)) | FEES),
                starts_at=starts,
                ends_at=None if length is None else starts + timedelta(hours=length),
            )
        )
    return spans


@settings(deadline=None)
@given(spans=fee_spans(), instants=st.tuples(HOURS, HOURS))
def test_movements_sum_exactly_to_the_difference_and_shares_to_the_whole(
    spans: list[FeeSpan], instants: tuple[datetime, datetime]
) -> None:
    start, end = instants
    for money in (USD, EUR, JPY):
        moved, customers = movements(spans, start, end, money)
        zero = Money.zero(money)
        assert moved.before == mrr(spans, start).get(money, zero)
        assert moved.after == mrr(spans, end).get(money, zero)
        assert moved.new + moved.expansion + moved.contraction + moved.churn == moved.net
        exact = sum((one.after - one.before for one in customers), Fraction(0))
        difference = sum(per_customer(spans, end, money).values(), Fraction(0)) - sum(
            per_customer(spans, start, money).values(), Fraction(0)
        )
        assert exact == difference
        kinds = {
            "new": [one for one in customers if not one.before],
            "expansion": [one for one in customers if 0 < one.before < one.after],
            "contraction": [one for one in customers if 0 < one.after < one.before],
            "churn": [one for one in customers if not one.after],
        }
        for kind, ones in kinds.items():
            figure = getattr(moved, kind)
            alone = as_money(sum((one.after - one.before for one in ones), Fraction(0)), money)
            assert abs((figure - alone).minor) <= (2 if ones else 0)
        parts = shares(spans, end, money)
        assert sum(part.monthly.minor for part in parts) == moved.after.minor


@settings(deadline=None)
@given(spans=fee_spans(), instants=st.lists(HOURS, min_size=3, max_size=3))
def test_movements_over_two_stretches_lead_where_one_leads(
    spans: list[FeeSpan], instants: list[datetime]
) -> None:
    first, second, third = sorted(instants)
    one, _ = movements(spans, first, second, USD)
    other, _ = movements(spans, second, third, USD)
    whole, _ = movements(spans, first, third, USD)
    assert one.after == other.before
    assert one.net + other.net == whole.net
