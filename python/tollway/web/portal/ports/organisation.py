"""What the account's page works with; `app/organisations.py` implements it."""

from __future__ import annotations

from typing import Protocol

from tollway.accounts.models import Organisation
from tollway.billing.models import PartyDetails

__all__ = ["Organisations"]


class Organisations(Protocol):
    """What organisations are called, and what invoices say of them."""

    def details(self, organisation: Organisation) -> PartyDetails | None:
        """Return what invoices say of it; None where it has no customer yet."""

    def rename(self, organisation: Organisation, name: str) -> None:
        """Change what it is called on pages. Its slug stays: keys and invoices go by it."""

    def set_details(self, organisation: Organisation, details: PartyDetails) -> None:
        """Change what invoices to come say of it. Raises `Conflict` where it has no customer yet."""
