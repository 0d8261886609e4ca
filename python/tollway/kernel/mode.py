"""Mode: whether an object is about real money."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Mode"]


class Mode(StrEnum):
    """Live or test; on every commercial object, key, event, clock and ledger.

    What is test is rated and invoiced in a series of its own, never collected and never counted as revenue.
    """

    LIVE = "live"
    TEST = "test"
