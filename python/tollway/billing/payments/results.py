"""What a payment provider is asked and what it answers, in words that are no vendor's.

TollwayError
└── ProviderError            a provider did not do what it was asked
    ├── PermanentFault       it refused, and will refuse the same request again
    ├── TemporaryFault       it did nothing, and may do it later
    ├── UnknownOutcome       nobody knows whether it did it: ask it, never send again blindly
    └── ForgedNotice         a webhook that the provider did not sign
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, StrEnum, auto
from uuid import UUID

from tollway.kernel.errors import TollwayError
from tollway.kernel.mode import Mode

__all__ = [
    "Capability",
    "ChargeRequest",
    "ChargeResult",
    "ChargeStatus",
    "CustomerRequest",
    "ForgedNotice",
    "MethodDetails",
    "MirroredItem",
    "Notice",
    "NoticeKind",
    "PermanentFault",
    "ProviderError",
    "RefundRequest",
    "RefundResult",
    "RefundStatus",
    "SetupRequest",
    "SetupResult",
    "SetupStarted",
    "SetupStatus",
    "SubscriptionPicture",
    "TemporaryFault",
    "UnknownOutcome",
    "UsageReport",
]


class ProviderError(TollwayError):
    """A provider did not do what it was asked. `code` is a stable word, the text is for the operator."""

    def __init__(self, text: str, code: str = "provider_error") -> None:
        super().__init__(text)
        self.code = code


class PermanentFault(ProviderError):
    """The provider refused, and will refuse the same request again."""


class TemporaryFault(ProviderError):
    """The provider did nothing; the same request may be sent again later, under the same key."""


class UnknownOutcome(ProviderError):
    """No answer came: it may have been done or not. The provider is asked before anything is sent again."""


class ForgedNotice(ProviderError):
    """A notice whose signature is missing, wrong or too old. Nothing in it is believed."""


class Capability(Flag):
    """What a provider can do beyond charging a saved method, which all can."""

    HOSTED_SETUP = auto()
    """A method is saved on a page of the provider's own."""
    ACTION = auto()
    """A charge may need the customer to confirm it on a page."""
    PARTIAL_REFUND = auto()
    """Part of a payment can be given back, several times."""
    NOTICES = auto()
    """It tells of changes by signed webhooks."""
    ITEM_MIRROR = auto()
    """It can show subscriptions and their add-ons, which Tollway invoices."""
    USAGE_EXPORT = auto()
    """It takes aggregated usage, to be shown beside what it collects."""


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A customer to be known to the provider. Asking again for the same `customer` makes no second one."""

    customer: UUID
    name: str
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRequest:
    """A method to be saved. The customer's browser goes to the provider's page and back to `return_url`.

    `origin` is the portal's, e.g. `https://portal.example`: a provider without pages has them there.
    """

    setup: UUID
    account: str
    """The customer's reference at the provider."""
    currency: str
    """What the customer is billed in: some methods know only some currencies."""
    origin: str
    return_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class SetupStarted:
    """Where the customer's browser goes, and the setup's reference at the provider."""

    reference: str
    redirect_url: str


class SetupStatus(StrEnum):
    """How far the customer has come."""

    OPEN = "open"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodDetails:
    """A saved method as it may be shown: never a whole number."""

    reference: str
    kind: str = "card"
    brand: str = ""
    last4: str = ""
    expires_month: int | None = None
    expires_year: int | None = None


@dataclass(frozen=True, slots=True)
class SetupResult:
    """What has become of a setup; `method` is there once it is complete."""

    status: SetupStatus
    method: MethodDetails | None = None
    message: str | None = None


class ChargeStatus(StrEnum):
    """What a provider says of a charge."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """A saved method to be charged, once per `key` however often it is sent.

    It is built from stored rows alone, so that it can be sent again word for word. `present` says that the
    customer is there and can confirm it; then `return_url` is where the browser comes back to.
    """

    key: str
    invoice: UUID
    invoice_number: str
    amount: int
    """In the currency's minor units, above zero."""
    currency: str
    account: str
    method: str
    started_at: datetime
    """When this attempt began: the provider has nothing of it from before."""
    present: bool = False
    origin: str = ""
    return_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeResult:
    """What a provider says of a charge. `code` is a stable word such as `insufficient_funds`."""

    status: ChargeStatus
    reference: str
    code: str | None = None
    message: str | None = None
    action_url: str | None = None
    amount: int | None = None
    """What was taken, where the provider says so: minor units."""
    currency: str | None = None


class RefundStatus(StrEnum):
    """What has become of a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to be given back of a charge, once per `key`."""

    key: str
    refund: UUID
    charge: str
    """The charge's reference at the provider."""
    amount: int
    currency: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundResult:
    """What a provider says of a refund. `charge` is the reference of the charge it belongs to."""

    status: RefundStatus
    reference: str
    charge: str
    amount: int
    currency: str
    refund: UUID | None = None
    """Our refund, where it was ours; None for one made at the provider."""
    message: str | None = None


class NoticeKind(StrEnum):
    """What a notice is about. Its content is a hint: the object's present state is asked for."""

    CHARGE = "charge"
    SETUP = "setup"
    REFUND = "refund"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A webhook whose signature was right. `id` is the provider's, the same however often it comes."""

    id: str
    type: str
    kind: NoticeKind
    reference: str | None = None
    live: bool = field(default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """A customer's usage of a meter in `[start, end)`, whole hours UTC: what is new of it.

    `identifier` names this report for good, at most 64 characters: the same window told again after late
    usage has another one. `quantity` is whole and above zero.
    """

    identifier: str
    account: str
    meter: str
    start: datetime
    end: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class MirroredItem:
    """A plan's phase or an add-on, as it is called on a subscription."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPicture:
    """What a subscription consists of now, to be shown; without items it has ended.

    `interval` is the plan's: day, week, month, quarter or year.
    """

    subscription: UUID
    account: str
    currency: str
    interval: str
    items: tuple[MirroredItem, ...]
