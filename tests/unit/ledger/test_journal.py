"""The journal balances, posts once, and can't be changed, not even by raw SQL."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from tests.support.databases import migrated, undone
from tollway.kernel.clock import ManualClock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.ledger.errors import KeyReused, UnbalancedTransaction
from tollway.ledger.models import Account, AccountKind, Book, Entry, Transaction
from tollway.ledger.service import post
from tollway.storage.database import Database
from tollway.storage.ledger import SqlJournal
from tollway.storage.tables.billing import SELLER_ENTITY
from tollway.storage.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY, LEDGER_TRANSACTION

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CLOCK = ManualClock(NOW)
SELLER = UUID(int=1)
BOOK = Book(SELLER, Mode.LIVE)
ACCOUNTS = [
    Account(BOOK, name, kind, currency, owner)
    for name, kind, owner in (
        ("receivable", AccountKind.ASSET, UUID(int=7)),
        ("receivable", AccountKind.ASSET, UUID(int=8)),
        ("revenue:fees", AccountKind.REVENUE, None),
    )
    for currency in ("USD", "JPY")
]


def _opened(folder: Path) -> Database:
    database = migrated(folder)
    with database.write() as connection:
        connection.execute(
            insert(SELLER_ENTITY).values(
                id=SELLER,
                slug="default",
                address=[],
                tax_ids=[],
                invoice_prefix="INV-",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    return database


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = _opened(tmp_path_factory.mktemp("ledger"))
    yield database
    database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = _opened(tmp_path)
    yield database
    database.close()


def _transaction(amounts: list[tuple[int, int]], key: str = "k") -> Transaction:
    entries = tuple(Entry(ACCOUNTS[index], amount) for index, amount in amounts)
    return Transaction(id=new_id(), book=BOOK, key=key, description="test", effective_at=NOW, entries=entries)


@st.composite
def balanced(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Entries that sum to zero in each currency they are in."""
    amounts = draw(
        st.lists(st.tuples(st.integers(0, len(ACCOUNTS) - 1), st.integers(-(10**12), 10**12)), max_size=6)
    )
    totals: dict[str, int] = defaultdict(int)
    for index, amount in amounts:
        totals[ACCOUNTS[index].currency] += amount
    closing = [
        (next(i for i, account in enumerate(ACCOUNTS) if account.currency == currency), -total)
        for currency, total in totals.items()
        if total
    ]
    return [*amounts, *closing] or [(0, 0)]


@given(
    st.lists(st.tuples(st.integers(0, len(ACCOUNTS) - 1), st.integers(-1000, 1000)), min_size=1, max_size=6)
)
def test_only_balanced_transactions_can_be_made(amounts: list[tuple[int, int]]) -> None:
    totals: dict[str, int] = defaultdict(int)
    for index, amount in amounts:
        totals[ACCOUNTS[index].currency] += amount
    if any(totals.values()):
        with pytest.raises(UnbalancedTransaction, match="sum to"):
            _transaction(amounts)
    else:
        assert not any(_transaction(amounts).totals().values())


@settings(max_examples=25, deadline=None)
@given(postings=st.lists(balanced(), max_size=6), seed=st.integers(0, 2**32))
def test_balances_sum_to_zero_and_do_not_depend_on_order(
    untouched: Database, postings: list[list[tuple[int, int]]], seed: int
) -> None:
    transactions = [_transaction(amounts, key=f"k{index}") for index, amounts in enumerate(postings)]
    shuffled = random.Random(seed).sample(transactions, len(transactions))
    expected: dict[Account, int] = defaultdict(int)
    for transaction in transactions:
        for entry in transaction.entries:
            expected[entry.account] += entry.amount
    for order in (transactions, shuffled):
        with undone(untouched) as connection:
            journal = SqlJournal(connection, CLOCK)
            for transaction in order:
                post(journal, transaction)
                post(journal, transaction)  # the same again is no change
            balances = journal.balances(BOOK)
            assert balances == dict(expected)
            for currency in ("USD", "JPY"):
                assert sum(v for account, v in balances.items() if account.currency == currency) == 0


def test_a_key_is_posted_once(database: Database) -> None:
    with database.write() as connection:
        journal = SqlJournal(connection, CLOCK)
        first = post(journal, _transaction([(0, 500), (4, -500)]))
        assert post(journal, _transaction([(4, -500), (0, 500)])).id == first.id
        with pytest.raises(KeyReused, match="'k' already stands"):
            post(journal, _transaction([(0, 501), (4, -501)]))
    with database.read() as connection:
        journal = SqlJournal(connection, CLOCK)
        assert journal.balances(BOOK) == {ACCOUNTS[0]: 500, ACCOUNTS[4]: -500}
        assert journal.balances(BOOK, owner=UUID(int=7)) == {ACCOUNTS[0]: 500}
        assert journal.balances(Book(SELLER, Mode.TEST)) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET amount = amount + 1",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_transaction SET description = 'x'",
        "DELETE FROM ledger_transaction",
        "UPDATE ledger_account SET name = 'x'",
        "DELETE FROM ledger_account",
        "INSERT INTO ledger_entry SELECT transaction_id, 9, account_id, 0 FROM ledger_entry LIMIT 1",
    ],
)
def test_raw_sql_cannot_change_the_journal(database: Database, statement: str) -> None:
    with database.write() as connection:
        post(SqlJournal(connection, CLOCK), _transaction([(0, 500), (4, -500)]))
    with (
        pytest.raises(IntegrityError, match=r"never change|no further entries"),
        database.write() as connection,
    ):
        connection.execute(text(statement))


def test_the_database_refuses_what_does_not_balance(database: Database) -> None:
    account, transaction = new_id(), new_id()
    with undone(database) as connection:
        connection.execute(
            insert(LEDGER_ACCOUNT).values(
                id=account, seller_entity_id=SELLER, mode="live", name="x", kind="asset", currency="USD"
            )
        )
        connection.execute(
            insert(LEDGER_ENTRY).values(transaction_id=transaction, position=0, account_id=account, amount=1)
        )
        row = insert(LEDGER_TRANSACTION).values(
            id=transaction,
            seller_entity_id=SELLER,
            mode="live",
            business_key="k",
            description="",
            effective_at=NOW,
            created_at=NOW,
        )
        with pytest.raises(IntegrityError, match="sum to zero"):
            connection.execute(row)


def test_entries_without_a_transaction_are_not_committed(database: Database) -> None:
    with database.write() as connection:
        post(SqlJournal(connection, CLOCK), _transaction([(0, 500), (4, -500)]))
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(
            text("INSERT INTO ledger_entry SELECT :id, 0, account_id, 5 FROM ledger_entry LIMIT 1"),
            {"id": str(new_id())},
        )
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger_entry")).scalar_one() == 2
