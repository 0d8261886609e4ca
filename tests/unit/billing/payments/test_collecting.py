"""Collecting invoices through the sandbox: each card's behaviour, the books, and who may do what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.payments import ORIGIN, TIMEOUT, Till
from tollway.billing.payments.errors import LiveProviderRefused, PaymentConflict
from tollway.billing.payments.models import PaymentStatus
from tollway.billing.payments.results import PermanentFault
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.mode import Mode
from tollway.providers.payments.base import Options
from tollway.providers.payments.sandbox import Sandbox


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    till = Till(tmp_path)
    yield till
    till.close()


def test_an_invoice_is_collected_once_and_posted(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer)
    paid = till.payments.collecting.collect(invoice.id)
    assert (paid.status, paid.amount, paid.currency) == (PaymentStatus.SUCCEEDED, 4900, "USD")
    assert till.balances() == {"clearing:sandbox": 4900, "revenue:fees": -4900}
    with pytest.raises(PaymentConflict, match="is paid"):
        till.payments.collecting.collect(invoice.id)
    assert till.payments.reconcile(paid.id) == paid
    state = till.payments.of_invoices([invoice.id])[invoice.id]
    assert (state.paid, state.due, state.status, state.message) == (True, 0, PaymentStatus.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("declined", "card_declined"),
        ("no_funds", "insufficient_funds"),
        ("expired", "expired_card"),
        ("needs_action", "authentication_required"),
    ],
)
def test_a_decline_leaves_the_invoice_open_with_the_reason(till: Till, card: str, code: str) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, card)
    payment = till.payments.collecting.collect(invoice.id)
    assert payment.status is PaymentStatus.DECLINED
    assert payment.last is not None
    assert payment.last.code == code
    assert till.balances() == {"receivable": 4900, "revenue:fees": -4900}
    state = till.payments.of_invoices([invoice.id])[invoice.id]
    assert (state.paid, state.due) == (False, 4900)
    assert state.message
    till.card(subscription.customer)
    paid = till.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    assert paid.status is PaymentStatus.SUCCEEDED
    assert [attempt.key for attempt in paid.attempts] == [
        f"tollway-invoice-{invoice.id}-1",
        f"tollway-invoice-{invoice.id}-2",
    ]


@pytest.mark.parametrize(
    ("card", "first"),
    [
        ("timeout_after", PaymentStatus.UNKNOWN),
        ("timeout_before", PaymentStatus.UNKNOWN),
        ("busy", PaymentStatus.PENDING),
        ("settles_later", PaymentStatus.PROCESSING),
    ],
)
def test_what_is_undecided_is_asked_about_and_taken_once(till: Till, card: str, first: PaymentStatus) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, card)
    payment = till.payments.collecting.collect(invoice.id)
    assert payment.status is first
    # Nobody begins another attempt meanwhile.
    assert till.payments.collecting.collect(invoice.id) == payment
    with pytest.raises(PaymentConflict, match="under way"):
        till.payments.remove_method(subscription.customer, payment.attempts[0].method)
    paid = till.look(payment)
    assert paid.status is PaymentStatus.SUCCEEDED
    assert len(paid.attempts) == 1
    assert till.balances() == {"clearing:sandbox": 4900, "revenue:fees": -4900}


@pytest.mark.parametrize("approve", [True, False])
def test_a_customer_confirms_or_refuses(till: Till, approve: bool) -> None:  # noqa: FBT001
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, "needs_action")
    back = f"{ORIGIN}/invoices"
    payment = till.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=back)
    assert payment.status is PaymentStatus.REQUIRES_ACTION
    assert payment.last is not None
    assert payment.last.action_url is not None
    path, _, reference = payment.last.action_url.partition("?charge=")
    assert path == f"{ORIGIN}/pay/sandbox/action"
    with pytest.raises(NotFound):
        till.payments.sandbox_confirm(UUID(int=5), reference, approve=True)
    done = till.payments.sandbox_confirm(subscription.customer, reference, approve=approve)
    assert done.return_url == back
    assert done.payment.status is (PaymentStatus.SUCCEEDED if approve else PaymentStatus.DECLINED)
    # Said again, or otherwise, it changes nothing.
    again = till.payments.sandbox_confirm(subscription.customer, reference, approve=not approve)
    assert again.payment == done.payment


def test_a_confirmation_nobody_gives_is_given_up(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, "needs_action")
    payment = till.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    assert till.look(payment).status is PaymentStatus.REQUIRES_ACTION
    till.later(days=1)
    assert till.look(payment).status is PaymentStatus.CANCELLED


def test_paying_anew_gives_up_what_waits_for_a_confirmation(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, "needs_action")
    waiting = till.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    till.card(subscription.customer)
    paid = till.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    assert [attempt.status for attempt in paid.attempts] == ["cancelled", "succeeded"]
    assert waiting.last is not None
    assert waiting.last.reference is not None
    late = till.payments.sandbox_confirm(subscription.customer, waiting.last.reference, approve=True)
    assert late.payment == paid
    assert till.balances() == {"clearing:sandbox": 4900, "revenue:fees": -4900}


@pytest.mark.parametrize("owed", [1, 900, 4899, 4900, 6000])
def test_what_the_seller_owes_pays_first(till: Till, owed: int) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer)
    till.owe(subscription.customer, owed)
    paid = till.payments.collecting.collect(invoice.id)
    applied = min(owed, 4900)
    assert (paid.amount, paid.credit_applied) == (4900 - applied, applied)
    assert paid.status is PaymentStatus.SUCCEEDED
    assert len(paid.attempts) == (0 if owed >= 4900 else 1)
    balances = till.balances()
    assert balances.get("customer_credit", 0) == applied - owed
    assert balances.get("clearing:sandbox", 0) == 4900 - applied
    assert "receivable" not in balances
    # It was used up: nothing of it pays for another invoice.
    state = till.payments.of_invoices([invoice.id])[invoice.id]
    assert (state.paid, state.due) == (True, 0)


def test_refunds_are_partial_then_whole_and_never_more(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer)
    payment = till.payments.collecting.collect(invoice.id)
    some = till.payments.refund(payment.id, 900, "a courtesy")
    assert (some.status, some.refunded, some.refundable) == (PaymentStatus.PARTIALLY_REFUNDED, 900, 4000)
    for amount in (0, -1, 4001):
        with pytest.raises(InvalidInput, match="amount"):
            till.payments.refund(payment.id, amount)
    whole = till.payments.refund(payment.id)
    assert (whole.status, whole.refundable) == (PaymentStatus.REFUNDED, 0)
    with pytest.raises(PaymentConflict, match="given back"):
        till.payments.refund(payment.id)
    assert till.balances() == {"revenue:refunds": 4900, "revenue:fees": -4900}
    assert till.payments.of_invoices([invoice.id])[invoice.id].paid


@pytest.mark.parametrize("card", ["timeout_after", "timeout_before", "busy"])
def test_a_refund_without_an_answer_is_given_once(till: Till, card: str) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, card)
    paid = till.look(till.payments.collecting.collect(invoice.id))
    refund = UUID(int=77)
    asked = till.payments.refund(paid.id, 900, refund=refund)
    assert asked.refunded == 0
    assert asked.refundable == 4000
    done = till.look(asked)
    assert (done.refunded, done.refundable) == (900, 4000)
    assert till.payments.refund(paid.id, 900, refund=refund) == done
    assert till.balances() == {"clearing:sandbox": 4000, "revenue:refunds": 900, "revenue:fees": -4900}


def test_another_customers_things_are_not_found(till: Till) -> None:
    mine, invoice = till.subscribe()
    theirs, _ = till.subscribe()
    method = till.card(mine.customer)
    page = till.payments.begin_setup(mine.customer, ORIGIN)
    for refused in (
        lambda: till.payments.pay(theirs.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN),
        lambda: till.payments.finish_setup(theirs.customer, page.setup),
        lambda: till.payments.sandbox_choose(theirs.customer, page.setup, "succeeds"),
        lambda: till.payments.remove_method(theirs.customer, method.id),
        lambda: till.payments.make_default(theirs.customer, method.id),
        lambda: till.payments.refresh(theirs.customer, till.payments.collecting.collect(invoice.id).id),
        lambda: till.payments.pay(
            theirs.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN, method=method.id
        ),
    ):
        with pytest.raises(NotFound):
            refused()


def test_methods_are_kept_one_is_the_default(till: Till) -> None:
    subscription, _ = till.subscribe()
    customer = subscription.customer
    page = till.payments.begin_setup(customer, ORIGIN)
    assert page.redirect_url == f"{ORIGIN}/pay/sandbox?setup={page.setup}"
    assert till.payments.finish_setup(customer, page.setup) is None
    with pytest.raises(PermanentFault, match="no test card"):
        till.payments.sandbox_choose(customer, page.setup, "4242424242424242")
    first = till.payments.sandbox_choose(customer, page.setup, "succeeds")
    assert till.payments.sandbox_choose(customer, page.setup, "declined") == first
    assert till.payments.finish_setup(customer, page.setup) == first
    assert (first.label, first.default) == ("Visa ···· 4242", True)
    second = till.card(customer, "declined")
    assert [one.id for one in till.payments.methods(customer)] == [second.id, first.id]
    till.payments.make_default(customer, first.id)
    assert [one.default for one in till.payments.methods(customer)] == [True, False]
    till.payments.remove_method(customer, first.id)
    assert [(one.id, one.default) for one in till.payments.methods(customer)] == [(second.id, True)]


def test_another_amount_than_was_asked_for_pays_nothing(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer, "settles_later")
    waiting = till.payments.collecting.collect(invoice.id)
    state = till.provider.charge_state
    monkeypatch.setattr(till.provider, "charge_state", lambda ref: replace(state(ref), amount=49))
    found = till.look(waiting)
    assert found.status is PaymentStatus.PROCESSING
    assert found.last is not None
    assert found.last.message == "the provider took 49 USD (minor units) for it"
    assert till.balances() == {"receivable": 4900, "revenue:fees": -4900}
    assert len(till.payments.collecting.collect(invoice.id).attempts) == 1


def test_a_draft_is_not_collected(till: Till) -> None:
    subscription = till.world.subscribe("pro")
    till.card(subscription.customer)
    with pytest.raises(NotFound):
        till.payments.collecting.collect(UUID(int=9))
    till.world.log.now = till.world.clock.now()
    till.later(days=31)
    till.world.log.now -= timedelta(days=31)
    till.world.run()
    draft = till.world.invoices(subscription)[-1]
    with pytest.raises(PaymentConflict, match="draft"):
        till.payments.collecting.collect(draft.id)


def test_without_a_method_nothing_is_begun(till: Till) -> None:
    _, invoice = till.subscribe()
    with pytest.raises(PaymentConflict, match="no saved method"):
        till.payments.collecting.collect(invoice.id)
    assert till.payments.search() == []
    state = till.payments.of_invoices([invoice.id])[invoice.id]
    assert (state.paid, state.due, state.status) == (False, 4900, None)


def test_money_of_test_mode_is_never_collected_live(tmp_path: Path) -> None:
    class Live(Sandbox):
        @property
        def moves_real_money(self) -> bool:
            return True

    till = Till(tmp_path)
    live = Live(Options(tmp_path, till.world.clock, TIMEOUT, {}))
    subscription, invoice = till.subscribe(mode=Mode.TEST)
    till.card(subscription.customer)
    payments = type(till.payments)(till.world.main, live, till.world.clock, timeout=TIMEOUT)
    with pytest.raises(LiveProviderRefused):
        payments.collecting.collect(invoice.id)
    with pytest.raises(LiveProviderRefused):
        payments.begin_setup(subscription.customer, ORIGIN)
    # The sandbox may.
    assert till.payments.collecting.collect(invoice.id).status is PaymentStatus.SUCCEEDED
    assert till.balances(Mode.TEST)["clearing:sandbox"] == 4900
    till.close()


def test_of_many_who_collect_at_once_one_does(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.owe(subscription.customer, 900)
    till.card(subscription.customer)
    gate = threading.Barrier(6)

    def collect() -> str:
        gate.wait(30)
        try:
            return till.payments.collecting.collect(invoice.id).status.value
        except PaymentConflict:
            return "paid before"

    with ThreadPoolExecutor(6) as pool:
        came = [one.result() for one in [pool.submit(collect) for _ in range(6)]]
    assert "succeeded" in came
    assert set(came) <= {"succeeded", "pending", "paid before"}
    (payment,) = till.payments.search()
    assert (payment.amount, payment.credit_applied, len(payment.attempts)) == (4000, 900, 1)
    assert till.balances() == {"clearing:sandbox": 4000, "revenue:fees": -4000}


def test_texts_too_long_for_their_place_are_refused(till: Till) -> None:
    subscription, invoice = till.subscribe()
    till.card(subscription.customer)
    customer = subscription.customer
    with pytest.raises(InvalidInput, match="return_url"):
        till.payments.pay(customer, invoice.id, origin=ORIGIN, return_url=f"{ORIGIN}/{'x' * 2000}")
    paid = till.payments.pay(customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    with pytest.raises(InvalidInput, match="reason"):
        till.payments.refund(paid.id, 1, "x" * 501)
