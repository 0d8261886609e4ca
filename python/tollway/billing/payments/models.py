"""Payments' vocabulary: saved methods, payments with their attempts and refunds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tollway.billing.payments.results import RefundStatus, SetupStatus
from tollway.kernel.mode import Mode

__all__ = [
    "Account",
    "Attempt",
    "AttemptStatus",
    "InvoicePayment",
    "Payment",
    "PaymentMethod",
    "PaymentStatus",
    "Refund",
    "Setup",
]


@dataclass(frozen=True, slots=True)
class Account:
    """A customer as a provider knows it."""

    customer: UUID
    provider: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A method on its way: the customer was sent to the provider's page."""

    id: UUID
    customer: UUID
    provider: str
    status: SetupStatus
    created_at: datetime
    reference: str | None = None
    method: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A saved method. `reference` is the provider's; what is shown are `brand`, `last4` and the expiry."""

    id: UUID
    customer: UUID
    provider: str
    reference: str
    kind: str
    brand: str
    last4: str
    expires_month: int | None
    expires_year: int | None
    default: bool
    created_at: datetime
    removed_at: datetime | None = None

    @property
    def label(self) -> str:
        """What a person calls it: `Visa ···· 4242`."""
        return f"{self.brand or self.kind.capitalize()} ···· {self.last4}" if self.last4 else self.kind


class AttemptStatus(StrEnum):
    """How an attempt stands."""

    PENDING = "pending"
    """Stored, and no answer recorded: the provider is being asked, or was by a process that died."""
    UNKNOWN = "unknown"
    """Asked, and no answer came."""
    PROCESSING = "processing"
    """The provider will know later."""
    REQUIRES_ACTION = "requires_action"
    """The customer must confirm it at `action_url`."""
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    """Given up before it was paid; the provider will not take the money any more."""

    @property
    def open(self) -> bool:
        """Whether the money may still be taken: no other attempt begins meanwhile."""
        return self not in {AttemptStatus.SUCCEEDED, AttemptStatus.DECLINED, AttemptStatus.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to take the money; stored before the provider is asked. `key` names it there for good.

    `look_at` is when the worker takes it up unless an answer is recorded before: until then whoever began
    it may be at work. It is None once nothing more is expected. `tries` counts how often it was.
    """

    number: int
    status: AttemptStatus
    provider: str
    method: UUID
    key: str
    started_at: datetime
    look_at: datetime | None
    present: bool = False
    origin: str = ""
    return_url: str = ""
    reference: str | None = None
    code: str | None = None
    message: str | None = None
    action_url: str | None = None
    finished_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money given back of a payment. `key` names it at the provider for good; `reference` is the provider's.

    `given_at` is when it was given; it may come back later, and then it is failed all the same.
    A refund made at the provider itself has no key of ours: it becomes known when the provider tells of it.
    """

    id: UUID
    amount: int
    status: RefundStatus
    reason: str
    created_at: datetime
    look_at: datetime | None
    key: str
    reference: str | None = None
    message: str | None = None
    given_at: datetime | None = None
    finished_at: datetime | None = None
    tries: int = 0


class PaymentStatus(StrEnum):
    """How a payment stands: as its last attempt, and then as its refunds."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"

    @property
    def paid(self) -> bool:
        """Whether the invoice is settled. A refund gives money back; it doesn't ask for it again."""
        return self in {PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What is collected for one invoice; there is one payment per invoice.

    `amount` is what the provider is to take, in minor units: the invoice's total less `credit_applied`,
    which the customer's credit balance paid. An amount of zero needs no provider.
    """

    id: UUID
    mode: Mode
    seller_entity: UUID
    customer: UUID
    invoice: UUID
    invoice_number: str
    currency: str
    amount: int
    credit_applied: int
    created_at: datetime
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def collected(self) -> Attempt | None:
        """The attempt that took the money."""
        return next((one for one in self.attempts if one.status is AttemptStatus.SUCCEEDED), None)

    @property
    def refunded(self) -> int:
        """What was given back, in minor units."""
        return sum(one.amount for one in self.refunds if one.status is RefundStatus.SUCCEEDED)

    @property
    def refundable(self) -> int:
        """What can still be given back: refunds under way count as given."""
        if self.collected is None:
            return 0
        return self.amount - sum(one.amount for one in self.refunds if one.status is not RefundStatus.FAILED)

    @property
    def status(self) -> PaymentStatus:
        """How it stands."""
        if self.amount == 0:
            return PaymentStatus.SUCCEEDED
        if self.collected is not None:
            if self.refunded == 0:
                return PaymentStatus.SUCCEEDED
            whole = self.refunded >= self.amount
            return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED
        return PaymentStatus.PENDING if self.last is None else PaymentStatus(self.last.status.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePayment:
    """Whether an invoice is paid, for whoever shows it. Amounts are minor units.

    `status` is None where nothing was tried yet; `message` says why it is open, in words for the customer.
    """

    invoice: UUID
    paid: bool
    due: int
    status: PaymentStatus | None = None
    message: str | None = None
    action_url: str | None = None
    payment: UUID | None = None
