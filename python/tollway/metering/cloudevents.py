"""Reading usage reported as CloudEvents 1.0 in JSON, one or a batch: all of it is good, or none is taken.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tollway.kernel.errors import InvalidInput
from tollway.metering.external import UNITS, UsageReport
from tollway.metering.reports import fields_of, read_json, text_field, time_field, units_field

__all__ = ["LARGEST_BATCH", "FaultyEvents", "read_events"]

LARGEST_BATCH = 1000
"""Events of a request."""

_LONGEST = 2 * 1024 * 1024


class FaultyEvents(InvalidInput):
    """Events can't be read. The first fault is the error's own; `faults` has one of each faulty event."""

    def __init__(self, faults: Sequence[InvalidInput]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(first.location, first.problem, first.fix)


def read_events(
    body: bytes, *, batch: bool, now: datetime, subject: str | None = None, reporter: UUID | None = None
) -> list[UsageReport]:
    """Read one event or a batch.

    `subject` is whom an event is about that names nobody; `reporter` is who reports, none for the seller. A
    fault's location is the field, behind its event's place in a batch: `[3].data.usage_units`.

    Raises:
        FaultyEvents: names a fault of each event that has one.
        InvalidInput: the body is no such JSON.
    """
    content = read_json(body, longest=_LONGEST)
    if not batch:
        return _all([(content, "")], now, subject, reporter)
    if not isinstance(content, list) or not 0 < len(content) <= LARGEST_BATCH:
        raise InvalidInput("body", f"no JSON array of 1 to {LARGEST_BATCH} events", "send several batches")
    return _all([(event, f"[{index}].") for index, event in enumerate(content)], now, subject, reporter)


def _all(
    events: Sequence[tuple[object, str]], now: datetime, subject: str | None, reporter: UUID | None
) -> list[UsageReport]:
    reports: list[UsageReport] = []
    faults: list[InvalidInput] = []
    for event, place in events:
        try:
            reports.append(_report(event, now, subject, reporter))
        except InvalidInput as fault:
            faults.append(InvalidInput(place + fault.location, fault.problem, fault.fix))
    if faults:
        raise FaultyEvents(faults)
    return reports


def _report(content: object, now: datetime, subject: str | None, reporter: UUID | None) -> UsageReport:
    event = fields_of(content, "event")
    if event.get("specversion") != "1.0":
        raise InvalidInput("specversion", "not 1.0", 'write "specversion": "1.0"')
    if event.get("type") != UNITS:
        raise InvalidInput("type", "no meter counts events of this type", f'write "type": "{UNITS}"')
    if event.get("datacontenttype", "application/json") != "application/json":
        raise InvalidInput("datacontenttype", "not application/json", "write data as JSON")
    data = fields_of(event.get("data"), "data")
    time, whole = now, False
    if event.get("time") is not None:
        time, whole = time_field(event["time"], "time", now)
    endpoint = data.get("api_endpoint")
    return UsageReport(
        subject=text_field(event.get("subject", subject), "subject"),
        endpoint="" if endpoint is None else text_field(endpoint, "data.api_endpoint"),
        time=time,
        whole_second=whole,
        units=units_field(data.get("usage_units"), "data.usage_units"),
        source=text_field(event.get("source"), "source"),
        id=text_field(event.get("id"), "id"),
        reporter=reporter,
    )
