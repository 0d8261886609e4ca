"""Nothing is billed twice or left half, whoever runs it and wherever it dies; what is final stays."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from tests.support.commerce import SELLER, START, World
from tests.support.databases import ON_POSTGRESQL
from tollway.app import invoice_storing
from tollway.app.invoicing import Billed
from tollway.billing.models import Invoice, InvoiceStatus, PartyDetails
from tollway.billing.subscriptions import Timing, cancel
from tollway.kernel.mode import Mode
from tollway.ledger.models import Book

FIRST_END = START.replace(month=2, day=28)


_ANOTHER_LINE = (
    "INSERT INTO invoice_line (invoice_id, position, kind, description, quantity, unit_amount, amount, total,"
    " price_index, phase_id, item_id, meter, service_start, service_end, usage_start, usage_end,"
    " usage_after, explanation) SELECT invoice_id, 99, kind, description, quantity, unit_amount, amount, 0,"
    " price_index, phase_id, item_id, meter, service_start, service_end, usage_start, usage_end,"
    " usage_after, explanation FROM invoice_line LIMIT 1"
)


class _Dies(Exception):
    """Stands for the process dying."""


class _Killer:
    """Makes the n-th statement of a database's writers die before it is carried out."""

    def __init__(self, world: World) -> None:
        self.at: int | None = None
        self.seen = 0
        event.listen(world.main.engine, "before_cursor_execute", self._before)
        event.listen(world.main.engine, "commit", self._commit)

    def _before(self, *_: Any) -> None:
        self._count()

    def _commit(self, _: Any) -> None:
        self._count()

    def _count(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            raise _Dies


def _two_customers(world: World) -> None:
    for name in ("pro", "free"):
        world.use(world.subscribe(name, name), 25, START + timedelta(days=1))
    world.go_to(FIRST_END)


def _state(world: World) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    with world.main.read() as connection:
        commerce = world.commerce(connection)
        summaries = commerce.invoices.summaries()
        book = Book(SELLER, Mode.LIVE)
        balances: Counter[str] = Counter()
        for account, amount in commerce.journal.balances(book).items():
            balances[account.name] += amount
        rows = [(s.number, s.status.value, s.consumer, s.period_end, s.total) for s in summaries]
    return sorted(rows, key=str), dict(balances)


@pytest.mark.parametrize("together", [1, 8])
def test_a_run_that_dies_at_any_step_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(invoice_storing, "_LEAST", together)
    monkeypatch.setattr(invoice_storing, "_MOST", together)
    (tmp_path / "whole").mkdir()
    whole = World(tmp_path / "whole")
    _two_customers(whole)
    killer = _Killer(whole)
    whole.run()
    steps, expected = killer.seen, _state(whole)
    whole.close()
    assert steps > 30
    for step in range(1, steps + 1, 4):
        folder = tmp_path / str(step)
        folder.mkdir()
        world = World(folder)
        _two_customers(world)
        killer = _Killer(world)
        killer.at = step
        with pytest.raises(_Dies):
            world.run()
        rows, balances = _state(world)
        numbered = [row for row in rows if row[0] is not None]
        assert [row[1] for row in numbered] == ["finalised"] * len(numbered)
        assert balances.get("receivable", 0) == sum(row[4] for row in numbered)
        assert sorted(row[0] for row in numbered) == [f"INV-{n:06d}" for n in range(1, len(numbered) + 1)]
        killer.at = None
        world.run()
        assert _state(world) == expected
        world.close()


def test_what_changes_between_reading_and_storing_is_billed_as_it_is_then(world: World) -> None:
    moved, other = world.subscribe("pro"), world.subscribe("free")
    world.go_to(FIRST_END)
    reads = world.query.readings

    def change(spans: Any) -> Any:
        world.query.readings = reads  # type: ignore[method-assign]
        world.save(cancel(moved, Timing.NOW, START + timedelta(days=1)))
        return reads(spans)

    world.query.readings = change  # type: ignore[method-assign]
    world.run()
    assert [invoice.period_end for invoice in world.invoices(moved)] == [START, START + timedelta(days=1)]
    assert [invoice.period_end for invoice in world.invoices(other)] == [FIRST_END]


def test_a_statement_is_not_repeated_for_each_of_many(world: World) -> None:
    for number in range(2):
        world.subscribe("pro", f"first {number}")
    few = _statements(world)
    for number in range(40):
        world.subscribe("pro", f"then {number}")
    # At least 8 share each of a transaction's.
    assert _statements(world) < 40 / 8 * (few + 4)


def _statements(world: World) -> int:
    killer = _Killer(world)
    world.run()
    return killer.seen


def test_rival_runs_bill_everything_once(world: World) -> None:
    subscriptions = [world.subscribe(name) for name in ("pro", "free", "enterprise", "pro", "calendar")]
    for subscription in subscriptions:
        world.use(subscription, 12, START + timedelta(days=1))
    world.go_to(FIRST_END + timedelta(days=40))
    done: list[Billed] = []
    failures: list[BaseException] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        barrier.wait()
        try:
            done.extend(world.run())
        except BaseException as failure:  # noqa: BLE001  # told to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure
    invoices = [invoice for subscription in subscriptions for invoice in world.invoices(subscription)]
    assert sorted(str(billed.invoice.number) for billed in done) == sorted(str(i.number) for i in invoices)
    numbers = sorted(int(str(invoice.number).removeprefix("INV-")) for invoice in invoices)
    assert numbers == list(range(1, len(invoices) + 1))
    for subscription in subscriptions:
        kept = world.invoices(subscription)
        usage = sum(line.quantity for invoice in kept for line in invoice.lines if line.usage)
        assert usage == 12
        _tiles(kept)


def _tiles(invoices: list[Invoice]) -> None:
    edge = START
    for invoice in invoices:
        assert invoice.period_start == edge
        edge = invoice.period_end


_ANEW = (
    "INSERT OR REPLACE INTO invoice (id, mode, seller_entity_id, customer_id, subscription_id, sequence,"
    " status, currency, period_start, period_end, total, usage_cursor, created_at)"
    " SELECT {id}, mode, seller_entity_id, customer_id, subscription_id, sequence,"
    " 'draft', currency, period_start, period_end, 0, usage_cursor, 0 FROM invoice"
)
_ANOTHER_PLAN = (
    "INSERT OR REPLACE INTO plan_version"
    " SELECT id, plan_id, version, currency, '{}', 'x', created_at FROM plan_version"
)
_ANOTHER_POSTING = (
    "INSERT OR REPLACE INTO ledger_transaction"
    " SELECT id, seller_entity_id, mode, 'x', 'x', 0, 0 FROM ledger_transaction"
)
_ANOTHER_ACCOUNT = (
    "INSERT OR REPLACE INTO ledger_account"
    " SELECT id, seller_entity_id, mode, name, kind, 'EUR', owner_id FROM ledger_account"
)
_OUSTED = (
    "UPDATE OR REPLACE invoice SET"
    " subscription_id = (SELECT subscription_id FROM invoice WHERE id = {final}) WHERE id <> {final}"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoice SET total = total + 1",
        "UPDATE invoice SET status = 'draft'",
        "UPDATE invoice SET number = 'INV-9'",
        "DELETE FROM invoice",
        "UPDATE invoice_line SET description = 'x'",
        "DELETE FROM invoice_line",
        _ANOTHER_LINE,
        "UPDATE plan_version SET content = '{}'",
        # SQLite deletes what is in the way of these without asking a trigger of DELETE.
        _ANOTHER_PLAN,
        _ANOTHER_POSTING,
        _ANOTHER_ACCOUNT,
        _ANEW.format(id="id"),
        _ANEW.format(id="'another'"),
    ],
)
def test_raw_sql_cannot_change_what_is_final(world: World, statement: str) -> None:
    if ON_POSTGRESQL and " OR REPLACE " in statement:
        return  # which has no such statement
    world.subscribe("pro")
    world.run()
    with (
        pytest.raises(IntegrityError, match=r"never changes?|sum of its lines"),
        world.main.write() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoice_line SET invoice_id = {final}, position = 9 WHERE invoice_id <> {final}",
        _OUSTED,
    ],
)
def test_no_draft_takes_the_place_of_what_is_final(world: World, statement: str) -> None:
    if ON_POSTGRESQL and " OR REPLACE " in statement:
        return  # which has no such statement
    world.subscribe("pro")
    world.run()
    _refuse_seller(world)
    world.subscribe("pro")
    world.run()
    final = "(SELECT id FROM invoice WHERE status = 'finalised')"
    with pytest.raises(IntegrityError, match="never changes"), world.main.write() as connection:
        connection.execute(text(statement.format(final=final)))


def test_the_database_refuses_a_total_that_is_not_its_lines(world: World) -> None:
    _refuse_seller(world)
    world.subscribe("pro")
    world.run()
    with pytest.raises(IntegrityError, match="sum of its lines"), world.main.write() as connection:
        connection.execute(
            text(
                "UPDATE invoice SET status = 'finalised', total = 1, number = 'X', supplier = '{}',"
                " recipient = '{}', finalised_at = 1"
            )
        )


def _refuse_seller(world: World, **details: Any) -> None:
    with world.main.write() as connection:
        parties = world.commerce(connection).parties
        seller = parties.seller(SELLER)
        parties.save_seller(replace(seller, details=PartyDetails(**details)))


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({}, "seller.name"),
        ({"name": "Atlas"}, "seller.address"),
        ({"name": "Atlas", "address": ("1 Quay Street",)}, "seller.country"),
        ({"name": "Atlas", "address": ("1 Quay Street",), "country": "IE"}, "seller.tax_ids"),
    ],
)
def test_finalising_names_the_field_that_is_missing_and_takes_no_number(
    world: World, details: dict[str, Any], field: str
) -> None:
    _refuse_seller(world, **details)
    live, test = world.subscribe("pro"), world.subscribe("pro", mode=Mode.TEST)
    reasons = [billed.reason for billed in world.run() if billed.reason]
    assert len(reasons) == 1
    assert reasons[0].startswith(field)
    assert "tollway seller set" in reasons[0]
    assert [invoice.status for invoice in world.invoices(live)] == [InvoiceStatus.DRAFT]
    assert [invoice.number for invoice in world.invoices(test)] == ["TEST-INV-000001"]
    _refuse_seller(world, name="Atlas", address=("1 Quay Street",), country="US")
    world.run()
    final = world.invoices(live)[0]
    assert (final.number, final.supplier.name if final.supplier else None) == ("INV-000001", "Atlas")
    # Who the seller was stays in the invoice.
    _refuse_seller(world, name="Other", address=("2 Quay Street",), country="US")
    assert world.invoices(live)[0] == final


def test_what_is_finalised_is_posted(world: World) -> None:
    pro = world.subscribe("pro", "acme")
    world.use(pro, 25, START + timedelta(days=1))
    world.go_to(FIRST_END)
    world.run()
    with world.main.read() as connection:
        commerce = world.commerce(connection)
        book = Book(pro.seller_entity, Mode.LIVE)
        balances = {account.name: amount for account, amount in commerce.journal.balances(book).items()}
        assert commerce.journal.balances(Book(pro.seller_entity, Mode.TEST)) == {}
        customer = commerce.parties.customer(pro.customer)
    assert balances == {"receivable": 9820, "revenue:fees": -9800, "revenue:usage": -20}
    assert customer.billing_currency == "USD"


def test_a_boundary_beyond_the_calendar_is_no_invoice(world: World) -> None:
    pro = world.subscribe("yearly", mode=Mode.TEST)
    world.run_as_of(datetime(2030, 6, 1, tzinfo=UTC))
    assert len(world.invoices(pro)) == 5
