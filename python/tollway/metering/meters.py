"""A meter says which events count and what of them is added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tollway.kernel.errors import InvalidInput
from tollway.metering.models import Source

__all__ = ["Aggregation", "CompletionRule", "Dimension", "Meter", "MeterFilter", "SummedField"]


class Aggregation(StrEnum):
    """How events become a quantity. Both add up over time."""

    COUNT = "count"
    """Exchanges; a long one, which the log holds in parts, is one."""
    SUM = "sum"
    """The sum of a field."""


class SummedField(StrEnum):
    """What `sum` adds up."""

    UNITS = "units"
    BYTES_IN = "bytes_in"
    BYTES_OUT = "bytes_out"


class CompletionRule(StrEnum):
    """Whether exchanges count that somebody broke off."""

    COMPLETE = "complete"
    ANY = "any"


class Dimension(StrEnum):
    """What a meter may keep apart within a customer's usage."""

    ROUTE = "route"
    SERVICE = "service"
    METHOD = "method"
    STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFilter:
    """Which events a meter takes: those that match every field. None matches all, an empty set nothing.

    `statuses` holds classes (`"2xx"`) and codes (`"404"`). Without `completion`, broken-off exchanges
    are left out of a count, and what was delivered of them is in a sum.
    """

    statuses: frozenset[str] | None = None
    methods: frozenset[str] | None = None
    routes: frozenset[UUID] | None = None
    services: frozenset[UUID] | None = None
    sources: frozenset[Source] | None = None
    completion: CompletionRule | None = None

    def __post_init__(self) -> None:
        for status in self.statuses or ():
            if not (len(status) == 3 and status[0] in "12345" and (status[1:] == "xx" or status.isdigit())):
                raise InvalidInput(
                    "filter.status", f"{status!r} is no status", 'write a class ("2xx") or a code ("404")'
                )
        for method in self.methods or ():
            if not method.isupper():
                raise InvalidInput("filter.methods", f"{method!r} is no method", f"write {method.upper()!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One meter. A change of what it counts is a new meter with its own `effective_from`.

    An event counts if its time is at or after `effective_from`, and before `effective_until` if that
    is set, whenever it is read.
    """

    id: UUID
    name: str
    aggregation: Aggregation
    effective_from: datetime
    effective_until: datetime | None = None
    summed: SummedField | None = None
    filter: MeterFilter = field(default_factory=MeterFilter)
    dimensions: tuple[Dimension, ...] = ()

    def __post_init__(self) -> None:
        if (self.aggregation is Aggregation.SUM) != (self.summed is not None):
            raise InvalidInput(
                f"meters[{self.name}].sum",
                "a sum needs a field to add up, a count has none",
                f"name one of {', '.join(SummedField)} with aggregation sum only",
            )

    @property
    def takes_broken_off(self) -> bool:
        """Whether exchanges that somebody broke off count."""
        if self.filter.completion is None:
            return self.aggregation is not Aggregation.COUNT
        return self.filter.completion is CompletionRule.ANY
