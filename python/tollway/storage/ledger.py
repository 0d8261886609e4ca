"""The journal's repository."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, or_, select

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

    def known(self, book: Book, keys: Collection[str]) -> Collection[str]:
        """See `Journal.known`."""
        c = LEDGER_TRANSACTION.c
        query = select(c.business_key).where(
            c.seller_entity_id == book.entity, c.mode == book.mode.value, c.business_key.in_(keys)
        )
        return self._connection.scalars(query).all()

    def append(self, transactions: Sequence[Transaction]) -> None:
        """Add transactions, opening the accounts they name."""
        accounts = self._open({entry.account for one in transactions for entry in one.entries})
        # Entries first: the transaction's row seals them, see tables/ledger.py.
        self._connection.execute(
            insert(LEDGER_ENTRY),
            [
                {
                    "transaction_id": transaction.id,
                    "position": position,
                    "account_id": accounts[entry.account],
                    "amount": entry.amount,
                }
                for transaction in transactions
                for position, entry in enumerate(transaction.entries)
            ],
        )
        self._connection.execute(
            insert(LEDGER_TRANSACTION),
            [
                {
                    "id": transaction.id,
                    "seller_entity_id": transaction.book.entity,
                    "mode": transaction.book.mode.value,
                    "business_key": transaction.key,
                    "description": transaction.description,
                    "effective_at": transaction.effective_at,
                    "created_at": self._clock.now(),
                }
                for transaction in transactions
            ],
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

    def _open(self, accounts: Collection[Account]) -> Mapping[Account, UUID]:
        """Return the accounts' ids; those that there are not yet are opened."""
        found = self._find(accounts)
        missing = [account for account in accounts if account not in found]
        if missing:
            # Of two transactions that open the same account, one waits here and then takes the other's.
            self._connection.execute(
                upsert(self._connection, LEDGER_ACCOUNT).on_conflict_do_nothing(),
                [
                    {
                        "id": new_id(),
                        "seller_entity_id": account.book.entity,
                        "mode": account.book.mode.value,
                        "name": account.name,
                        "kind": account.kind.value,
                        "currency": account.currency,
                        "owner_id": account.owner,
                    }
                    # In one order for all, so that two transactions can't wait for each other.
                    for account in sorted(missing, key=_order)
                ],
            )
            found = self._find(accounts)
        for account in accounts:
            if account not in found:
                raise ValueError(f"account {account.name!r} is not of kind {account.kind}")
        return found

    def _find(self, accounts: Collection[Account]) -> dict[Account, UUID]:
        c = LEDGER_ACCOUNT.c
        owners = {account.owner for account in accounts if account.owner is not None}
        rows = self._connection.execute(
            select(LEDGER_ACCOUNT).where(
                c.seller_entity_id.in_({account.book.entity for account in accounts}),
                c.mode.in_({account.book.mode.value for account in accounts}),
                c.name.in_({account.name for account in accounts}),
                c.currency.in_({account.currency for account in accounts}),
                or_(c.owner_id.is_(None), c.owner_id.in_(owners)),
            )
        )
        return {_account(row): row.id for row in rows}


def _order(account: Account) -> tuple[str, ...]:
    return (
        str(account.book.entity),
        account.book.mode.value,
        account.name,
        account.currency,
        str(account.owner),
    )


# Any: a row of ledger_account, with further columns or without.
def _account(row: Any) -> Account:
    return Account(
        book=Book(row.seller_entity_id, Mode(row.mode)),
        name=row.name,
        kind=AccountKind(row.kind),
        currency=row.currency,
        owner=row.owner_id,
    )
