"""Metering's errors.

TollwayError
├── Conflict
│   └── CursorMoved     another worker has metered this stretch of the log
└── LogUnreadable       a file of the usage log is missing or can't be read
"""

from __future__ import annotations

from tollway.kernel.errors import Conflict, TollwayError
from tollway.metering.models import ShardId

__all__ = ["CursorMoved", "LogUnreadable"]


class CursorMoved(Conflict):
    """Another worker metered this stretch first. Nothing was stored; read the cursors anew."""

    def __init__(self, shard: ShardId, expected: int) -> None:
        self.shard = shard
        super().__init__(f"usage of {shard} from offset {expected} was metered by another worker")


class LogUnreadable(TollwayError):
    """A file of the usage log is missing or can't be read; the text names it and the fix."""
