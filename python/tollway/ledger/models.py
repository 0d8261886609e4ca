"""The journal's vocabulary: books, accounts, entries and balanced transactions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tollway.kernel.mode import Mode
from tollway.ledger.errors import UnbalancedTransaction

__all__ = ["Account", "AccountKind", "Book", "Entry", "Transaction"]


class AccountKind(StrEnum):
    """What an account stands for; assets and expenses normally hold debits, the others credits."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"


@dataclass(frozen=True, slots=True)
class Book:
    """A set of accounts of its own: one seller entity, one mode. No transaction spans two books."""

    entity: UUID
    mode: Mode


@dataclass(frozen=True, slots=True)
class Account:
    """One account. It is identified by all its fields: naming it is enough to open it.

    `owner` is whom it is kept for (a customer's receivable), or None for the seller's own.
    """

    book: Book
    name: str
    kind: AccountKind
    currency: str
    owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount on an account, in the currency's minor units: debits are positive, credits negative."""

    account: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Entries that belong together and sum to zero in each currency.

    `key` is its business identity (`invoice:ID:finalised`): it is posted once, however often that is tried.
    `effective_at` is the instant for which it counts, which may lie before the instant it was written.
    """

    id: UUID
    book: Book
    key: str
    description: str
    effective_at: datetime
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if self.effective_at.tzinfo is None:
            raise ValueError("effective_at: an aware datetime is needed")
        if any(entry.account.book != self.book for entry in self.entries):
            raise UnbalancedTransaction(f"{self.key}: an entry belongs to another book")
        for currency, total in self.totals().items():
            if total != 0:
                raise UnbalancedTransaction(
                    f"{self.key}: the entries in {currency} sum to {total} minor units, not to zero"
                )

    def totals(self) -> Mapping[str, int]:
        """Return the sum of entries per currency; all zero in any transaction that could be made."""
        totals: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            totals[entry.account.currency] += entry.amount
        return totals

    def says_the_same_as(self, other: Transaction) -> bool:
        """Whether `other` moves the same amounts between the same accounts, in whatever order."""
        return self.book == other.book and _net_movements(self) == _net_movements(other)


def _net_movements(transaction: Transaction) -> Mapping[Account, int]:
    """Return what a transaction adds to each account, leaving out those it leaves unchanged."""
    movements: dict[Account, int] = defaultdict(int)
    for entry in transaction.entries:
        movements[entry.account] += entry.amount
    return {account: amount for account, amount in movements.items() if amount != 0}
