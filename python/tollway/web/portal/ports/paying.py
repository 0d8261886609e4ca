"""Cards and payments of an organisation's customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from tollway.billing.payments.models import Payment, PaymentMethod

__all__ = ["Paying", "SandboxCard", "SandboxCharge", "SetupPage"]


class SetupPage(Protocol):
    """Where a card is typed in: the provider's page."""

    @property
    def redirect_url(self) -> str:
        """Its address."""


class SandboxCard(Protocol):
    """A test card to choose."""

    @property
    def name(self) -> str:
        """What forms send."""

    @property
    def title(self) -> str:
        """What it does."""

    @property
    def brand(self) -> str:
        """Its brand."""

    @property
    def last4(self) -> str:
        """Its last four digits."""


class SandboxCharge(Protocol):
    """A charge that waits for confirmation."""

    @property
    def payment(self) -> Payment:
        """Its payment."""

    @property
    def return_url(self) -> str:
        """Where to go afterwards."""


class Paying(Protocol):
    """Every method finds only what is the customer's; `NotFound` otherwise."""

    @property
    def sandbox_cards(self) -> Sequence[SandboxCard]:
        """The test cards; none with another provider."""

    def begin_setup(self, customer: UUID, origin: str) -> SetupPage:
        """Begin to save a card. Raises `ProviderError`, `Conflict`."""

    def finish_setup(self, customer: UUID, setup: UUID) -> PaymentMethod | None:
        """Return the saved card, None while there is none. Raises `ProviderError`."""

    def methods(self, customer: UUID) -> Sequence[PaymentMethod]:
        """Return the saved cards, the default first."""

    def make_default(self, customer: UUID, method: UUID) -> None:
        """Collect from this card."""

    def remove_method(self, customer: UUID, method: UUID) -> None:
        """Forget a card. Raises `ProviderError`, `Conflict`."""

    def pay(
        self, customer: UUID, invoice: UUID, *, origin: str, return_url: str, method: UUID | None = None
    ) -> Payment:
        """Pay an open invoice now. Raises `Conflict`."""

    def refresh(self, customer: UUID, payment: UUID) -> Payment:
        """Ask how a payment stands."""

    def payments_of(
        self, customer: UUID, *, before: UUID | None = None, limit: int = 100
    ) -> Sequence[Payment]:
        """Return payments, newest first."""

    def sandbox_choose(self, customer: UUID, setup: UUID, card: str) -> PaymentMethod:
        """Save a test card. Raises `ProviderError`."""

    def sandbox_charge(self, customer: UUID, reference: str) -> SandboxCharge:
        """Return a charge that waits for confirmation."""

    def sandbox_confirm(self, customer: UUID, reference: str, *, approve: bool) -> SandboxCharge:
        """Confirm it, or refuse it."""
