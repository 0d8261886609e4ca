"""Organisations, as pages name those who wrote or pay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from tollway.accounts.models import Organisation, User

__all__ = ["Owners"]


class Owners(Protocol):
    """Whom customers and tickets belong to."""

    def organisations(self, organisations: Collection[UUID]) -> Mapping[UUID, Organisation]:
        """Return organisations by their ids, those that there are."""

    def of_customer(self, customer: UUID) -> tuple[Organisation, list[User]] | None:
        """Return the organisation that owns a customer, with its users; None for one made by a command."""
