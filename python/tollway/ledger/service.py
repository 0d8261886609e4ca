"""Posting to the journal."""

from __future__ import annotations

from tollway.ledger.errors import KeyReused
from tollway.ledger.models import Transaction
from tollway.ledger.ports import Journal

__all__ = ["post"]


def post(journal: Journal, transaction: Transaction) -> Transaction:
    """Post `transaction` once and return what stands in the journal under its key.

    Posting again what is already there changes nothing.

    Raises:
        KeyReused: other amounts stand under this key.
    """
    present = journal.find(transaction.book, transaction.key)
    if present is None:
        journal.append(transaction)
        return transaction
    if not present.says_the_same_as(transaction):
        raise KeyReused(f"ledger key {transaction.key!r} already stands for other amounts")
    return present
