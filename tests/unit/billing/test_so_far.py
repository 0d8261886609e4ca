"""The present period so far is what its invoices will say; an estimate is what rating says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.support.commerce import CATALOG, START, World
from tollway.billing.add_ons import add_on
from tollway.billing.estimate import estimate
from tollway.billing.so_far import lines_so_far, usage_so_far
from tollway.catalog.parse import parse_catalog
from tollway.kernel.currency import currency
from tollway.kernel.mode import Mode
from tollway.kernel.money import Money

DAY = timedelta(days=1)
USD = currency("USD")


def test_a_period_comes_to_its_fees_and_its_usage(world: World) -> None:
    pro = world.subscribe("pro")
    with world.main.read() as connection:
        analytics = world.commerce(connection).catalog.addon("analytics")
    assert analytics is not None
    pro = add_on(pro, analytics, START + DAY).subscription
    world.save(pro)
    world.go_to(START + 5 * DAY)
    world.use(pro, 110, START + 2 * DAY)
    world.worker.catch_up()
    lines = lines_so_far(world.query, pro, world.clock.now())
    assert usage_so_far(world.query, [pro], world.clock.now()) == {USD: Money(130, USD)}
    # The invoices of the period: the first has its fee, the one that closes it the rest.
    world.go_to(START + 40 * DAY)
    world.run()
    first, closing = world.invoices(pro)
    end = closing.period_end
    invoiced = [*first.lines, *(line for line in closing.lines if line.service_start < end)]
    assert sorted((line.description, line.total) for line in lines) == sorted(
        (line.description, line.total) for line in invoiced
    )


def test_before_and_after_a_subscription_there_is_nothing(world: World) -> None:
    pro = world.subscribe("pro", mode=Mode.LIVE)
    assert lines_so_far(world.query, pro, START - DAY) == []
    assert usage_so_far(world.query, [], START) == {}


@given(calls=st.integers(0, 10**6))
def test_an_estimate_adds_up(calls: int) -> None:
    catalog = parse_catalog(CATALOG.encode(), "catalog.yaml")
    for plan in catalog.plans:
        found = estimate(plan.prices, USD, {"api_calls": Decimal(calls)})
        assert found.total.minor == sum(one.total.minor for one in found.prices)
        for one in found.prices:
            assert sum(step.amount for step in one.steps) == one.exact
            assert one.total == Money.rounded(one.exact, USD)
