"""What a run bills: fees in advance, usage in arrears, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.commerce import NODE, START, World
from tollway.billing.building import metered_prices
from tollway.billing.lines import late_line, usage_line
from tollway.billing.models import InvoiceStatus
from tollway.billing.subscriptions import Timing, cancel, change_plan
from tollway.billing.timeline import parts
from tollway.kernel.mode import Mode
from tollway.metering.models import CursorVector

FIRST_END = START.replace(month=2, day=28)
SECOND_END = START.replace(month=3, day=31)


def test_fees_come_in_advance_and_usage_in_arrears(world: World) -> None:
    pro = world.subscribe("pro")
    assert [billed.invoice.status for billed in world.run()] == ["finalised"]
    world.use(pro, 25, START + timedelta(days=3))
    world.use(pro, 4, START + timedelta(days=3), status=429)
    world.go_to(FIRST_END)
    world.run()
    assert world.totals(pro) == [[("fee", 4900)], [("fee", 4900), ("usage", 20)]]  # 15 × 0.013 = 0.195
    first, second = world.invoices(pro)
    assert (first.number, second.number) == ("INV-000001", "INV-000002")
    assert (first.period_start, first.period_end) == (START, START)
    assert (second.period_start, second.period_end) == (START, FIRST_END)
    fee, usage = second.lines
    assert (fee.service_start, fee.service_end) == (FIRST_END, SECOND_END)
    assert (usage.service_start, usage.service_end, usage.quantity) == (START, FIRST_END, 25)
    assert [str(step.description) for step in usage.explanation] == [
        "First 10 api calls: 10 free",
        "Api calls over 10: 15 at 0.013 USD",
    ]
    assert str(usage.amount) == "0.195"


def test_a_period_without_usage_still_has_its_fee_and_says_so(world: World) -> None:
    pro, free = world.subscribe("pro"), world.subscribe("free")
    world.go_to(FIRST_END)
    world.run()
    assert world.totals(pro) == [[("fee", 4900)], [("fee", 4900), ("usage", 0)]]
    assert world.totals(free) == [[("usage", 0)]]
    assert [invoice.total for invoice in world.invoices(free)] == [0]


def test_running_twice_bills_nothing_twice(world: World) -> None:
    pro = world.subscribe("pro")
    world.use(pro, 25, START + timedelta(days=3))
    world.go_to(SECOND_END)
    assert [billed.invoice.sequence for billed in world.run()] == [0, 1, 2]
    before = world.invoices(pro)
    assert world.run() == []
    assert world.invoices(pro) == before


def test_only_what_ended_by_then_is_billed(world: World) -> None:
    pro = world.subscribe("pro")
    world.go_to(SECOND_END)
    world.run(FIRST_END - timedelta(microseconds=1))
    assert [invoice.sequence for invoice in world.invoices(pro)] == [0]
    world.run(FIRST_END)
    assert [invoice.sequence for invoice in world.invoices(pro)] == [0, 1]


def test_an_event_belongs_to_the_period_that_its_time_lies_in(world: World) -> None:
    free = world.subscribe("free")
    world.use(free, 3, FIRST_END - timedelta(microseconds=1))
    world.use(free, 5, FIRST_END)
    world.go_to(SECOND_END)
    world.run()
    assert [invoice.lines[0].quantity for invoice in world.invoices(free)] == [3, 5]


def test_a_draft_waits_for_a_node_that_is_behind(world: World) -> None:
    pro = world.subscribe("pro")
    world.go_to(FIRST_END)
    world.log.now = FIRST_END - timedelta(seconds=1)
    done = world.run()
    assert [billed.invoice.status for billed in done] == ["finalised", "draft"]
    assert done[1].reason is not None
    assert NODE in done[1].reason
    draft = world.invoices(pro)[1]
    assert (draft.status, draft.number) == (InvoiceStatus.DRAFT, None)
    world.use(pro, 11, FIRST_END - timedelta(milliseconds=1))
    world.log.now = FIRST_END
    assert [billed.invoice.status for billed in world.run()] == ["finalised"]
    final = world.invoices(pro)[1]
    assert (final.id, final.number, final.lines[1].quantity) == (draft.id, "INV-000002", 11)


def test_late_usage_becomes_a_line_that_names_its_period(world: World) -> None:
    pro = world.subscribe("pro")
    world.use(pro, 12, START + timedelta(days=1))
    world.go_to(FIRST_END)
    world.run()
    late = world.use(pro, 3, START + timedelta(days=2))
    world.use(pro, 1, FIRST_END + timedelta(days=1))
    world.go_to(SECOND_END)
    world.run()
    # 2 × 0.013 = 0.026 was charged as 3 cents; all 5 come to 0.065, 7 cents: 4 more, not 3.9 rounded.
    assert world.totals(pro)[1:] == [
        [("fee", 4900), ("usage", 3)],
        [("fee", 4900), ("usage", 0), ("late_usage", 4)],
    ]
    line = world.invoices(pro)[2].lines[2]
    assert line.quantity == len(late)
    assert line.description == "Late usage of api_calls, 31 Jan 2026, 10:20 to 28 Feb 2026, 10:20 (UTC)"
    assert (line.service_start, line.service_end) == (START, FIRST_END)
    assert sum(step.amount for step in line.explanation) == line.amount
    assert world.run() == []


def test_usage_found_after_the_end_has_an_invoice_of_its_own(world: World) -> None:
    free = world.subscribe("enterprise")
    world.save(cancel(free, Timing.PERIOD_END, START))
    world.use(free, 4, START + timedelta(days=1))
    world.go_to(FIRST_END)
    world.run()
    assert world.totals(free) == [[("fee", 49900)], [("usage", 200)]]
    world.use(
        free, 20, FIRST_END + timedelta(seconds=1)
    )  # judged by the phase before its end reached the gateway
    world.go_to(FIRST_END + timedelta(days=1))
    world.run()
    # 24 × 0.105 = 2.52
    assert world.totals(free)[2:] == [[("late_usage", 52)]]
    assert world.run() == []
    world.use(free, 1, START)
    world.run()
    assert world.totals(free)[3:] == [[("late_usage", 11)]]  # 25 × 0.105 = 2.625


def test_an_upgrade_splits_the_period_at_once(world: World) -> None:
    pro = world.subscribe("pro")
    world.run()
    middle = START + (FIRST_END - START) / 2
    world.use(pro, 8, START + timedelta(days=1))
    world.go_to(middle)
    with world.main.read() as connection:
        enterprise = world.commerce(connection).catalog.plan("enterprise")
    assert enterprise is not None
    change = change_plan(pro, enterprise, middle)
    assert (change.timing, change.effective_at) == (Timing.NOW, middle)
    world.save(change.subscription)
    world.use(change.subscription, 12, middle + timedelta(days=1), phase=1)
    world.run()
    # Half the period: 5 calls are free, 3 cost 0.013; half of the old fee comes back, half of the new is due.
    assert world.totals(pro)[1:] == [[("fee", 24950), ("credit", -2450), ("usage", 4)]]
    world.go_to(FIRST_END)
    world.run()
    # Half of the tier: up to 10 at 0.5, beyond that everything at 0.105.
    assert world.totals(pro)[2:] == [[("fee", 49900), ("usage", 126)]]
    periods = [(invoice.period_start, invoice.period_end) for invoice in world.invoices(pro)]
    assert periods == [(START, START), (START, middle), (middle, FIRST_END)]


def test_other_changes_wait_for_the_period_to_end(world: World) -> None:
    pro = world.subscribe("pro")
    with world.main.read() as connection:
        yearly, free = (world.commerce(connection).catalog.plan(name) for name in ("yearly", "free"))
    assert yearly is not None
    assert free is not None
    change = change_plan(pro, yearly, START + timedelta(days=1))
    assert (change.timing, change.effective_at) == (Timing.PERIOD_END, FIRST_END)
    assert change.subscription.phases[1].anchor == FIRST_END  # another interval counts from its own start
    change = change_plan(change.subscription, free, START + timedelta(days=2))
    assert [phase.plan.plan.name for phase in change.subscription.phases] == ["pro", "free"]
    assert change.subscription.phases[1].anchor == START
    world.save(change.subscription)
    world.use(change.subscription, 2, FIRST_END + timedelta(days=1), phase=1)
    world.go_to(SECOND_END)
    world.run()
    assert world.totals(pro) == [[("fee", 4900)], [("usage", 0)], [("usage", 0)]]
    assert world.invoices(pro)[2].lines[0].quantity == 2
    assert world.invoices(pro)[2].period_end == SECOND_END


def test_cancelling_now_bills_usage_with_whole_allowances_and_keeps_the_fee(world: World) -> None:
    pro = world.subscribe("pro")
    world.run()
    world.use(pro, 12, START + timedelta(days=1))
    world.go_to(START + timedelta(days=2))
    world.save(cancel(pro, Timing.NOW, world.clock.now()))
    world.run()
    assert world.totals(pro) == [[("fee", 4900)], [("usage", 3)]]
    assert world.invoices(pro)[1].period_end == START + timedelta(days=2)
    world.go_to(SECOND_END)
    assert world.run() == []


def test_a_calendar_plan_begins_with_a_part_of_a_month(world: World) -> None:
    world.go_to(datetime(2026, 3, 20, tzinfo=UTC))
    berlin = world.subscribe("calendar")
    world.use(berlin, 3, world.clock.now())
    world.go_to(datetime(2026, 5, 1, tzinfo=UTC))
    world.run()
    march, april, may = world.invoices(berlin)
    assert [invoice.period_end for invoice in (march, april, may)] == [
        datetime(2026, 3, 20, tzinfo=UTC),
        datetime(2026, 3, 31, 22, tzinfo=UTC),  # Berlin changed its clocks on the 29th
        datetime(2026, 4, 30, 22, tzinfo=UTC),
    ]
    share = (march.lines[0].service_end - march.lines[0].service_start) / timedelta(hours=31 * 24 - 1)
    assert march.total == round(3100 * share)
    assert april.lines[1].total == round(500 * share)  # the minimum's share, above 3 × 0.01


def test_under_a_test_clock_what_was_logged_before_the_run_is_complete(world: World) -> None:
    live, test = world.subscribe("pro"), world.subscribe("pro", mode=Mode.TEST)
    world.use(test, 25, START + timedelta(seconds=5))
    world.go_to(START + timedelta(minutes=1))
    done = world.run_as_of(FIRST_END)
    assert [(billed.invoice.status, billed.invoice.number) for billed in done] == [
        ("finalised", "TEST-INV-000001"),
        ("finalised", "TEST-INV-000002"),
    ]
    assert world.totals(test) == [[("fee", 4900)], [("fee", 4900), ("usage", 20)]]
    assert world.invoices(live) == []
    assert {invoice.finalised_at for invoice in world.invoices(test)} == {FIRST_END}
    # What is logged after the run still lies in the period that the test clock has closed.
    world.use(test, 5, START + timedelta(minutes=2))
    world.go_to(START + timedelta(minutes=3))
    world.run_as_of(SECOND_END)
    assert world.totals(test)[2] == [("fee", 4900), ("usage", 0), ("late_usage", 6)]


def test_under_a_test_clock_an_unread_log_is_waited_for(world: World) -> None:
    world.subscribe("pro", mode=Mode.TEST)
    world.go_to(START + timedelta(minutes=1))
    world.log.now = START
    done = world.run_as_of(FIRST_END)
    assert [billed.invoice.status for billed in done] == ["finalised", "draft"]


@pytest.mark.parametrize("plan", ["pro", "free", "enterprise", "calendar", "yearly", "daily", "nothing"])
def test_the_preview_is_the_invoice(world: World, plan: str) -> None:
    subscription = world.subscribe(plan)
    world.use(subscription, 23, START + timedelta(hours=1))
    for _ in range(3):
        world.worker.catch_up()
        preview = world.invoicing().forecast(subscription).first
        if preview is None:
            assert plan == "nothing"
            return
        world.go_to(max(world.clock.now(), preview.period_end))
        billed = world.run()
        same = next(b.invoice for b in billed if b.invoice.sequence == preview.sequence)
        assert (same.lines, same.total, same.period_end) == (preview.lines, preview.total, preview.period_end)


def test_what_is_read_anew_as_less_gives_nothing_back(world: World) -> None:
    subscription = world.subscribe("pro")
    part = next(parts(subscription))
    index, price, _ = next(metered_prices(part))
    billed = usage_line(part, index, price, Decimal(20))
    for held, more in ((20, None), (13, None), (21, Decimal(1))):
        late = late_line(part, index, price, Decimal(held), billed=[billed], after=CursorVector())
        assert (None if late is None else late.quantity) == more
