"""Wires metering: the usage log, the usage database and the catalog's meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from tollway.app.data_dir import prepare
from tollway.app.external_usage import ExternalUsage
from tollway.app.metering import MeteringWorker
from tollway.app.settings import Settings
from tollway.gateway.usage_log import NativeUsageLog
from tollway.kernel.clock import Clock, SystemClock
from tollway.metering.activity import ActivityQuery
from tollway.metering.intake import Intake
from tollway.metering.meters import Aggregation, CompletionRule, Meter, MeterFilter, SummedField
from tollway.metering.nodes import Nodes
from tollway.metering.ports import UsageLog
from tollway.metering.query import StoredUsage
from tollway.storage.activity import SqlActivity
from tollway.storage.attributions import SqlAttributions
from tollway.storage.database import Database
from tollway.storage.external import SqlExternalStorage
from tollway.storage.metering import SqlUsageStorage
from tollway.storage.meters import StoredMeter, stored_meters
from tollway.storage.migrate import upgrade

__all__ = ["CatalogMeters", "Usage", "open_usage", "usage_over"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Metering, ready to use. `main` is the main database, for what usage is named after."""

    worker: MeteringWorker
    query: StoredUsage
    activity: ActivityQuery
    nodes: Nodes
    storage: SqlUsageStorage
    external: ExternalUsage
    reported: SqlExternalStorage
    main: Database


@contextmanager
def open_usage(settings: Settings, clock: Clock | None = None) -> Iterator[Usage]:
    """Open both databases, bring them up to date, and wire metering to them and to the usage log."""
    clock = clock or SystemClock()
    # A folder that never ran is an empty log; the commands that look at it work all the same.
    prepare(settings)
    main, usage = Database(settings.main_url, "main"), Database(settings.usage_url, "usage")
    try:
        upgrade(main)
        upgrade(usage)
        yield usage_over(main, usage, NativeUsageLog(settings.usage_log_dir), clock)
    finally:
        usage.close()
        main.close()


def usage_over(main: Database, usage: Database, log: UsageLog, clock: Clock) -> Usage:
    """Wire metering to databases that are up to date and to a usage log."""
    storage = SqlUsageStorage(usage)
    return Usage(
        worker=MeteringWorker(Intake(log, storage, CatalogMeters(main.write), clock), storage, clock),
        query=StoredUsage(log, storage, CatalogMeters(main.read)),
        activity=SqlActivity(usage),
        nodes=Nodes(log, storage, clock),
        storage=storage,
        external=ExternalUsage(SqlExternalStorage(usage), SqlAttributions(main), clock),
        reported=SqlExternalStorage(usage),
        main=main,
    )


class CatalogMeters:
    """The catalog's meters as metering knows them: `tollway.metering.ports.MeterSource`.

    `transaction` opens one on the main database. Metering needs `Database.write`, which waits for a meter
    that is being stored; whoever asks about what has been metered does with `Database.read`.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction

    def meters(self) -> Sequence[Meter]:
        """See `MeterSource.meters`."""
        with self._transaction() as connection:
            return [_meter(stored) for stored in stored_meters(connection)]


def _meter(stored: StoredMeter) -> Meter:
    meter = stored.meter
    taken = meter.filter
    return Meter(
        id=stored.id,
        name=meter.name,
        aggregation=Aggregation(meter.aggregation.value),
        summed=None if meter.summed is None else SummedField(meter.summed.value),
        effective_from=stored.effective_from,
        effective_until=stored.effective_until,
        filter=MeterFilter(
            statuses=taken.status or None,
            methods=taken.method or None,
            routes=stored.routes if taken.route else None,
            completion=None if meter.completion is None else CompletionRule(meter.completion.value),
        ),
    )
