"""Usage of all customers, and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from tollway.web.console.ports.customers import ActivityDay

__all__ = ["HealthView", "NodeRow", "RouteUsage", "UsageView", "Watch"]


class RouteUsage(NamedTuple):
    """Calls of one route by the class of their status (2 to 5; 0 for usage from elsewhere)."""

    name: str
    calls: int
    by_status: Mapping[int, int]
    bytes_out: int
    last_call_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageView:
    """Usage of all customers in the last 30 days."""

    days: Sequence[ActivityDay]
    routes: Sequence[RouteUsage]
    hours: Sequence[int]
    """Calls in each of the last 24 hours, the present one last."""
    errors: Sequence[int]


class NodeRow(NamedTuple):
    """A gateway node: up to when its usage is metered, and whether it is waited for."""

    node: str
    watermark: datetime | None
    retired: bool
    lagging: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """What runs, and how far metering has come."""

    version: str
    now: datetime
    nodes: Sequence[NodeRow]


class Watch(Protocol):
    """Usage of all, and health."""

    def usage(self) -> UsageView:
        """Return the usage of the last 30 days."""

    def health(self) -> HealthView:
        """Return the state of every node."""
