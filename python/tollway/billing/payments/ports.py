"""What payments need of storage and of a vendor. Repositories work inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tollway.billing.payments.exporting import Part, Subject, Told
from tollway.billing.payments.models import Account, Payment, PaymentMethod, PaymentStatus, Setup
from tollway.billing.payments.results import (
    Capability,
    ChargeRequest,
    ChargeResult,
    CustomerRequest,
    MethodDetails,
    Notice,
    RefundRequest,
    RefundResult,
    SetupRequest,
    SetupResult,
    SetupStarted,
    SubscriptionPicture,
    UsageReport,
)
from tollway.kernel.mode import Mode

__all__ = ["Inbox", "Methods", "PaymentProvider", "Payments", "UsageReports"]


class PaymentProvider(Protocol):
    """A payment vendor. Each call may raise the errors of `results`; none is made within a transaction."""

    @property
    def name(self) -> str:
        """What settings call it: `sandbox`, `stripe`."""

    @property
    def capabilities(self) -> Capability:
        """What it can do beyond charging."""

    @property
    def moves_real_money(self) -> bool:
        """Whether a success here takes real money: never asked for customers in test mode."""

    def create_customer(self, request: CustomerRequest) -> str:
        """Make the customer known; return its reference. The same customer gets the same reference."""

    def begin_setup(self, request: SetupRequest) -> SetupStarted:
        """Begin to save a method; return where the customer's browser goes."""

    def setup_result(self, reference: str) -> SetupResult:
        """Return what has become of a setup."""

    def remove_method(self, reference: str) -> None:
        """Forget a saved method; one that is not there is no fault."""

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """Charge a saved method. Sent again under the same key, it answers the same and takes nothing."""

    def find_charge(self, request: ChargeRequest) -> ChargeResult | None:
        """Return what the provider has under the request's key, or None if it never took it up."""

    def charge_state(self, reference: str) -> ChargeResult:
        """Return how a charge stands now."""

    def cancel_charge(self, reference: str) -> ChargeResult:
        """Give up a charge that isn't decided; return how it stands then, which may be paid."""

    def refund(self, request: RefundRequest) -> RefundResult:
        """Give money back. Sent again under the same key, it answers the same and gives nothing."""

    def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """Return what the provider has under the request's key, or None if it never took it up."""

    def refund_state(self, reference: str) -> RefundResult:
        """Return how a refund stands now."""

    def report_usage(self, report: UsageReport) -> None:
        """Add usage to a window, with `Capability.USAGE_EXPORT`; within 24 hours once per identifier."""

    def usage_total(self, report: UsageReport) -> int:
        """Return what the provider has counted in a report's window, this report's part or not."""

    def show_subscription(self, picture: SubscriptionPicture) -> None:
        """Show a subscription as it is now, with `Capability.ITEM_MIRROR`; again and again if need be."""

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Check a webhook's signature over its raw body and read it. Raises `ForgedNotice`."""


class Methods(Protocol):
    """Customers' accounts at providers, setups and saved methods."""

    def account(self, customer: UUID, provider: str) -> Account | None:
        """Return a customer's account at a provider."""

    def save_account(self, account: Account) -> None:
        """Keep an account; the one that was kept first stays."""

    def accounts(self, provider: str) -> Mapping[UUID, str]:
        """Return the customers that a provider knows, with their references there."""

    def shown(self, provider: str) -> Mapping[UUID, str]:
        """Return of each subscription what the provider was last shown, as a digest."""

    def save_shown(self, provider: str, subscription: UUID, picture: str) -> None:
        """Keep what the provider was shown of a subscription."""

    def setup(self, setup: UUID) -> Setup | None:
        """Return a setup by its id."""

    def setup_with(self, provider: str, reference: str) -> Setup | None:
        """Return a setup by its reference at the provider."""

    def save_setup(self, setup: Setup) -> None:
        """Add a setup, or bring the stored one to this state."""

    def of_customer(self, customer: UUID, provider: str | None = None) -> Sequence[PaymentMethod]:
        """Return the methods that were not removed, the default one first, then the newest."""

    def get(self, method: UUID) -> PaymentMethod | None:
        """Return a method, a removed one too."""

    def add(self, customer: UUID, provider: str, details: MethodDetails, now: datetime) -> PaymentMethod:
        """Keep a method and make it the default; one that is kept already is returned as it is.

        Raises:
            PaymentConflict: it is another customer's.
        """

    def make_default(self, method: PaymentMethod) -> None:
        """Make it the customer's default."""

    def remove(self, method: PaymentMethod, now: datetime) -> None:
        """Mark it removed; the newest of the others becomes the default if it was."""


class Payments(Protocol):
    """Payments with their attempts and refunds."""

    def get(self, payment: UUID, *, lock: bool = False) -> Payment | None:
        """Return a payment; `lock` keeps others from changing it until the transaction ends."""

    def of_invoice(self, invoice: UUID, *, lock: bool = False) -> Payment | None:
        """Return an invoice's payment."""

    def of_invoices(self, invoices: Collection[UUID]) -> Mapping[UUID, Payment]:
        """Return the invoices' payments, those that there are."""

    def totals_of(self, invoices: Collection[UUID]) -> Mapping[UUID, int]:
        """Return what the final ones of the invoices come to, in minor units."""

    def with_charge(self, provider: str, reference: str) -> Payment | None:
        """Return the payment of which an attempt has this reference at the provider."""

    def search(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        status: PaymentStatus | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Payment]:
        """Return the payments that match, the newest first; `before` goes on behind that one."""

    def add(self, payment: Payment) -> bool:
        """Add a payment; False if its invoice has one already."""

    def save(self, payment: Payment) -> None:
        """Bring the stored payment to this state."""

    def uncollected(self, provider: str, limit: int) -> Sequence[UUID]:
        """Return final live invoices with something to pay, no payment, and a customer who can pay.

        That is one with a method, or with a credit balance that covers the invoice. They come oldest first.
        """

    def due(self, now: datetime, limit: int) -> Sequence[UUID]:
        """Return the payments of which an attempt or a refund is to be looked at by `now`, oldest first."""

    def lock_customer(self, customer: UUID) -> None:
        """Keep others from using the customer's credit balance until the transaction ends."""


class Inbox(Protocol):
    """Webhooks that came in, each once per source and the sender's id."""

    def put(self, source: str, notice: Notice, now: datetime) -> bool:
        """Keep a notice; False if it is there already."""

    def waiting(self, now: datetime, limit: int) -> Sequence[tuple[str, Notice]]:
        """Return notices to be worked on, with their sources, oldest first."""

    def done(self, source: str, notice: str, now: datetime) -> None:
        """Mark a notice done."""

    def put_off(self, source: str, notice: str, reason: str, until: datetime) -> None:
        """Leave a notice for later, with why."""


class UsageReports(Protocol):
    """What a provider was told of usage, and what is to be told."""

    def planned_until(self, provider: str) -> datetime | None:
        """Return up to when windows have been looked at."""

    def told(self, provider: str, start: datetime, up_to: int | None = None) -> Mapping[Subject, Told]:
        """Return what the parts of the window that begins at `start` come to.

        With `up_to` those up to a number, without what the provider refused: what it has if it has that part.
        """

    def plan(self, provider: str, parts: Sequence[Part], until: datetime, now: datetime) -> None:
        """Keep parts to be told, those that are not kept yet; windows up to `until` have been looked at."""

    def due(self, provider: str, now: datetime, limit: int) -> Sequence[Part]:
        """Return parts to be told by `now`, oldest first; of a window one at a time.

        Of several that may or may not have arrived, nobody could tell by the sum which did.
        """

    def sending(self, provider: str, part: Part, now: datetime) -> None:
        """Say that a part is about to be sent for the first time, or anew."""

    def done(self, provider: str, part: Part, now: datetime, problem: str | None = None) -> None:
        """Say that a part was told, or with `problem` that it never will be."""

    def put_off(self, provider: str, part: Part, until: datetime, problem: str) -> None:
        """Leave a part for later, with why."""
