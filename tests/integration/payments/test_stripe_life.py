"""A customer's life with Stripe: card, add-on, usage, invoices, payment, decline, refund, webhooks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from tests.support.payments import ORIGIN, TIMEOUT, Till
from tests.support.stripe_fake import StripeFake
from tollway.app.notices import Notices
from tollway.app.payment_worker import PaymentWorker
from tollway.billing.payments.models import PaymentMethod, PaymentStatus
from tollway.kernel.clock import SystemClock
from tollway.providers.payments.base import Options
from tollway.providers.payments.stripe import Stripe
from tollway.web.webhooks import create_webhook_app


class Shop(Till):
    """A till over Stripe's fake, with its webhooks."""

    def __init__(self, folder: Path, fake: StripeFake) -> None:
        self.fake = fake
        values = {"secret_key": fake.KEY, "webhook_secret": fake.WEBHOOK_SECRET, "api_base": fake.url}
        super().__init__(folder, Stripe(Options(folder, SystemClock(), TIMEOUT, values)))
        self.worker = PaymentWorker(self.world.main, self.payments, self.world.clock)
        notices = Notices(self.world.main, self.payments, self.world.clock)
        self.web = TestClient(create_webhook_app(notices), raise_server_exceptions=True)

    def save(self, customer: UUID, behaviour: str) -> PaymentMethod:
        """Save a card on Stripe's page; the browser comes back."""
        page = self.payments.begin_setup(customer, ORIGIN)
        assert page.redirect_url.startswith("https://checkout.stripe.test/")
        (session,) = [one for one in self.fake.of_kind("checkout.session") if one["url"] == page.redirect_url]
        self.fake.choose(session["id"], behaviour)
        method = self.payments.finish_setup(customer, page.setup)
        assert method is not None
        return method

    def tell(self, *types: str, times: int = 1, dice: random.Random | None = None) -> None:
        """Deliver events, those of the given types or all, each so many times and in any order."""
        told = [event for event in self.fake.events if not types or event["type"] in types] * times
        if dice is not None:
            dice.shuffle(told)
        for event in told:
            body, headers = self.fake.signed(event)
            assert self.web.post("/stripe", content=body, headers=headers).status_code == 200


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with StripeFake().running() as fake:
        shop = Shop(tmp_path, fake)
        yield shop
        shop.close()


def test_a_customers_life(shop: Shop) -> None:
    world = shop.world
    pro = world.subscribe("pro")
    shop.save(pro.customer, "succeeds")
    world.run()
    assert shop.worker.work() == 1
    pro = world.add_on(pro, "analytics")
    world.use(pro, 20, world.clock.now() + timedelta(days=1))
    shop.later(days=29)
    world.run()
    assert shop.worker.work() == 1
    first, second = world.invoices(pro)
    assert {line.kind.value for line in second.lines} == {"fee", "usage"}
    intents = shop.fake.of_kind("payment_intent")
    assert [(one["amount"], one["status"]) for one in intents] == [
        (first.total, "succeeded"),
        (second.total, "succeeded"),
    ]
    assert intents[1]["metadata"]["tollway_invoice"] == str(second.id)
    # The card is declined, then another one pays.
    shop.save(pro.customer, "no_funds")
    shop.later(days=32)
    world.run()
    assert shop.worker.work() == 1
    third = world.invoices(pro)[-1]
    declined = shop.payments.of_invoices([third.id])[third.id]
    assert (declined.paid, declined.status) == (False, PaymentStatus.DECLINED)
    assert declined.message == "The card has not enough funds."
    shop.save(pro.customer, "succeeds")
    paid = shop.payments.pay(pro.customer, third.id, origin=ORIGIN, return_url=ORIGIN)
    assert paid.status is PaymentStatus.SUCCEEDED
    given = shop.payments.refund(paid.id, 500, "a courtesy")
    assert (given.status, given.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, 500)
    # What Stripe tells of all this, twice and in no order, changes nothing.
    before = (shop.payments.search(), shop.balances())
    shop.tell(times=2, dice=random.Random(7))
    while shop.fake.events and shop.worker.work():
        pass
    shop.worker.work()
    assert (shop.payments.search(), shop.balances()) == before
    total = first.total + second.total + third.total
    assert shop.balances()["clearing:stripe"] == total - 500
    assert "receivable" not in shop.balances()


@pytest.mark.parametrize("seed", range(5))
def test_webhooks_alone_tell_everything_in_any_order(shop: Shop, seed: int) -> None:
    """A confirmation, a card saved and a refund made at Stripe become known without anybody asking."""
    subscription, invoice = shop.subscribe()
    page = shop.payments.begin_setup(subscription.customer, ORIGIN)
    (session,) = shop.fake.of_kind("checkout.session")
    shop.fake.choose(session["id"], "needs_action")
    shop.tell("checkout.session.completed")
    shop.worker.work()
    (method,) = shop.payments.methods(subscription.customer)
    assert shop.payments.finish_setup(subscription.customer, page.setup) == method
    waiting = shop.payments.of_invoices([invoice.id])[invoice.id]
    assert waiting.status is PaymentStatus.DECLINED
    payment = shop.payments.pay(subscription.customer, invoice.id, origin=ORIGIN, return_url=ORIGIN)
    assert payment.last is not None
    assert payment.last.reference is not None
    assert payment.last.action_url == f"https://hooks.stripe.test/3ds/{payment.last.reference}"
    shop.fake.confirm(payment.last.reference, approve=True)
    shop.fake.refund_there(payment.last.reference, 1900)
    shop.tell(times=2, dice=random.Random(seed))
    shop.worker.work()
    told = shop.payments.get(payment.id)
    assert (told.status, told.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, 1900)
    assert told.refunds[0].reason == "made at the provider"
    assert shop.balances() == {"clearing:stripe": 3000, "revenue:fees": -4900, "revenue:refunds": 1900}


def test_a_refund_that_the_bank_sends_back_is_posted_back(shop: Shop) -> None:
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, "succeeds")
    paid = shop.payments.collecting.collect(invoice.id)
    given = shop.payments.refund(paid.id, 900)
    assert given.refunds[0].reference is not None
    shop.fake.fail_refund(given.refunds[0].reference)
    shop.tell("refund.failed", times=2)
    shop.worker.work()
    back = shop.payments.get(paid.id)
    assert (back.status, back.refunded, back.refundable) == (PaymentStatus.SUCCEEDED, 0, 4900)
    assert shop.balances() == {"clearing:stripe": 4900, "revenue:fees": -4900}


def test_forged_webhooks_get_nothing(shop: Shop) -> None:
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, "settles_later")
    shop.payments.collecting.collect(invoice.id)
    event = dict(shop.fake.events[-1], type="payment_intent.succeeded", id="evt_forged")
    good, headers = shop.fake.signed(event)
    for body, signed in (
        (good, {}),
        (good, {"Stripe-Signature": "t=1,v1=0"}),
        (good, {"Stripe-Signature": shop.fake.signed(event, "whsec_another")[1]["Stripe-Signature"]}),
        (good.replace(b"evt_forged", b"evt_better"), headers),
        (b"", headers),
        (b"\xff\xfe", headers),
        (good + b" ", headers),
    ):
        assert shop.web.post("/stripe", content=body, headers=signed).status_code == 400
    for body in ({"object": "event"}, [], {"id": "evt_1", "type": "x", "object": "event", "data": {}}):
        content, signed = shop.fake.signed(body)  # type: ignore[arg-type]  # what no event looks like
        assert shop.web.post("/stripe", content=content, headers=signed).status_code == 400
    assert shop.web.post("/sandbox", content=good, headers=headers).status_code == 404
    assert shop.web.post("/stripe", content=b"x" * 300_000, headers=headers).status_code == 413
    assert shop.web.get("/stripe").status_code == 405
    assert shop.worker.work() == 0
    assert shop.payments.of_invoices([invoice.id])[invoice.id].status is PaymentStatus.PROCESSING


def test_a_true_signature_lies_about_nothing(shop: Shop) -> None:
    """An event says paid, Stripe itself says not yet: Stripe is asked, and believed."""
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, "settles_later")
    shop.payments.collecting.collect(invoice.id)
    (intent,) = shop.fake.of_kind("payment_intent")
    event = {
        "id": "evt_early",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": dict(intent, status="succeeded")},
    }
    body, headers = shop.fake.signed(event)
    assert shop.web.post("/stripe", content=body, headers=headers).json() == {"message": "kept"}
    assert shop.web.post("/stripe", content=body, headers=headers).json() == {"message": "known"}
    shop.worker.work()
    assert shop.payments.of_invoices([invoice.id])[invoice.id].status is PaymentStatus.PROCESSING


def test_a_notice_that_can_not_be_followed_now_is_followed_later(shop: Shop) -> None:
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, "settles_later")
    shop.payments.collecting.collect(invoice.id)
    (intent,) = shop.fake.of_kind("payment_intent")
    shop.fake.settle(intent["id"])
    shop.tell("payment_intent.succeeded")
    shop.fake.down = True
    shop.worker.work()
    shop.fake.down = False
    assert shop.payments.of_invoices([invoice.id])[invoice.id].status is PaymentStatus.PROCESSING
    shop.later(minutes=1)
    shop.worker.work()
    assert shop.payments.of_invoices([invoice.id])[invoice.id].paid


@pytest.mark.parametrize("card", ["timeout_after", "timeout_before", "busy", "breaks", "settles_later"])
def test_what_went_wrong_on_the_way_is_paid_once(shop: Shop, card: str) -> None:
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, card)
    shop.worker.work()
    for _ in range(12):
        shop.later(hours=6)
        # Stripe keeps an answer of 500 under its key for a day.
        shop.fake.ahead += timedelta(hours=6)
        for intent in shop.fake.of_kind("payment_intent"):
            if intent["status"] == "processing":
                shop.fake.settle(intent["id"])
        shop.worker.work()
    assert shop.payments.of_invoices([invoice.id])[invoice.id].paid
    assert len([one for one in shop.fake.of_kind("payment_intent") if one["status"] == "succeeded"]) == 1
    assert shop.balances() == {"clearing:stripe": 4900, "revenue:fees": -4900}


def test_the_key_refused_declines_nobody(shop: Shop) -> None:
    subscription, invoice = shop.subscribe()
    shop.save(subscription.customer, "succeeds")
    key, shop.fake.KEY = shop.fake.KEY, "sk_test_rolled"  # type: ignore[misc]
    shop.worker.work()
    assert shop.payments.of_invoices([invoice.id])[invoice.id].status is PaymentStatus.PENDING
    shop.fake.KEY = key  # type: ignore[misc]
    shop.later(minutes=1)
    shop.worker.work()
    assert shop.payments.of_invoices([invoice.id])[invoice.id].paid
