"""Add-ons: in force at once, charged on the next invoice, each call and each second once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commerce import SELLER, START, World
from tollway.billing.add_ons import add_on, remove_add_on
from tollway.billing.building import next_bill
from tollway.billing.errors import CurrencyFixed, SubscriptionConflict
from tollway.billing.models import (
    Customer,
    Invoice,
    InvoiceLine,
    LineKind,
    Subscription,
    SubscriptionItem,
)
from tollway.billing.subscriptions import Timing, cancel, change_plan, start
from tollway.billing.timeline import parts, with_add_ons
from tollway.billing.usage import UsageOfParts
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.currency import currency
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.metering.models import CursorVector

FIRST_END = START.replace(month=2, day=28)
SECOND_END = START.replace(month=3, day=31)
MIDDLE = START + (FIRST_END - START) / 2


def _lines(world: World, subscription: Subscription) -> list[list[tuple[str, str, int]]]:
    return [
        [(line.kind.value, line.description, line.total) for line in invoice.lines]
        for invoice in world.invoices(subscription)
    ]


def test_a_fee_is_charged_on_the_next_invoice_for_the_rest_of_the_period(world: World) -> None:
    pro = world.subscribe("pro")
    world.run()
    world.go_to(MIDDLE)
    pro = world.add_on(pro, "analytics")
    world.run()
    world.go_to(FIRST_END)
    world.run()
    assert _lines(world, pro) == [
        [("fee", "Plan pro", 4900)],
        [
            ("fee", "Plan pro", 4900),
            ("fee", "Add-on analytics", 950),
            ("fee", "Add-on analytics", 1900),
            ("usage", "Usage of api_calls", 0),
        ],
    ]
    first, second = world.invoices(pro)[1].lines[1:3]
    assert (first.service_start, first.service_end) == (MIDDLE, FIRST_END)
    assert (second.service_start, second.service_end) == (FIRST_END, SECOND_END)
    assert first.item == second.item == pro.items[0].id
    assert sum(Fraction(step.amount) for step in first.explanation) == Fraction(first.amount)
    assert world.run() == []


def test_one_taken_on_with_the_plan_is_on_its_first_invoice(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    world.run()
    assert world.totals(pro) == [[("fee", 4900), ("fee", 1900)]]


def test_removed_it_ends_with_the_period_and_is_not_given_back(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    world.run()
    world.go_to(MIDDLE)
    removed = remove_add_on(pro, "analytics", Timing.PERIOD_END, world.clock.now())
    assert (removed.timing, removed.effective_at) == (Timing.PERIOD_END, FIRST_END)
    with pytest.raises(SubscriptionConflict, match="removed already and ends at 2026-02-28"):
        remove_add_on(removed.subscription, "analytics", Timing.PERIOD_END, world.clock.now())
    world.save(removed.subscription)
    world.go_to(SECOND_END)
    world.run()
    assert world.totals(pro)[1:] == [[("fee", 4900), ("usage", 0)]] * 2


def test_removed_at_once_the_rest_is_given_back_once(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    world.run()
    world.go_to(MIDDLE)
    pro = remove_add_on(pro, "analytics", Timing.NOW, world.clock.now()).subscription
    world.save(pro)
    world.go_to(SECOND_END)
    world.run()
    assert world.totals(pro)[1:] == [
        [("fee", 4900), ("credit", -950), ("usage", 0)],
        [("fee", 4900), ("usage", 0)],
    ]
    credit = world.invoices(pro)[1].lines[1]
    assert (credit.description, credit.service_start, credit.service_end) == (
        "Unused: Add-on analytics",
        MIDDLE,
        FIRST_END,
    )


def test_one_that_came_and_went_within_a_period_costs_that_time(world: World) -> None:
    pro = world.subscribe("pro")
    world.run()
    world.go_to(MIDDLE)
    pro = world.add_on(pro, "analytics")
    world.go_to(MIDDLE + (FIRST_END - START) / 4)
    pro = remove_add_on(pro, "analytics", Timing.NOW, world.clock.now()).subscription
    world.save(pro)
    world.go_to(FIRST_END)
    world.run()
    assert world.totals(pro)[1] == [("fee", 4900), ("fee", 475), ("usage", 0)]


def test_taking_it_on_again_before_it_ends_keeps_it(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    leaving = remove_add_on(pro, "analytics", Timing.PERIOD_END, MIDDLE).subscription
    back = add_on(leaving, pro.items[0].addon, MIDDLE)
    assert back.subscription == pro
    with pytest.raises(SubscriptionConflict, match="has add-on analytics already"):
        add_on(pro, pro.items[0].addon, MIDDLE)
    with pytest.raises(SubscriptionConflict, match="has no add-on 'bulk'"):
        remove_add_on(pro, "bulk", Timing.NOW, MIDDLE)


def test_who_leaves_or_pays_in_another_currency_takes_none_on(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    version = pro.items[0].addon
    other = AddOnVersion(id=new_id(), version=1, addon=version.addon, currency=currency("EUR"))
    with pytest.raises(CurrencyFixed, match="is in USD, add-on analytics/1 in EUR"):
        add_on(pro, other, MIDDLE)
    leaving = cancel(pro, Timing.PERIOD_END, MIDDLE)
    with pytest.raises(SubscriptionConflict, match="was cancelled"):
        add_on(leaving, version, MIDDLE)
    with pytest.raises(SubscriptionConflict, match="ended at"):
        add_on(leaving, version, FIRST_END)


def test_an_upgrade_leaves_the_add_on_as_it_is(world: World) -> None:
    pro = world.add_on(world.subscribe("pro"), "analytics")
    world.run()
    world.go_to(MIDDLE)
    with world.main.read() as connection:
        enterprise = world.commerce(connection).catalog.plan("enterprise")
    assert enterprise is not None
    pro = change_plan(pro, enterprise, world.clock.now()).subscription
    world.save(pro)
    world.go_to(FIRST_END)
    world.run()
    lines = [line for invoice in world.invoices(pro) for line in invoice.lines]
    bought = [(line.kind.value, line.total) for line in lines if line.item is not None]
    assert bought == [("fee", 1900), ("fee", 1900)]


def test_a_cancelled_subscription_pays_the_add_on_as_the_plan(world: World) -> None:
    pro = world.subscribe("pro")
    world.run()
    world.go_to(MIDDLE)
    pro = cancel(world.add_on(pro, "analytics"), Timing.NOW, MIDDLE + timedelta(days=1))
    world.save(pro)
    world.go_to(SECOND_END)
    world.run()
    # What would have been paid in advance is not given back, whether a run came in between or not.
    assert world.totals(pro)[1:] == [[("fee", 950), ("usage", 0)]]


def test_a_metered_price_takes_the_usage_since_the_add_on_is_in_force(world: World) -> None:
    pro = world.subscribe("pro")
    world.use(pro, 40, START + timedelta(days=1))
    world.go_to(MIDDLE)
    pro = world.add_on(pro, "bulk")
    calls = world.use(pro, 13, MIDDLE + timedelta(days=1))
    world.go_to(FIRST_END)
    world.run()
    plan, add_on_line = (line for line in world.invoices(pro)[1].lines if line.usage is not None)
    assert plan.quantity == 53
    assert plan.item is None
    assert add_on_line.description == "Usage of api_calls (Add-on bulk)"
    # Half of the tier of 5 lies in half of the period: 13 − 2.5 = 10.5 at 0.011.
    assert (str(add_on_line.quantity), str(add_on_line.amount), add_on_line.total) == ("13", "0.1155", 12)
    assert sorted(world.behind(world.invoices(pro)[1], add_on_line)) == sorted(calls)
    late = world.use(pro, 2, MIDDLE + timedelta(days=2))
    early = world.use(pro, 1, START + timedelta(days=2))
    world.go_to(SECOND_END)
    world.run()
    third = world.invoices(pro)[2]
    by_item = {line.item: line for line in third.lines if line.kind is LineKind.LATE_USAGE}
    assert sorted(world.behind(third, by_item[pro.items[0].id])) == sorted(late)
    assert sorted(world.behind(third, by_item[None])) == sorted(late + early)
    assert by_item[pro.items[0].id].description.startswith("Late usage of api_calls (Add-on bulk), 14 Feb")
    assert world.run() == []


class Sold(NamedTuple):
    plans: dict[str, PlanVersion]
    addons: dict[str, AddOnVersion]
    subscription: Subscription

    def __repr__(self) -> str:
        return "what is sold"


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sold]:
    world = World(tmp_path_factory.mktemp("sold"))
    subscription = world.subscribe("pro")
    with world.main.read() as connection:
        catalog = world.commerce(connection).catalog
        yield Sold(
            {version.plan.name: version for version in catalog.plans()},
            {version.addon.name: version for version in catalog.addons()},
            subscription,
        )
    world.close()


def _subscription(sold: Sold, plan: str, now: datetime) -> Subscription:
    one = sold.subscription
    customer = Customer(
        id=one.customer,
        mode=Mode.LIVE,
        name="acme",
        details=None,  # type: ignore[arg-type]  # nobody looks at it
        billing_currency=None,
        created_at=now,
    )
    seller = type("Seller", (), {"id": SELLER})()
    return start(
        seller=seller, customer=customer, consumer=(new_id(), "acme"), plan=sold.plans[plan], now=now
    )


ACTS = st.lists(
    st.tuples(
        st.integers(1, 40 * 86_400_000_000),
        st.sampled_from(["add", "leave", "drop", "pro", "enterprise", "free", "calendar", "bill"]),
        st.sampled_from(["analytics", "bulk"]),
    ),
    max_size=12,
)


class Life:
    """A subscription with what was done to it, and its invoices so far."""

    def __init__(self, sold: Sold, plan: str) -> None:
        self.now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        self.sold = sold
        self.subscription = _subscription(sold, plan, self.now)
        self.billed: list[Invoice] = []

    def act(self, micros: int, what: str, name: str) -> None:
        self.now += timedelta(microseconds=micros)
        # As `present_of`: a change is after all that was billed, and after the phase in force began.
        present = self.now
        try:
            match what:
                case "add":
                    changed = add_on(self.subscription, self.sold.addons[name], present).subscription
                case "leave":
                    changed = remove_add_on(self.subscription, name, Timing.PERIOD_END, present).subscription
                case "drop":
                    changed = remove_add_on(self.subscription, name, Timing.NOW, present).subscription
                case "bill":
                    self.bill()
                    return
                case "wait":
                    return
                case _:
                    changed = change_plan(self.subscription, self.sold.plans[what], present).subscription
        except SubscriptionConflict:
            return
        self.subscription = changed

    def bill(self) -> None:
        until, after = self.now - timedelta(microseconds=1), -1
        while (bill := next_bill(self.subscription, self.billed, until, after=after)) is not None:
            parts_seen = [*bill.closes, *bill.closed]
            usage = UsageOfParts(
                quantities={p.key: {"api_calls": self._used(p.start, p.end)} for p in parts_seen},
                cursors=CursorVector(),
                nodes=(),
            )
            invoice = bill.build(usage, self.now)
            after = bill.sequence
            if invoice is not None:
                self.billed.append(invoice)

    @staticmethod
    def _used(begin: datetime, end: datetime) -> Decimal:
        """One call an hour, at its full hour."""
        hour, epoch = timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC)
        return Decimal(-((epoch - end) // hour) - -((epoch - begin) // hour))

    @property
    def lines(self) -> list[InvoiceLine]:
        return [line for invoice in self.billed for line in invoice.lines]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=st.sampled_from(["free", "pro", "calendar", "nothing"]), acts=ACTS)
def test_each_second_of_an_add_on_is_paid_once_and_each_call_counted_once(
    sold: Sold, plan: str, acts: list[tuple[int, str, str]]
) -> None:
    life = Life(sold, plan)
    for act in acts:
        life.act(*act)
    life.now += timedelta(days=70)
    life.bill()
    for item in life.subscription.items:
        _check_item(life, item)
    for invoice in life.billed:
        assert invoice.total == sum(line.total for line in invoice.lines)
        for line in invoice.lines:
            assert sum(Fraction(step.amount) for step in line.explanation) == Fraction(line.amount)
    for part in parts(life.subscription):
        if part.start > life.now:
            break
        for within in with_add_ons(life.subscription, part):
            assert part.start <= within.start < within.end <= part.end
            assert 0 < within.share <= 1


def _check_item(life: Life, item: SubscriptionItem) -> None:
    """Fees follow each other without a gap, less what was given back; usage is that of its time."""
    mine = [line for line in life.lines if line.item == item.id]
    fees = sorted((line for line in mine if line.kind is LineKind.FEE), key=lambda fee: fee.service_start)
    given_back = [line for line in mine if line.kind is LineKind.CREDIT]
    assert len(given_back) <= 1
    covered = item.starts_at
    for fee in fees:
        assert fee.service_start == covered
        covered = fee.service_end
    for credit in given_back:
        assert credit.service_end == covered
        covered = credit.service_start
    if item.ends_at is not None and item.ends_at > item.starts_at:
        assert covered == item.ends_at
    if item.addon.addon.name == "bulk":
        usage = [line for line in mine if line.usage is not None]
        closed_until = max((line.service_end for line in usage), default=item.starts_at)
        assert sum(line.quantity for line in usage) == Life._used(item.starts_at, closed_until)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=st.sampled_from(["free", "pro", "calendar"]), acts=ACTS)
def test_when_it_is_billed_changes_the_sum_by_no_more_than_rounding(
    sold: Sold, plan: str, acts: list[tuple[int, str, str]]
) -> None:
    """Running often, or once at the end: the exact amounts of add-ons are the same."""
    often, once = Life(sold, plan), Life(sold, plan)
    for micros, what, name in acts:
        often.act(micros, what, name)
        once.act(micros, "wait" if what == "bill" else what, name)
    for life in (often, once):
        life.now += timedelta(days=70)
        life.bill()

    def exact(life: Life) -> Fraction:
        return sum((Fraction(line.amount) for line in life.lines if line.item is not None), Fraction(0))

    def rounded(life: Life) -> int:
        return sum(line.total for line in life.lines if line.item is not None)

    assert abs(exact(often) - exact(once)) < Fraction(1, 10**9)
    several = sum(1 for life in (often, once) for line in life.lines if line.item is not None)
    assert abs(rounded(often) - rounded(once)) <= several
