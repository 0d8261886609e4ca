"""A real usage log and a usage database, with what meters the one into the other.

Run as a module with a folder and a database's URL, it meters what there is and ends: a process that a
test may have killed.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from tests.unit.metering.fakes import FixedMeters, meter
from tollway import _native
from tollway.app.metering import MeteringWorker
from tollway.gateway.usage_log import NativeUsageLog
from tollway.kernel.clock import SystemClock
from tollway.metering.intake import Intake
from tollway.metering.meters import MeterFilter
from tollway.metering.query import StoredUsage
from tollway.storage.database import Database
from tollway.storage.metering import SqlUsageStorage

__all__ = ["NODE", "Metered"]

NODE = "ab" * 16
_METERS = FixedMeters(meter("api_calls", 1, filter=MeterFilter(statuses=frozenset({"2xx"}))))


class Metered:
    """What meters `folder`/usage-log into `database`."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.directory = folder / "usage-log"
        self.log = NativeUsageLog(self.directory)
        self.storage = SqlUsageStorage(database)
        self.query = StoredUsage(self.log, self.storage, _METERS)
        self.worker = self.new_worker()

    def new_worker(self) -> MeteringWorker:
        """Return another worker, as another process would be."""
        clock = SystemClock()
        log = NativeUsageLog(self.directory)
        return MeteringWorker(Intake(log, self.storage, _METERS, clock), self.storage, clock)

    def writer(self, *, shards: int = 1, now_us: int = 0) -> _native.UsageWriter:
        """Begin a new epoch of the node."""
        return _native.UsageWriter(str(self.directory), NODE, shards=shards, now_us=now_us)

    def total(self, start: datetime | None = None, end: datetime | None = None) -> int:
        """Return how many events of a range count."""
        return int(sum(found.quantity for found in self.query.quantities(start=start, end=end).quantities))


if __name__ == "__main__":
    home = Path(sys.argv[1])
    Metered(home, Database(sys.argv[2], "usage")).worker.catch_up()
