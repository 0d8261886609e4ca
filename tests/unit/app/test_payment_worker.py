"""What the worker collects by itself, and what it leaves alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from tests.support.payments import Till
from tollway.app.payment_report import PaymentDesk
from tollway.app.payment_worker import PaymentWorker
from tollway.billing.payments.errors import PaymentConflict
from tollway.billing.payments.models import PaymentStatus
from tollway.billing.payments.results import Notice, NoticeKind, TemporaryFault
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    till = Till(tmp_path)
    yield till
    till.close()


def _worker(till: Till) -> PaymentWorker:
    return PaymentWorker(till.world.main, till.payments, till.world.clock)


def test_live_final_invoices_of_customers_with_a_card_are_collected(till: Till) -> None:
    (with_card, _), (_, bare) = till.subscribe(), till.subscribe()
    (declined, _), (testing, _) = till.subscribe(), till.subscribe(mode=Mode.TEST)
    free = till.world.subscribe("free")
    for customer, card in (
        (with_card.customer, "succeeds"),
        (declined.customer, "declined"),
        (testing.customer, "succeeds"),
        (free.customer, "succeeds"),
    ):
        till.card(customer, card)
    worker = _worker(till)
    assert worker.work() == 2
    # A decline waits for its customer.
    till.later(days=3)
    assert worker.work() == 0
    assert {payment.customer: payment.status for payment in till.payments.search()} == {
        with_card.customer: PaymentStatus.SUCCEEDED,
        declined.customer: PaymentStatus.DECLINED,
    }
    assert till.payments.of_invoices([bare.id])[bare.id].status is None


def test_a_credit_balance_that_covers_an_invoice_pays_it_without_a_card(till: Till) -> None:
    (covered, invoice), (short, _), (other, _) = till.subscribe(), till.subscribe(), till.subscribe()
    till.owe(covered.customer, 4900)
    till.owe(short.customer, 4899)
    worker = _worker(till)
    assert worker.work() == 1
    assert worker.work() == 0
    state = till.payments.of_invoices([invoice.id])[invoice.id]
    assert (state.paid, state.due) == (True, 0)
    assert till.balances() == {
        "customer_credit": -4899,
        "receivable": 9800,
        "revenue:fees": -4901,
    }
    till.card(short.customer)
    assert worker.work() == 1
    assert till.balances()["clearing:sandbox"] == 1
    assert till.payments.payments_of(other.customer) == []


@pytest.mark.parametrize("card", ["timeout_after", "timeout_before", "busy", "settles_later"])
def test_what_is_open_is_looked_after(till: Till, card: str) -> None:
    subscription, _ = till.subscribe()
    till.card(subscription.customer, card)
    worker = _worker(till)
    assert worker.work() == 1
    assert worker.work() == 0
    till.later(seconds=5)
    assert worker.work() == 1
    (paid,) = till.payments.search()
    assert paid.status is PaymentStatus.SUCCEEDED
    assert worker.work() == 0
    assert till.balances()["clearing:sandbox"] == 4900


def test_one_that_fails_keeps_no_other_waiting(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, invoice), (second, _) = till.subscribe(), till.subscribe()
    for subscription in (first, second):
        till.card(subscription.customer)
    collect = till.payments.collecting.collect

    def fails(which: object) -> object:
        if which == invoice.id:
            raise TemporaryFault("away")
        return collect(which)  # type: ignore[arg-type]

    monkeypatch.setattr(till.payments.collecting, "collect", fails)
    with capture_logs() as logs:
        assert _worker(till).work() == 1
    assert [entry["error"] for entry in logs if entry["log_level"] == "error"] == ["away"]


def test_it_ends_when_asked(till: Till) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=_worker(till).collect_forever, args=(stop,))
    thread.start()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    subscription, _ = till.subscribe()
    till.card(subscription.customer)
    assert _worker(till).work(stop) == 0


def test_the_operator_collects_and_refunds_by_numbers(till: Till) -> None:
    desk = PaymentDesk(till.world.main, till.payments, till.world.clock)
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, "declined")
    assert invoice.number is not None
    (row,) = desk.collect(None)
    assert (row["invoice"], row["status"], row["reason"]) == (invoice.number, "declined", "card_declined")
    till.card(subscription.customer)
    (row,) = desk.collect(invoice.number)
    assert (row["status"], row["amount"], row["reason"]) == ("succeeded", "49.00", None)
    with pytest.raises(PaymentConflict, match="is paid"):
        desk.collect(str(invoice.id))
    for amount in ("4 9", "1.005", "NaN", "1e9999", "-1", "0", "49.01"):
        with pytest.raises(InvalidInput, match="amount"):
            desk.refund(invoice.number, amount, "")
    row = desk.refund(invoice.number, "12.50", "an outage")
    assert (row["status"], row["refunded"]) == ("partially_refunded", "12.50")
    assert row["refunds"][0]["reason"] == "an outage"
    assert desk.refund(row["id"], None, "")["status"] == "refunded"
    name = row["customer"]
    assert [one["id"] for one in desk.search(customer=name)] == [row["id"]]
    assert desk.search(status=PaymentStatus.DECLINED) == []
    for refused in (
        lambda: desk.search(customer="nobody"),
        lambda: desk.refund("INV-999999", None, ""),
        lambda: desk.collect("INV-999999"),
    ):
        with pytest.raises(NotFound):
            refused()


def test_a_webhook_that_can_t_be_followed_keeps_no_other_waiting(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = Mock(side_effect=ValueError("a slip of ours"))
    monkeypatch.setattr(till.payments.collecting, "changed", follow)
    subscription, _ = till.subscribe()
    till.card(subscription.customer)
    with till.world.main.write() as connection:
        inbox = till.world.commerce(connection).inbox
        for id_, kind in (("evt_1", NoticeKind.CHARGE), ("evt_2", NoticeKind.OTHER)):
            notice = Notice(id=id_, type="t", kind=kind, reference="pi_1")
            assert inbox.put("sandbox", notice, till.world.clock.now())
    with capture_logs() as logs:
        assert _worker(till).work() == 1
    assert [entry["notice"] for entry in logs if entry["log_level"] == "error"] == ["evt_1"]
    till.later(seconds=30)
    follow.side_effect = None
    _worker(till).work()
    assert follow.call_count == 2
