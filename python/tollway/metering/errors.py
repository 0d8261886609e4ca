"""Metering's errors.

TollwayError
└── Conflict
└── CursorMoved     another worker has metered this stretch of the log
"""

from __future__ import annotations

from tollway.kernel.errors import Conflict
from tollway.metering.models import ShardId

__all__ = ["CursorMoved"]


class CursorMoved(Conflict):
    """Another worker metered this stretch first. Nothing was stored; read the cursors anew."""

    def __init__(self, shard: ShardId, expected: int) -> None:
        self.shard = shard
        super().__init__(f"usage of {shard} from offset {expected} was metered by another worker")
