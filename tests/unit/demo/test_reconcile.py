"""The reconciliation finds what is lost, doubled, foreign or charged to somebody else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.reconcile import Entry, Reconciliation, reconcile

BOOK = [("a", "1"), ("a", "2"), ("b", "3")]


def compare(
    metered: list[Entry], invoiced: list[Entry], charged: dict[str, int] | None = None
) -> Reconciliation:
    if charged is None:
        charged = dict(Counter(consumer for consumer, _ in invoiced))
    return reconcile(served=BOOK, metered=metered, invoiced=invoiced, charged=charged, seen="123456")


def test_equal_books_agree() -> None:
    found = compare(BOOK, BOOK)
    assert found.agrees
    assert found.verdict(7) == "served=3 metered=3 invoiced=3 limited=7 lost=0 doubled=0"


@pytest.mark.parametrize(
    ("books", "lost_and_doubled", "told"),
    [
        ((BOOK[:2], BOOK, None), (1, 0), "b: 1 served, but not in usage events: 3"),
        ((BOOK, BOOK[1:], None), (1, 0), "a: 1 served, but not in invoices: 1"),
        ((BOOK[1:], BOOK[1:], None), (1, 0), "a: 1 served, but not in usage events: 1"),
        (([*BOOK, ("a", "1")], BOOK, None), (0, 1), "a: 1 more than once in usage events: 1"),
        ((BOOK, [*BOOK, ("b", "3"), ("b", "3")], None), (0, 2), "b: 1 more than once in invoices: 3"),
        (
            ([*BOOK, ("c", "9")], BOOK, None),
            (0, 0),
            "c: 1 in usage events, but not received by the client: 9",
        ),
        (
            (BOOK, [("b", "1"), *BOOK[1:]], None),
            (1, 0),
            "b: 1 in invoices, but not received by the client: 1",
        ),
        ((BOOK, BOOK, {"a": 2, "b": 2}), (0, 0), "b: lines for 2 calls open to 1 requests"),
        ((BOOK, BOOK, {"a": 2}), (0, 0), "b: lines for 0 calls open to 1 requests"),
    ],
)
def test_each_difference_is_told(
    books: tuple[list[Entry], list[Entry], dict[str, int] | None],
    lost_and_doubled: tuple[int, int],
    told: str,
) -> None:
    found = compare(*books)
    assert (found.lost, found.doubled) == lost_and_doubled
    assert told in found.differences
    assert not found.agrees


entries = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123456")))


@given(entries, entries, entries)
def test_only_equal_books_without_repetition_agree(
    served: list[Entry], metered: list[Entry], invoiced: list[Entry]
) -> None:
    charged = Counter(consumer for consumer, _ in invoiced)
    found = reconcile(served=served, metered=metered, invoiced=invoiced, charged=charged, seen="123456")
    same = set(served) == set(metered) == set(invoiced)
    once = all(len(book) == len(set(book)) for book in (served, metered, invoiced))
    assert found.agrees == (same and once)
    assert found.lost == len(set(served) - (set(metered) & set(invoiced)))
    assert (found.served, found.metered, found.invoiced) == (len(served), len(metered), len(invoiced))


def test_what_the_upstream_never_saw_is_told() -> None:
    charged = {"a": 2, "b": 1}
    found = reconcile(served=BOOK, metered=BOOK, invoiced=BOOK, charged=charged, seen={"1", "3"})
    assert found.differences == ("a: 1 served, but never seen by the upstream: 2",)
