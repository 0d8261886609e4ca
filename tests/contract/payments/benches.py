"""A vendor at work for the contract suite: cards that do what they are told, and a customer who confirms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from tests.support.localstripe import LocalStripeShim
from tests.support.stripe_fake import StripeFake
from tests.support.vendors import RequestCheck
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.results import ChargeStatus, CustomerRequest, SetupRequest, SetupStatus
from tollway.kernel.clock import SystemClock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.providers.payments.base import Options
from tollway.providers.payments.sandbox import Sandbox
from tollway.providers.payments.stripe import Stripe

__all__ = ["BENCHES", "COUNTING", "ORIGIN", "Bench", "Card", "StripeBench", "saved", "soon"]

ORIGIN = "http://portal.test"
TIMEOUT = timedelta(seconds=20)

Fixture = Callable[[str], Any]
"""Gives a fixture of pytest's by its name."""


@dataclass(frozen=True, slots=True)
class Card:
    """A saved card: the customer's reference at the vendor, and the card's."""

    account: str
    method: str


class Bench(Protocol):
    """What a vendor's fixture offers."""

    @property
    def provider(self) -> PaymentProvider:
        """The vendor."""

    def choose(self, setup: str, behaviour: str) -> None:
        """Have the customer save a card on the setup's page that behaves like this.

        Behaviours: `succeeds`, `declined`, `needs_action`, `settles_later`, `timeout_after`,
        `timeout_before`, `busy`.
        """

    def confirm(self, charge: str, *, approve: bool) -> None:
        """Have the customer confirm a charge, or refuse it."""

    def settle(self, charge: str) -> ChargeStatus:
        """Have a charge that is processing decided; returns how."""


def saved(bench: Bench, behaviour: str = "succeeds", customer: UUID | None = None) -> Card:
    """Save a card through a setup."""
    who = CustomerRequest(customer or new_id(), "Acme", Mode.TEST)
    account = bench.provider.create_customer(who)
    setup = new_id()
    back = f"{ORIGIN}/pay/return?setup={setup}"
    started = bench.provider.begin_setup(
        SetupRequest(
            setup=setup, account=account, currency="USD", origin=ORIGIN, return_url=back, cancel_url=back
        )
    )
    bench.choose(started.reference, behaviour)
    result = bench.provider.setup_result(started.reference)
    assert result.status is SetupStatus.COMPLETE
    assert result.method is not None
    return Card(account, result.method.reference)


class SandboxBench:
    """The sandbox over a file."""

    def __init__(self, folder: Path) -> None:
        self.provider = Sandbox(Options(folder, SystemClock(), TIMEOUT, {}))

    def choose(self, setup: str, behaviour: str) -> None:
        self.provider.choose(setup, behaviour)

    def confirm(self, charge: str, *, approve: bool) -> None:
        self.provider.complete_action(charge, approve=approve)

    def settle(self, charge: str) -> ChargeStatus:  # noqa: ARG002
        """Asking is enough: see `Sandbox.charge_state`."""
        return ChargeStatus.SUCCEEDED


@contextmanager
def _sandbox(folder: Path, _fixture: Fixture) -> Iterator[Bench]:
    yield SandboxBench(folder)


class Page(Protocol):
    """What stands in for Stripe's pages and the customer before them."""

    KEY: str
    WEBHOOK_SECRET: str
    url: str

    def choose(self, session: str, behaviour: str) -> None: ...
    def confirm(self, intent: str, *, approve: bool) -> None: ...
    def settle(self, intent: str) -> ChargeStatus: ...


class StripeBench:
    """Stripe's adapter over a server that stands in for Stripe."""

    def __init__(self, folder: Path, server: Page) -> None:
        values = {
            "secret_key": server.KEY,
            "webhook_secret": server.WEBHOOK_SECRET,
            "api_base": server.url,
        }
        self.provider = Stripe(Options(folder, SystemClock(), TIMEOUT, values))
        self.choose = server.choose
        self.confirm = server.confirm
        self.settle = server.settle


@contextmanager
def _fake_stripe(folder: Path, fixture: Fixture) -> Iterator[Bench]:
    check: RequestCheck = fixture("stripe_mock")
    with StripeFake(check).running() as fake:
        yield StripeBench(folder, fake)
    # Whatever the adapter asked of the fake, Stripe's own description of its API allows.
    refused, check.refused = check.refused, []
    assert not refused, "\n".join(refused)


@contextmanager
def _localstripe(folder: Path, fixture: Fixture) -> Iterator[Bench]:
    with LocalStripeShim(fixture("localstripe")).running() as shim:
        yield StripeBench(folder, shim)


BENCHES: dict[str, tuple[str, Callable[[Path, Fixture], AbstractContextManager[Bench]]]] = {
    "sandbox": ("sandbox", _sandbox),
    "stripe on our fake, checked by stripe-mock": ("stripe", _fake_stripe),
    "stripe on localstripe": ("stripe", _localstripe),
}
"""Benches by name, each with the vendor it is of."""

COUNTING = ("stripe on our fake, checked by stripe-mock",)
"""Those that count usage: localstripe has no meters."""


def soon() -> datetime:
    """Now, by the clock that vendors have."""
    return SystemClock().now()
