"""The journal's repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, select

from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.ledger.models import Account, AccountKind, Book, Entry, Transaction
from tollway.storage.statements import upsert
from tollway.storage.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY, LEDGER_TRANSACTION

__all__ = ["SqlJournal"]


class SqlJournal:
    """`tollway.ledger.ports.Journal` on one connection: everything happens in its transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def find(self, book: Book, key: str) -> Transaction | None:
        """Return the transaction posted under this business key."""
        row = self._connection.execute(
            select(LEDGER_TRANSACTION).where(
                LEDGER_TRANSACTION.c.seller_entity_id == book.entity,
                LEDGER_TRANSACTION.c.mode == book.mode.value,
                LEDGER_TRANSACTION.c.business_key == key,
            )
        ).one_or_none()
        if row is None:
            return None
        entries = self._connection.execute(
            select(LEDGER_ACCOUNT, LEDGER_ENTRY.c.amount)
            .join(LEDGER_ENTRY, LEDGER_ENTRY.c.account_id == LEDGER_ACCOUNT.c.id)
            .where(LEDGER_ENTRY.c.transaction_id == row.id)
            .order_by(LEDGER_ENTRY.c.position)
        )
        return Transaction(
            id=row.id,
            book=book,
            key=row.business_key,
            description=row.description,
            effective_at=row.effective_at,
            entries=tuple(Entry(_account(entry), entry.amount) for entry in entries),
        )

    def append(self, transaction: Transaction) -> None:
        """Add a transaction, opening the accounts it names."""
        # Entries first: the transaction's row seals them, see tables/ledger.py.
        self._connection.execute(
            insert(LEDGER_ENTRY),
            [
                {
                    "transaction_id": transaction.id,
                    "position": position,
                    "account_id": self._open(entry.account),
                    "amount": entry.amount,
                }
                for position, entry in enumerate(transaction.entries)
            ],
        )
        self._connection.execute(
            insert(LEDGER_TRANSACTION).values(
                id=transaction.id,
                seller_entity_id=transaction.book.entity,
                mode=transaction.book.mode.value,
                business_key=transaction.key,
                description=transaction.description,
                effective_at=transaction.effective_at,
                created_at=self._clock.now(),
            )
        )

    def balances(self, book: Book, *, owner: UUID | None = None) -> Mapping[Account, int]:
        """Return each account's sum of entries in minor units; those of one owner if `owner` is given."""
        query = (
            select(LEDGER_ACCOUNT, func.sum(LEDGER_ENTRY.c.amount).label("balance"))
            .join(LEDGER_ENTRY, LEDGER_ENTRY.c.account_id == LEDGER_ACCOUNT.c.id)
            .where(LEDGER_ACCOUNT.c.seller_entity_id == book.entity, LEDGER_ACCOUNT.c.mode == book.mode.value)
            .group_by(LEDGER_ACCOUNT.c.id)
        )
        if owner is not None:
            query = query.where(LEDGER_ACCOUNT.c.owner_id == owner)
        return {_account(row): int(row.balance) for row in self._connection.execute(query)}

    def _open(self, account: Account) -> UUID:
        here = select(LEDGER_ACCOUNT.c.id, LEDGER_ACCOUNT.c.kind).where(
            LEDGER_ACCOUNT.c.seller_entity_id == account.book.entity,
            LEDGER_ACCOUNT.c.mode == account.book.mode.value,
            LEDGER_ACCOUNT.c.name == account.name,
            LEDGER_ACCOUNT.c.currency == account.currency,
            LEDGER_ACCOUNT.c.owner_id.is_not_distinct_from(account.owner),
        )
        found = self._connection.execute(here).one_or_none()
        if found is None:
            # Of two transactions that open the same account, one waits here and then takes the other's.
            self._connection.execute(
                upsert(self._connection, LEDGER_ACCOUNT)
                .values(
                    id=new_id(),
                    seller_entity_id=account.book.entity,
                    mode=account.book.mode.value,
                    name=account.name,
                    kind=account.kind.value,
                    currency=account.currency,
                    owner_id=account.owner,
                )
                .on_conflict_do_nothing()
            )
            found = self._connection.execute(here).one()
        if found.kind != account.kind.value:
            raise ValueError(f"account {account.name!r} is of kind {found.kind}, not {account.kind}")
        opened: UUID = found.id
        return opened


# Any: a row of ledger_account, with further columns or without.
def _account(row: Any) -> Account:
    return Account(
        book=Book(row.seller_entity_id, Mode(row.mode)),
        name=row.name,
        kind=AccountKind(row.kind),
        currency=row.currency,
        owner=row.owner_id,
    )
