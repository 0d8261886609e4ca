"""What every payment vendor must do, whoever it is. A vendor without a bench fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID

import pytest

from tests.contract.payments.benches import BENCHES, COUNTING, ORIGIN, Bench, Card, StripeBench, saved, soon
from tests.support.localstripe import LocalStripeShim
from tollway.billing.payments.results import (
    Capability,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    CustomerRequest,
    ForgedNotice,
    NoticeKind,
    PermanentFault,
    RefundRequest,
    RefundStatus,
    SetupRequest,
    SetupStatus,
    TemporaryFault,
    UnknownOutcome,
    UsageReport,
)
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.providers.payments.base import vendors


def test_every_vendor_has_a_bench() -> None:
    assert {vendor for vendor, _ in BENCHES.values()} == set(vendors())


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    _, opened = BENCHES[request.param]
    with opened(tmp_path, request.getfixturevalue) as made:
        yield made


def _request(
    card: Card, *, amount: int = 1250, present: bool = False, key: str | None = None
) -> ChargeRequest:
    invoice = new_id()
    return ChargeRequest(
        key=key or f"tollway-invoice-{invoice}-1",
        invoice=invoice,
        invoice_number="INV-000042",
        amount=amount,
        currency="USD",
        account=card.account,
        method=card.method,
        started_at=soon(),
        present=present,
        origin=ORIGIN if present else "",
        return_url=f"{ORIGIN}/billing" if present else "",
    )


def _refund(charge: ChargeResult, amount: int) -> RefundRequest:
    refund = new_id()
    return RefundRequest(
        key=f"tollway-refund-{refund}",
        refund=refund,
        charge=charge.reference,
        amount=amount,
        currency="USD",
        started_at=soon(),
    )


def test_a_customer_is_made_once(bench: Bench) -> None:
    who = CustomerRequest(new_id(), "Acme <&> Söhne", Mode.TEST)
    assert bench.provider.create_customer(who) == bench.provider.create_customer(who)


def test_a_setup_is_open_until_the_customer_has_saved_a_card(bench: Bench) -> None:
    account = bench.provider.create_customer(CustomerRequest(new_id(), "Acme", Mode.TEST))
    setup = new_id()
    request = SetupRequest(
        setup=setup,
        account=account,
        currency="USD",
        origin=ORIGIN,
        return_url=f"{ORIGIN}/r",
        cancel_url=f"{ORIGIN}/c",
    )
    started = bench.provider.begin_setup(request)
    assert started.redirect_url.startswith("http")
    assert bench.provider.setup_result(started.reference).status is SetupStatus.OPEN
    bench.choose(started.reference, "succeeds")
    result = bench.provider.setup_result(started.reference)
    assert result.status is SetupStatus.COMPLETE
    assert result.method is not None
    assert (result.method.kind, result.method.last4) == ("card", "4242")
    assert result.method.expires_year is not None


def test_a_charge_is_made_once_for_each_key(bench: Bench) -> None:
    request = _request(saved(bench))
    assert bench.provider.find_charge(request) is None
    first = bench.provider.charge(request)
    assert (first.status, first.amount, first.currency) == (ChargeStatus.SUCCEEDED, 1250, "USD")
    assert bench.provider.charge(request) == first
    assert bench.provider.find_charge(request) == first
    assert bench.provider.charge_state(first.reference) == first
    another = bench.provider.charge(_request(Card(request.account, request.method)))
    assert another.reference != first.reference


def test_a_decline_has_a_reason_and_stays(bench: Bench) -> None:
    request = _request(saved(bench, "declined"))
    declined = bench.provider.charge(request)
    assert (declined.status, declined.code) == (ChargeStatus.DECLINED, "card_declined")
    assert declined.message
    found = bench.provider.find_charge(request)
    assert found is not None
    assert (found.status, found.reference) == (declined.status, declined.reference)


@pytest.mark.parametrize("approve", [True, False])
def test_a_charge_may_need_the_customer(bench: Bench, approve: bool) -> None:  # noqa: FBT001
    assert Capability.ACTION in bench.provider.capabilities
    card = saved(bench, "needs_action")
    absent = bench.provider.charge(_request(card))
    assert (absent.status, absent.code) == (ChargeStatus.DECLINED, "authentication_required")
    waiting = bench.provider.charge(_request(card, present=True))
    assert waiting.status is ChargeStatus.REQUIRES_ACTION
    assert waiting.action_url is not None
    assert waiting.action_url.startswith("http")
    assert bench.provider.charge_state(waiting.reference).status is ChargeStatus.REQUIRES_ACTION
    bench.confirm(waiting.reference, approve=approve)
    decided = bench.provider.charge_state(waiting.reference)
    assert decided.status is (ChargeStatus.SUCCEEDED if approve else ChargeStatus.DECLINED)
    assert decided.action_url is None


def test_what_waits_for_the_customer_can_be_given_up(bench: Bench) -> None:
    waiting = bench.provider.charge(_request(saved(bench, "needs_action"), present=True))
    assert bench.provider.cancel_charge(waiting.reference).status is ChargeStatus.CANCELLED
    assert bench.provider.cancel_charge(waiting.reference).status is ChargeStatus.CANCELLED
    assert bench.provider.charge_state(waiting.reference).status is ChargeStatus.CANCELLED


def test_what_is_paid_can_not_be_given_up(bench: Bench) -> None:
    paid = bench.provider.charge(_request(saved(bench)))
    assert bench.provider.cancel_charge(paid.reference).status is ChargeStatus.SUCCEEDED


def test_an_answer_that_is_lost_after_the_money_was_taken_is_found(bench: Bench) -> None:
    request = _request(saved(bench, "timeout_after"))
    with pytest.raises(UnknownOutcome):
        bench.provider.charge(request)
    found = bench.provider.find_charge(request)
    assert found is not None
    assert (found.status, found.amount) == (ChargeStatus.SUCCEEDED, 1250)
    # Sent again all the same, it is the same charge.
    assert bench.provider.charge(request).reference == found.reference


def test_a_request_that_never_arrived_is_not_found_and_sent_again(bench: Bench) -> None:
    request = _request(saved(bench, "timeout_before"))
    with pytest.raises(UnknownOutcome):
        bench.provider.charge(request)
    assert bench.provider.find_charge(request) is None
    assert bench.provider.charge(request).status is ChargeStatus.SUCCEEDED


def test_a_busy_vendor_has_done_nothing(bench: Bench) -> None:
    request = _request(saved(bench, "busy"))
    with pytest.raises(TemporaryFault):
        bench.provider.charge(request)
    assert bench.provider.find_charge(request) is None
    assert bench.provider.charge(request).status is ChargeStatus.SUCCEEDED


def test_what_is_settled_later_is_processing_before(bench: Bench) -> None:
    first = bench.provider.charge(_request(saved(bench, "settles_later")))
    assert first.status is ChargeStatus.PROCESSING
    decided = bench.settle(first.reference)
    assert bench.provider.charge_state(first.reference).status is decided


def test_a_card_that_was_removed_is_not_charged(bench: Bench) -> None:
    card = saved(bench)
    bench.provider.remove_method(card.method)
    bench.provider.remove_method(card.method)
    with pytest.raises(PermanentFault):
        bench.provider.charge(_request(card))


def test_nobody_elses_card_is_charged(bench: Bench) -> None:
    mine, theirs = saved(bench), saved(bench)
    with pytest.raises(PermanentFault):
        bench.provider.charge(_request(Card(mine.account, theirs.method)))


def test_a_refund_is_made_once_for_each_key(bench: Bench) -> None:
    assert Capability.PARTIAL_REFUND in bench.provider.capabilities
    paid = bench.provider.charge(_request(saved(bench)))
    request = _refund(paid, 250)
    assert bench.provider.find_refund(request) is None
    first = bench.provider.refund(request)
    assert (first.status, first.amount, first.currency) == (RefundStatus.SUCCEEDED, 250, "USD")
    assert (first.refund, first.charge) == (request.refund, paid.reference)
    assert bench.provider.refund(request) == first
    assert bench.provider.find_refund(request) == first
    assert bench.provider.refund_state(first.reference) == first
    rest = bench.provider.refund(_refund(paid, 1000))
    assert rest.reference != first.reference
    with pytest.raises(PermanentFault):
        bench.provider.refund(_refund(paid, 1))


def test_a_refund_whose_answer_is_lost_is_found(bench: Bench) -> None:
    charge = _request(saved(bench, "timeout_after"))
    with pytest.raises(UnknownOutcome):
        bench.provider.charge(charge)
    paid = bench.provider.find_charge(charge)
    assert paid is not None
    request = _refund(paid, 250)
    with pytest.raises(UnknownOutcome):
        bench.provider.refund(request)
    found = bench.provider.find_refund(request)
    assert found is not None
    assert bench.provider.refund(request).reference == found.reference


def test_a_refund_that_never_arrived_is_not_found(bench: Bench) -> None:
    charge = _request(saved(bench, "timeout_before"))
    with pytest.raises(UnknownOutcome):
        bench.provider.charge(charge)
    paid = bench.provider.charge(charge)
    request = _refund(paid, 250)
    with pytest.raises(UnknownOutcome):
        bench.provider.refund(request)
    assert bench.provider.find_refund(request) is None
    assert bench.provider.refund(request).status is RefundStatus.SUCCEEDED


def test_what_nobody_knows_is_a_permanent_fault(bench: Bench) -> None:
    with pytest.raises(PermanentFault):
        bench.provider.charge_state("pi_nobody")
    with pytest.raises(PermanentFault):
        bench.provider.refund_state("re_nobody")


def test_a_notice_nobody_signed_is_not_believed(bench: Bench) -> None:
    for headers in ({}, {"stripe-signature": "t=1,v1=00"}, {"Stripe-Signature": ""}):
        with pytest.raises(ForgedNotice):
            bench.provider.read_notice(b'{"object":"event"}', headers)


def test_no_secret_is_shown(bench: Bench) -> None:
    assert "sk_test" not in repr(bench.provider)
    assert "sk_test" not in str(vars(bench.provider).get("_options", ""))


def test_a_key_is_of_one_request(bench: Bench) -> None:
    card = saved(bench)
    request = _request(card, key=f"tollway-invoice-{UUID(int=1)}-{new_id()}")
    bench.provider.charge(request)
    other = _request(card, key=request.key, amount=1)
    # Something else is there under this key: it is to be looked at, and nothing is sent again.
    with pytest.raises(UnknownOutcome):
        bench.provider.charge(other)


def test_every_vendor_that_takes_usage_is_asked_to_count() -> None:
    taking = {name for name, vendor in vendors().items() if Capability.USAGE_EXPORT in vendor.CAPABILITIES}
    assert {BENCHES[name][0] for name in COUNTING} == taking


@pytest.mark.parametrize("bench", COUNTING, indirect=True)
def test_usage_counts_once_for_each_identifier(bench: Bench) -> None:
    report = _report(bench.provider.create_customer(CustomerRequest(new_id(), "Acme", Mode.TEST)))
    assert bench.provider.usage_total(report) == 0
    bench.provider.report_usage(report)
    bench.provider.report_usage(report)
    assert bench.provider.usage_total(report) == 120
    bench.provider.report_usage(replace(report, identifier=f"{report.identifier[:60]}-2", quantity=3))
    assert bench.provider.usage_total(report) == 123


def _report(account: str) -> UsageReport:
    start = (soon() - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    return UsageReport(
        identifier=new_id().hex * 2,
        account=account,
        meter="api_calls",
        start=start,
        end=start + timedelta(hours=1),
        quantity=120,
    )


def test_the_emulators_own_signature_is_believed(localstripe: str, tmp_path: Path) -> None:
    """Localstripe signs its webhooks as Stripe does: nobody here wrote that."""
    came: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.put((body, dict(self.headers.items())))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with LocalStripeShim(localstripe).running() as shim:
            shim.send_webhooks_to(f"http://127.0.0.1:{server.server_port}/webhooks/stripe")
            bench = StripeBench(tmp_path, shim)
            paid = bench.provider.charge(_request(saved(bench)))
            while True:
                body, headers = came.get(timeout=60)
                notice = bench.provider.read_notice(body, headers)
                if (notice.type, notice.reference) == ("payment_intent.succeeded", paid.reference):
                    break
            assert notice.kind is NoticeKind.CHARGE
            with pytest.raises(ForgedNotice):
                bench.provider.read_notice(body.replace(b"succeeded", b"processed"), headers)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
