"""Usage of all customers, and how far metering has come."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import UUID

from tollway.app.desks.customers import activity_days
from tollway.kernel.clock import Clock
from tollway.metering.activity import ActivityQuery
from tollway.metering.ports import UsageQuery
from tollway.storage.database import Database
from tollway.storage.names import Names
from tollway.web.console.ports.watch import HealthView, NodeRow, RouteUsage, UsageView

__all__ = ["WatchDesk"]

_DAYS, _HOUR, _DAY = timedelta(days=30), timedelta(hours=1), timedelta(days=1)
_LAGGING = timedelta(minutes=5)


class WatchDesk:
    """`tollway.web.console.ports.watch.Watch`."""

    def __init__(self, main: Database, usage: UsageQuery, activity: ActivityQuery, clock: Clock) -> None:
        self._main = main
        self._usage = usage
        self._activity = activity
        self._clock = clock

    def usage(self) -> UsageView:
        """See `Watch.usage`."""
        now = self._clock.now()
        by_day = self._activity.activity(start=now - _DAYS, end=now + _DAY, by=("day", "status"))
        by_route = self._activity.activity(
            start=now - _DAYS, end=now + _DAY, by=("route", "endpoint", "status")
        )
        first = now.replace(minute=0, second=0, microsecond=0) - 23 * _HOUR
        calls: Counter[datetime] = Counter()
        errors: Counter[datetime] = Counter()
        for row in self._activity.activity(start=first, end=now + _DAY, by=("hour", "status")):
            hour, status = row.keys
            assert isinstance(hour, datetime)
            calls[hour] += row.requests
            if isinstance(status, int) and status >= 500:
                errors[hour] += row.requests
        routes: dict[tuple[UUID | None, str | None], list[tuple[int, int, int, datetime]]] = defaultdict(list)
        for row in by_route:
            route, endpoint, status = row.keys
            key = (route if isinstance(route, UUID) else None, None if endpoint is None else str(endpoint))
            group = status // 100 if isinstance(status, int) else 0
            routes[key].append((group, row.requests, row.bytes_out, row.last_at))
        with self._main.read() as connection:
            names = Names(connection)
            found = [
                RouteUsage(
                    name=names.route(route) or endpoint or "no route",
                    calls=sum(requests for _, requests, _, _ in rows),
                    by_status=_sums(rows),
                    bytes_out=sum(size for _, _, size, _ in rows),
                    last_call_at=max(last for *_, last in rows),
                )
                for (route, endpoint), rows in routes.items()
            ]
        hours = [first + back * _HOUR for back in range(24)]
        return UsageView(
            days=activity_days(by_day, now),
            routes=sorted(found, key=lambda one: (-one.calls, one.name)),
            hours=[calls[hour] for hour in hours],
            errors=[errors[hour] for hour in hours],
        )

    def health(self) -> HealthView:
        """See `Watch.health`."""
        now = self._clock.now()
        return HealthView(
            version=version("tollway"),
            now=now,
            nodes=[
                NodeRow(node.node, node.watermark, node.retired_at is not None, node.lags(now - _LAGGING))
                for node in self._usage.nodes()
            ],
        )


def _sums(rows: list[tuple[int, int, int, datetime]]) -> dict[int, int]:
    sums: Counter[int] = Counter()
    for group, requests, _, _ in rows:
        sums[group] += requests
    return dict(sums)
