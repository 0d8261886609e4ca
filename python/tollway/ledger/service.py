"""Posting to the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tollway.ledger.errors import KeyReused
from tollway.ledger.models import Book, Transaction
from tollway.ledger.ports import Journal

__all__ = ["post", "post_all"]


def post(journal: Journal, transaction: Transaction) -> Transaction:
    """Post `transaction` once and return what stands in the journal under its key.

    Posting again what is already there changes nothing.

    Raises:
        KeyReused: other amounts stand under this key.
    """
    present = journal.find(transaction.book, transaction.key)
    if present is None:
        journal.append([transaction])
        return transaction
    if not present.says_the_same_as(transaction):
        raise KeyReused(f"ledger key {transaction.key!r} already stands for other amounts")
    return present


def post_all(journal: Journal, transactions: Sequence[Transaction]) -> None:
    """Post many transactions as `post` does each, with few statements; their keys differ.

    Raises:
        KeyReused: other amounts stand under one of the keys.
    """
    books: dict[Book, list[Transaction]] = defaultdict(list)
    for transaction in transactions:
        books[transaction.book].append(transaction)
    for book, posted in books.items():
        known = set(journal.known(book, [transaction.key for transaction in posted]))
        for transaction in posted:
            if transaction.key in known:
                post(journal, transaction)
        new = [transaction for transaction in posted if transaction.key not in known]
        if new:
            journal.append(new)
