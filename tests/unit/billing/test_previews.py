"""A preview is the invoice that then comes, line by line; an overview adds up what a period holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commerce import START, World
from tests.support.shop import Shop
from tollway.billing.add_ons import add_on, remove_add_on
from tollway.billing.errors import SubscriptionConflict
from tollway.billing.models import Invoice, Subscription
from tollway.billing.overview import overview, period_spans
from tollway.billing.subscriptions import Timing, change_plan
from tollway.billing.timeline import period_at
from tollway.kernel.errors import NotFound
from tollway.kernel.mode import Mode

FIRST_END = START.replace(month=2, day=28)

ACTS = ["free", "pro", "enterprise", "calendar", "yearly", "+analytics", "+bulk", "-analytics", "!analytics"]


def _changed(world: World, subscription: Subscription, act: str) -> Subscription:
    """Return the subscription after a change of plan, an add-on more (+), or less, later (-) or now (!)."""
    now = world.clock.now()
    with world.main.read() as connection:
        catalog = world.commerce(connection).catalog
        plan, addon = catalog.plan(act), catalog.addon(act[1:])
    if plan is not None:
        return change_plan(subscription, plan, now).subscription
    if act[0] == "+":
        assert addon is not None
        return add_on(subscription, addon, now).subscription
    timing = Timing.NOW if act[0] == "!" else Timing.PERIOD_END
    return remove_add_on(subscription, act[1:], timing, now).subscription


def _said(invoices: Sequence[Invoice | None]) -> list[object]:
    """Return what invoices say, ids and readings of the log aside."""
    return [
        [
            (
                line.kind,
                line.description,
                line.quantity,
                line.amount,
                line.total,
                line.service_start,
                line.service_end,
                line.explanation,
            )
            for line in invoice.lines
        ]
        for invoice in invoices
        if invoice is not None
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=st.sampled_from(["free", "pro", "calendar"]),
    history=st.lists(
        st.tuples(st.integers(1, 20 * 86_400), st.sampled_from(ACTS), st.integers(0, 12), st.booleans()),
        min_size=1,
        max_size=5,
    ),
)
def test_a_preview_is_the_invoice_that_then_comes(
    tmp_path_factory: pytest.TempPathFactory,
    plan: str,
    history: list[tuple[int, str, int, bool]],
) -> None:
    """Each step: seconds after the one before, an act, calls before it, whether a run came before it."""
    world = World(tmp_path_factory.mktemp("previews"))
    try:
        subscription = world.subscribe(plan)
        for seconds, act, calls, run in history:
            world.go_to(world.clock.now() + timedelta(seconds=seconds))
            phase = subscription.phase_at(world.clock.now())
            assert phase is not None
            before = world.clock.now() - timedelta(seconds=min(seconds, 3600) / 2)
            if calls and before >= phase.starts_at:
                world.use(subscription, calls, before, phase=phase.position)
            if run:
                world.run()
                world.go_to(world.clock.now() + timedelta(microseconds=1))
            try:
                subscription = _changed(world, subscription, act)
            except SubscriptionConflict:
                continue
            subscription = _check(world, subscription)
    finally:
        world.close()


def _check(world: World, subscription: Subscription) -> Subscription:
    world.worker.catch_up()
    forecast = world.invoicing().forecast(subscription)
    world.save(subscription)
    known = {invoice.id for invoice in world.invoices(subscription)}
    world.run()
    due = [invoice for invoice in world.invoices(subscription) if invoice.id not in known]
    assert _said(forecast.due) == _said(due)
    again = world.invoicing().forecast(subscription)
    assert again.due == ()
    assert _said([forecast.upcoming]) == _said([again.upcoming])
    assert forecast.upcoming_at is not None
    world.go_to(forecast.upcoming_at)
    known |= {invoice.id for invoice in due}
    world.run()
    came = [invoice for invoice in world.invoices(subscription) if invoice.id not in known]
    assert _said([forecast.upcoming]) == _said(came)
    world.go_to(world.clock.now() + timedelta(microseconds=1))
    return subscription


def test_what_is_previewed_is_not_stored(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.consumer("acme")
    version = shop.version()
    subscription = shop.subscribing.create("acme", "pro", Mode.LIVE, dry_run=True)
    assert subscription.phases[0].plan.plan.name == "pro"
    with pytest.raises(NotFound):
        shop.subscribing.of("acme")
    shop.subscribing.create("acme", "pro", Mode.LIVE)
    version = shop.version()
    shop.subscribing.add_on("acme", "analytics", dry_run=True)
    shop.subscribing.change("acme", "enterprise", dry_run=True)
    with pytest.raises(NotFound, match="no add-on named 'gold'; there is analytics, bulk"):
        shop.subscribing.add_on("acme", "gold")
    assert shop.subscribing.of("acme").items == ()
    assert shop.version() == version
    shop.store.database.close()


def test_an_overview_says_what_is_used_and_left(world: World) -> None:
    pro = world.subscribe("pro")
    world.use(pro, 9, START + timedelta(days=1))
    world.go_to(START + timedelta(days=10))
    with world.main.read() as connection:
        enterprise = world.commerce(connection).catalog.plan("enterprise")
    assert enterprise is not None
    pro = world.add_on(change_plan(pro, enterprise, world.clock.now()).subscription, "bulk")
    world.use(pro, 4, START + timedelta(days=11), phase=1)
    world.go_to(START + timedelta(days=12))
    world.worker.catch_up()
    readings = world.query.readings(period_spans(pro, world.clock.now()))
    used = sum((found.quantity for reading in readings for found in reading.quantities), Decimal(0))
    seen = overview(pro, world.clock.now(), {"api_calls": used})
    assert seen is not None
    assert [(use.meter, use.used, use.limit, use.left) for use in seen.meters] == [
        ("api_calls", 13, None, None)
    ]
    assert (seen.features, [item.addon.label for item in seen.items]) == (["bulk"], ["bulk/1"])
    assert seen.period == period_at(pro.phases[0], START)
    assert (seen.next_phase, seen.next_invoice_at) == (None, FIRST_END)
    assert overview(pro, START - timedelta(days=1), {}) is None
