"""Commands that collect and refund are killed again and again, and nobody pays twice or gets away unpaid."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.commands import start_command
from tests.support.databases import ON_POSTGRESQL
from tests.support.payments import ORIGIN, TIMEOUT, Till
from tests.support.stripe_fake import StripeFake
from tollway.billing.payments.models import Payment, PaymentStatus
from tollway.kernel.clock import SystemClock
from tollway.providers.payments.base import Options
from tollway.providers.payments.stripe import Stripe

KILLS = int(os.environ.get("TOLLWAY_TEST_KILLS", "20"))
"""`make crash` asks for many more."""

_PLACES = ("payments.begun", "payments.charged", "payments.charged:2")
_PATIENCE = 120.0


class Counter:
    """A seller's installation, whose commands are processes of their own."""

    def __init__(self, folder: Path, fake: StripeFake) -> None:
        self.fake = fake
        values = {"secret_key": fake.KEY, "api_base": fake.url}
        self.till = Till(folder, Stripe(Options(folder, SystemClock(), TIMEOUT, values)))
        url = self.till.world.main.engine.url
        if not ON_POSTGRESQL:
            (folder / "tollway.db").symlink_to(Path(url.database or "").name)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
        self.environment = inherited | {
            "TOLLWAY_DATA_DIR": str(folder),
            "TOLLWAY_PAYMENT_PROVIDER": "stripe",
            "TOLLWAY_PAYMENT_TIMEOUT_SECONDS": "1",
            "TOLLWAY_STRIPE_SECRET_KEY": fake.KEY,
            "TOLLWAY_STRIPE_API_BASE": fake.url,
        }
        if ON_POSTGRESQL:
            text = url.set(drivername="postgresql").render_as_string(hide_password=False)
            self.environment["TOLLWAY_DATABASE_URL"] = text

    def invoices(self, count: int) -> list[UUID]:
        """Make customers with a card and a final invoice each."""
        made = []
        for _ in range(count):
            subscription = self.till.world.subscribe("pro")
            page = self.till.payments.begin_setup(subscription.customer, ORIGIN)
            session = self.fake.of_kind("checkout.session")[-1]
            self.fake.choose(session["id"], "succeeds")
            assert self.till.payments.finish_setup(subscription.customer, page.setup)
            made.append(subscription)
        self.till.world.run()
        return [self.till.world.invoices(subscription)[0].id for subscription in made]

    def start(self, *arguments: str, **extra: str) -> BaseProcess:
        """Start a command."""
        return start_command(["payment", *arguments], self.environment | extra)

    def died_at(self, place: str, *arguments: str) -> None:
        """Run a command that dies at a place."""
        assert _ended(self.start(*arguments, TOLLWAY_FAILPOINT=place)) == -signal.SIGKILL, place

    def died_in_the_call(self, *arguments: str) -> None:
        """Run a command that is killed when its request has arrived at Stripe, which goes on with it."""
        process = self.start(*arguments)
        self.fake.arrived = lambda _path: process.kill()
        assert _ended(process) == -signal.SIGKILL
        self.fake.arrived = lambda _path: None

    def finish(self, *statuses: PaymentStatus) -> list[Payment]:
        """Run the command, in good order, until every payment has come to one of the statuses."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            assert _ended(self.start("collect")) == 0
            payments = list(self.till.payments.search(limit=10_000))
            waiting = any(
                one.look_at is not None for pay in payments for one in (*pay.attempts, *pay.refunds)
            )
            if not waiting and all(one.status in statuses for one in payments):
                return payments
            assert time.monotonic() < give_up, [one.status for one in payments]
            time.sleep(0.2)


def _ended(process: BaseProcess) -> int | None:
    process.join(_PATIENCE)
    return process.exitcode


@pytest.mark.timeout(180 + 15 * KILLS)
def test_killed_between_call_and_record(tmp_path: Path) -> None:
    dice = random.Random(2026)
    with StripeFake().running() as fake:
        counter = Counter(tmp_path, fake)
        invoices = counter.invoices(KILLS + 5)
        for kill in range(KILLS):
            match kill % 4:
                case 3:
                    counter.died_in_the_call("collect")
                case place:
                    counter.died_at(_PLACES[place], "collect")
            if dice.random() < 0.3:
                time.sleep(dice.uniform(0, 2.5))  # now the next finds the lease ended, now not
        payments = counter.finish(PaymentStatus.SUCCEEDED)
        assert {payment.invoice for payment in payments} == set(invoices)
        taken = [one["metadata"]["tollway_invoice"] for one in fake.of_kind("payment_intent")]
        assert sorted(taken) == sorted(map(str, invoices))
        assert counter.till.balances() == {
            "clearing:stripe": 4900 * len(invoices),
            "revenue:fees": -4900 * len(invoices),
        }
        counter.till.close()


@pytest.mark.timeout(300)
def test_a_refund_killed_at_each_place_is_given_once(tmp_path: Path) -> None:
    with StripeFake().running() as fake:
        counter = Counter(tmp_path, fake)
        invoices = counter.invoices(3)
        payments = counter.finish(PaymentStatus.SUCCEEDED)
        first, second, third = (
            ("refund", "--invoice", one.invoice_number, "--amount", "9") for one in payments
        )
        counter.died_at("payments.refund_begun", *first)
        counter.died_at("payments.refunded", *second)
        counter.died_in_the_call(*third)
        payments = counter.finish(PaymentStatus.PARTIALLY_REFUNDED)
        assert [payment.refunded for payment in payments] == [900, 900, 900]
        assert [one["amount"] for one in fake.of_kind("refund")] == [900, 900, 900]
        assert counter.till.balances() == {
            "clearing:stripe": 4000 * len(invoices),
            "revenue:refunds": 900 * len(invoices),
            "revenue:fees": -4900 * len(invoices),
        }
        counter.till.close()
