"""Properties: parts tile, every event is billed once, and lateness never changes a total."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice, pairwise
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commerce import SELLER, START, World
from tollway.billing.building import next_bill
from tollway.billing.models import Customer, Invoice, InvoiceStatus, LineKind, SellerEntity, Subscription
from tollway.billing.rating.models import Facts
from tollway.billing.rating.rate import rate
from tollway.billing.subscriptions import Timing, cancel, change_plan, start
from tollway.billing.timeline import PeriodPart, parts
from tollway.billing.usage import UsageOfParts
from tollway.catalog.versions import PlanVersion
from tollway.kernel.ids import new_id
from tollway.kernel.money import Money
from tollway.metering.models import CursorVector, ShardId

PLANS = ("free", "pro", "enterprise", "calendar", "yearly", "daily")
INSTANTS = st.integers(0, 4 * 366 * 86_400_000_000).map(
    lambda micros: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
SHARD = ShardId("a" * 32, 1, 0)


class Fixed(NamedTuple):
    seller: SellerEntity
    customer: Customer
    plans: dict[str, PlanVersion]

    def __repr__(self) -> str:
        return "the catalog"

    def subscription(self, plan: str, now: datetime) -> Subscription:
        return start(
            seller=self.seller,
            customer=self.customer,
            consumer=(new_id(), "acme"),
            plan=self.plans[plan],
            now=now,
        )


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixed]:
    world = World(tmp_path_factory.mktemp("plans"))
    subscription = world.subscribe("free")
    with world.main.read() as connection:
        commerce = world.commerce(connection)
        plans = {version.plan.name: version for version in commerce.catalog.plans()}
        yield Fixed(commerce.parties.seller(SELLER), commerce.parties.customer(subscription.customer), plans)
    world.close()


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, datetime, list[tuple[float, str]], float | None]:
    """A plan, a start, changes and perhaps an end: how many days after the one before, and what."""
    days = st.floats(0.01, 400)
    changes = draw(st.lists(st.tuples(days, st.sampled_from(PLANS)), max_size=4))
    return draw(st.sampled_from(PLANS)), draw(INSTANTS), changes, draw(st.none() | days)


def _lived(
    fixed: Fixed, history: tuple[str, datetime, list[tuple[float, str]], float | None]
) -> Subscription:
    plan, now, changes, end = history
    subscription = fixed.subscription(plan, now)
    for days, name in changes:
        now += timedelta(days=days)
        current = subscription.phase_at(now)
        assert current is not None
        if fixed.plans[name] != current.plan:
            subscription = change_plan(subscription, fixed.plans[name], now).subscription
    if end is not None:
        subscription = cancel(subscription, Timing.NOW, now + timedelta(days=end))
    return subscription


@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_parts_tile_a_subscription_and_their_windows_tile_its_events(
    fixed: Fixed, history: tuple[str, datetime, list[tuple[float, str]], float | None]
) -> None:
    subscription = _lived(fixed, history)
    found = list(islice(parts(subscription), 400))
    assert found[0].start == subscription.starts_at
    for one, following in pairwise(found):
        assert one.end == following.start
        if one.phase is following.phase:
            assert one.usage_end == following.usage_start is not None
        else:
            # Events carry their phase: its first and last part take what clocks put outside.
            assert one.usage_end is None
            assert following.usage_start is None
    for part in found:
        assert part.start < part.end
        assert part.period.start <= part.start
        assert part.end <= part.period.end
        assert 0 < part.share <= 1
    if subscription.ends_at is not None and len(found) < 400:
        assert found[-1].end == subscription.ends_at
    whole: dict[object, Fraction] = {}
    for part in found:
        whole[part.period] = whole.get(part.period, Fraction(0)) + part.share
    assert all(share <= 1 for period, share in whole.items() if subscription.ends_at is None)


def _usage(amounts: dict[datetime, int], seen: list[PeriodPart], version: int) -> UsageOfParts:
    return UsageOfParts(
        quantities={p.key: {"api_calls": Decimal(amounts[p.start])} for p in seen},
        cursors=CursorVector({SHARD: version}),
        nodes=(),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=st.sampled_from(("free", "pro", "enterprise", "calendar")),
    begins=INSTANTS,
    arrivals=st.lists(st.lists(st.integers(0, 40), min_size=5, max_size=5), min_size=5, max_size=5),
)
def test_however_late_usage_comes_a_part_is_charged_as_one_line_would_be(
    fixed: Fixed, plan: str, begins: datetime, arrivals: list[list[int]]
) -> None:
    """`arrivals[run][part]`: how much of a part's usage turns up before a run."""
    subscription = fixed.subscription(plan, begins)
    timeline = list(islice(parts(subscription), 5))
    held = {part.start: 0 for part in timeline}
    billed: list[Invoice] = []
    for run, arrived in enumerate(arrivals):
        for part, more in zip(timeline, arrived, strict=True):
            held[part.start] += more if part.start <= timeline[run].start else 0
        after = -1
        while (bill := next_bill(subscription, billed, timeline[run].end, after=after)) is not None:
            after = bill.sequence
            seen = [*bill.closed, *([bill.closing] if bill.closing else [])]
            invoice = bill.build(_usage(held, seen, run) if seen else None, bill.at)
            if invoice is None:
                continue
            assert invoice.total == sum(line.total for line in invoice.lines)
            for line in invoice.lines:
                assert sum(Fraction(step.amount) for step in line.explanation) == Fraction(line.amount)
            billed.append(invoice)
    for part in timeline:
        for index, price in enumerate(part.phase.plan.plan.prices):
            lines = [
                line
                for invoice in billed
                for line in invoice.lines
                if line.usage and (line.service_start, line.price_index) == (part.start, index)
            ]
            if price.meter is not None:
                facts = Facts(quantity=Decimal(held[part.start]), share=part.share)
                exact = rate(price, facts, part.phase.plan.currency).amount
                assert sum(line.quantity for line in lines) == held[part.start]
                assert (
                    sum(line.total for line in lines) == Money.rounded(exact, part.phase.plan.currency).minor
                )
                assert [line.kind for line in lines][:1] == [LineKind.USAGE]


@settings(max_examples=8, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.integers(-3600, 100 * 86400), st.integers(1, 3), st.integers(0, 3)), max_size=25
    )
)
def test_every_call_is_invoiced_once_and_every_line_opens_to_its_calls(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, int, int]]
) -> None:
    """Each call: seconds after the start, how many, and before which of four runs it is logged."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        _check_calls(world, calls)
    finally:
        world.close()


def _check_calls(world: World, calls: list[tuple[int, int, int]]) -> None:
    subscription = world.subscribe("pro")
    made: set[str] = set()
    for run in range(4):
        world.go_to(START + timedelta(days=35 * run))
        for seconds, count, logged in calls:
            at = START + timedelta(seconds=seconds)
            if logged == run and at <= world.clock.now():
                made.update(world.use(subscription, count, at))
        world.run()
    world.go_to(START + timedelta(days=140))
    world.save(cancel(subscription, Timing.NOW, world.clock.now()))
    world.run()
    opened: list[str] = []
    for invoice in world.invoices(subscription):
        assert invoice.status is InvoiceStatus.FINALISED
        for line in invoice.lines:
            if line.usage is not None:
                behind = world.behind(invoice, line)
                assert len(behind) == line.quantity
                opened += behind
    assert sorted(opened) == sorted(made)
