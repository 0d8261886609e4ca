"""Reading usage: of the part that closes, what turned up late for others, and the events behind a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import NamedTuple, Self
from uuid import UUID

from tollway.billing.building import Bill, metered_prices
from tollway.billing.models import Invoice, InvoiceLine
from tollway.billing.timeline import PartKey, PeriodPart
from tollway.billing.usage import UsageOfParts
from tollway.metering.models import UsageReading
from tollway.metering.ports import EventSelection, UsageQuery, UsageSpan

__all__ = ["events_behind", "read_usage"]

_Quantities = Mapping[str, Decimal]


def read_usage(query: UsageQuery, bills: Sequence[Bill]) -> list[UsageOfParts | None]:
    """Return what each bill's parts hold, in one view of what was metered; None if no part is metered."""
    wanted = [_Wanted.of(bill) for bill in bills]
    spans = [span for one in wanted for span in one.spans]
    readings = iter(query.readings(spans) if spans else ())
    return [one.usage(query, list(islice(readings, len(one.spans)))) for one in wanted]


class _Wanted(NamedTuple):
    """What is read for one bill.

    Late usage is rare: a sum over all closed parts of a phase, or of an add-on in it, tells whether there is
    any, and only then are they read one by one.
    """

    bill: Bill
    runs: Sequence[Sequence[PeriodPart]]
    closing: Sequence[PeriodPart]

    @classmethod
    def of(cls, bill: Bill) -> Self:
        """Return what there is to read: nothing of parts that have no metered price."""
        closing = [part for part in bill.closes if any(metered_prices(part))]
        return cls(bill, _runs([part for part in bill.closed if any(metered_prices(part))]), closing)

    @property
    def spans(self) -> list[UsageSpan]:
        """A sum for each run of closed parts, then the parts that close."""
        sums = [_span(self.bill, parts[0], parts[-1]) for parts in self.runs]
        return [*sums, *(_span(self.bill, part, part) for part in self.closing)]

    def usage(self, query: UsageQuery, readings: Sequence[UsageReading]) -> UsageOfParts | None:
        """Return what the parts hold, given the readings of `spans`."""
        if not readings:
            return None
        sums = readings[: len(self.runs)]
        closed = [part for parts in self.runs for part in parts]
        billed = {part.key: _billed(self.bill, part) for part in closed}
        if any(_differs(found, parts, billed) for found, parts in zip(sums, self.runs, strict=True)):
            every = [*closed, *self.closing]
            readings = query.readings([_span(self.bill, part, part) for part in every])
            quantities = {part.key: _by_meter(found) for part, found in zip(every, readings, strict=True)}
        else:
            latest = zip(self.closing, readings[len(self.runs) :], strict=True)
            quantities = billed | {part.key: _by_meter(found) for part, found in latest}
        return UsageOfParts(quantities=quantities, cursors=readings[0].cursors, nodes=readings[0].nodes)


def events_behind(invoice: Invoice, line: InvoiceLine) -> EventSelection:
    """Return which events a usage line is about: as many as its quantity, for a meter that counts."""
    assert line.usage is not None, "only a usage line has events"
    return EventSelection(
        customer=invoice.customer,
        phase=line.phase,
        meter=line.usage.meter,
        start=line.usage.start,
        end=line.usage.end,
        after=line.usage.after,
        up_to=invoice.usage_cursor,
    )


def _runs(parts: Sequence[PeriodPart]) -> list[list[PeriodPart]]:
    """Return the parts by phase and add-on: those of one run follow each other without a gap."""
    runs: dict[tuple[UUID, UUID | None], list[PeriodPart]] = defaultdict(list)
    for part in parts:
        runs[part.key[:2]].append(part)
    return list(runs.values())


def _span(bill: Bill, first: PeriodPart, last: PeriodPart) -> UsageSpan:
    return UsageSpan(
        customer=bill.subscription.customer,
        phase=first.phase.id,
        start=first.usage_start,
        end=last.usage_end,
    )


def _billed(bill: Bill, part: PeriodPart) -> _Quantities:
    """Return what was billed for a part of each meter that it is charged by."""
    return {
        meter: sum((line.quantity for line in bill.usage_lines(part, index)), Decimal(0))
        for index, _, meter in metered_prices(part)
    }


def _differs(found: UsageReading, parts: Sequence[PeriodPart], billed: Mapping[PartKey, _Quantities]) -> bool:
    """Whether the parts hold anything else than was billed for them, of the meters charged by."""
    held = _by_meter(found)
    nothing = Decimal(0)
    return any(
        held.get(meter, nothing) != sum((billed[part.key].get(meter, nothing) for part in parts), nothing)
        for _, _, meter in metered_prices(parts[0])
    )


def _by_meter(reading: UsageReading) -> _Quantities:
    return {found.meter: found.quantity for found in reading.quantities}
