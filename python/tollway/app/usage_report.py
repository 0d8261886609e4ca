"""Usage as people and scripts see it: names instead of ids, RFC 3339 instead of instants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tollway.app.usage import Usage
from tollway.kernel.errors import InvalidInput
from tollway.kernel.exact import to_text
from tollway.kernel.instants import format_instant, parse_instant
from tollway.kernel.mode import Mode
from tollway.metering.external import EXTERNAL, ExternalEvent
from tollway.metering.models import UsageEvent
from tollway.metering.ports import EventSelection
from tollway.storage.names import Names

__all__ = ["event_rows", "parse_range", "usage_events", "usage_rows"]

_MICROSECOND = timedelta(microseconds=1)


def parse_range(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """Read `--from` and `--to`: RFC 3339, half-open, either may be left out."""
    first = None if start is None else parse_instant(start, "--from")
    last = None if end is None else parse_instant(end, "--to")
    if first is not None and last is not None and first >= last:
        raise InvalidInput("--to", f"{end} is not after --from {start}", "give a later instant")
    return first, last


def usage_rows(
    usage: Usage, *, consumer: str | None, start: datetime | None, end: datetime | None
) -> list[dict[str, Any]]:
    """Return `{"consumer","meter","quantity","from","to"}` per consumer and meter, ordered by them.

    What has been served by now is metered first. `from` and `to` are what was asked for, null where it was
    open; the consumer is null for what was used without a key.
    """
    usage.worker.settle()
    with usage.main.read() as connection:
        names = Names(connection)
        chosen = None if consumer is None else names.consumer_named(consumer)
        rows = [
            {
                "consumer": names.consumer(found.consumer),
                "meter": found.meter,
                "quantity": to_text(found.quantity),
                "from": None if start is None else format_instant(start),
                "to": None if end is None else format_instant(end),
            }
            for found in usage.query.by_consumer(start=start, end=end, consumer=chosen)
        ]
    return sorted(rows, key=lambda row: (row["consumer"] or "", row["meter"] or ""))


def usage_events(
    usage: Usage,
    *,
    consumer: str | None,
    meter: str | None,
    start: datetime | None,
    end: datetime | None,
) -> Iterator[dict[str, Any]]:
    """Yield the metered events as JSON types, in the order of their times within each start of a node.

    What has been served by now is metered first.
    """
    usage.worker.settle()
    with usage.main.read() as connection:
        chosen = None if consumer is None else Names(connection).consumer_named(consumer)
    yield from event_rows(usage, EventSelection(consumer=chosen, meter=meter, start=start, end=end))


def event_rows(usage: Usage, selection: EventSelection) -> Iterator[dict[str, Any]]:
    """Yield the events of a selection that were metered by now, as JSON types."""
    with usage.main.read() as connection:
        names = Names(connection)
        for event in usage.query.events(selection):
            yield _event(event, names)
        for reported in usage.query.external_events(selection):
            yield _external(reported, names)


def _event(event: UsageEvent, names: Names) -> dict[str, Any]:
    return {
        "request_id": event.request_id,
        "time": format_instant(event.time),
        "consumer": names.consumer(event.consumer),
        "status": event.status,
        "route": names.route(event.route),
        "service": names.service(event.service),
        "method": event.method,
        "path": event.path,
        "units": event.units,
        "bytes_in": event.bytes_in,
        "bytes_out": event.bytes_out,
        "duration_us": event.duration // _MICROSECOND,
        "upstream_us": event.upstream_wait // _MICROSECOND,
        "completion": event.completion,
        "source": event.source,
        "grpc_status": event.grpc_status,
        "attempts": event.attempts,
        "part": event.part,
        "last": event.last,
        "mode": Mode.TEST if event.test_mode else Mode.LIVE,
        "customer": None if event.customer is None else str(event.customer),
        "phase": None if event.phase is None else str(event.phase),
        "config_version": event.config_version,
        "identity": f"{event.shard}/{event.offset}",
    }


def _external(event: ExternalEvent, names: Names) -> dict[str, Any]:
    """Return an event from elsewhere: what only an answer of the gateway has is null or left out."""
    return {
        "request_id": None,
        "time": format_instant(event.time),
        "consumer": names.consumer(event.consumer),
        "status": None,
        "route": None,
        "api_endpoint": event.endpoint or None,
        "units": event.units,
        "source": "external",
        "event_source": event.source,
        "event_id": event.id,
        "received": format_instant(event.received_at),
        "mode": Mode.TEST if event.test_mode else Mode.LIVE,
        "customer": None if event.customer is None else str(event.customer),
        "phase": None if event.phase is None else str(event.phase),
        "identity": f"{EXTERNAL}/{event.position}",
    }
