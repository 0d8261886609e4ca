"""Long lists of keys in pieces that fit into one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["parts"]

T = TypeVar("T")

# SQLite's oldest bound on a statement's parameters is 999.
_PARAMETERS = 900


def parts(values: Iterable[T]) -> Iterator[list[T]]:
    """Return `values` in lists of up to 900."""
    rest = iter(values)
    while part := list(islice(rest, _PARAMETERS)):
        yield part
