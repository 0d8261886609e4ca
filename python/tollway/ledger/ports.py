"""What the ledger needs of storage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tollway.ledger.models import Account, Book, Transaction

__all__ = ["Journal"]


class Journal(Protocol):
    """The append-only journal, inside the caller's transaction. Nothing in it is ever changed or removed."""

    def find(self, book: Book, key: str) -> Transaction | None:
        """Return the transaction posted under this business key."""

    def known(self, book: Book, keys: Collection[str]) -> Collection[str]:
        """Return those of the business keys under which something is posted."""

    def append(self, transactions: Sequence[Transaction]) -> None:
        """Add transactions, opening the accounts they name."""

    def balances(self, book: Book, *, owner: UUID | None = None) -> Mapping[Account, int]:
        """Return each account's sum of entries in minor units; those of one owner if `owner` is given."""
