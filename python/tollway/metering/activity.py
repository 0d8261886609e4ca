"""Usage as pages show it: per hour, consumer, key, route and status, kept beside the usage records.

Usage records hold what meters counted, which is what is billed. Activity holds every event, whether a meter
takes it or not, so that a page can say which key was used when, and what failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

__all__ = [
    "HOUR_MICROS",
    "ActivityKey",
    "ActivityQuery",
    "ActivityRecord",
    "ActivityRow",
    "By",
]

HOUR_MICROS = 3_600_000_000

By = Literal["day", "hour", "route", "credential", "status", "consumer", "endpoint"]
"""What rows may be kept apart by."""

ActivityKey = datetime | UUID | int | str | None
"""One of a row's keys.

`day`, `hour`: aware datetime, its beginning in UTC. `route`, `credential`, `consumer`: UUID or none.
`status`: the answer's code, none for usage from elsewhere. `endpoint`: what usage from elsewhere names as
`api_endpoint`, none for the gateway's own.
"""


class ActivityRecord(NamedTuple):
    """What is stored. Identifiers are 16 raw bytes, zero for none; instants are µs since 1970."""

    hour: int
    customer: bytes
    consumer: bytes
    credential: bytes
    route: bytes
    status: int
    test_mode: bool
    endpoint: str
    requests: int
    units: int
    bytes_out: int
    last: int


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """An answer's row: `keys` in the order in which `by` named them."""

    keys: tuple[ActivityKey, ...]
    requests: int
    """Exchanges, whatever their status; an event from elsewhere is one."""
    units: int
    bytes_out: int
    last_at: datetime
    """The time of the latest event."""


class ActivityQuery(Protocol):
    """What pages read. What the gateway itself refused (401, 403, 404, 429) is no usage and not in it."""

    def activity(
        self,
        *,
        start: datetime,
        end: datetime,
        by: Sequence[By],
        customer: UUID | None = None,
        consumer: UUID | None = None,
        test_mode: bool | None = None,
    ) -> Sequence[ActivityRow]:
        """Add up the activity of whole hours UTC: from the one that `start` lies in to before `end`.

        Ordered by the keys, none first; keys without activity are not in it. `by=()` gives one row, or none.
        """
