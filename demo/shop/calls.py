"""The calls that the firms made: when, to what, and how they were answered."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.shop.cast import Firm

__all__ = ["PastCall", "day_of_calls"]

_SETTLING_DAYS = 20
_WEEKEND = 0.3


@dataclass(frozen=True, slots=True)
class PastCall:
    """One call: `route` by its name."""

    at: datetime
    firm: Firm
    route: str
    path: str
    status: int
    size: int


_PLACES = (
    ("atlas", "/v1/cities", 4200),
    ("atlas", "/v1/cities/2950159", 410),
    ("atlas", "/v1/countries/DE", 640),
    ("atlas", "/v1/countries/BR/cities", 5100),
    ("atlas", "/v1/distance", 230),
    ("atlas", "/v1/states/CA", 180),
)
_NEAREST = ("atlas-nearest", "/v1/nearest", 1900)
_BULK = ("atlas-downloads", "/v1/downloads/cities.csv", 262_144)
_STATUSES = ((200, 0.93), (304, 0.035), (404, 0.025), (500, 0.004), (400, 0.006))


def day_of_calls(
    firm: Firm, day: datetime, since: int, features: frozenset[str], dice: random.Random
) -> Iterator[PastCall]:
    """Yield a firm's calls of one day, `since` days after it came; `features` are what it may use then."""
    expected = firm.calls * min(1.0, (since + 2) / _SETTLING_DAYS)
    if day.weekday() >= 5 and not firm.night:
        expected *= _WEEKEND
    expected *= 1 + 0.004 * since
    count = max(0, round(dice.gauss(expected, math.sqrt(expected) + 0.08 * expected)))
    for _ in range(count):
        yield _call(firm, day, features, dice)


def _call(firm: Firm, day: datetime, features: frozenset[str], dice: random.Random) -> PastCall:
    hour = dice.uniform(0, 24) if firm.night else min(23.99, max(0.0, dice.gauss(13.5, 3.2)))
    chance = dice.random()
    if "nearest" in features and chance < 0.3:
        route, path, size = _NEAREST
    elif "bulk" in features and chance > 0.985:
        route, path, size = _BULK
    else:
        route, path, size = dice.choice(_PLACES)
    (status,) = dice.choices([code for code, _ in _STATUSES], [share for _, share in _STATUSES])
    if status != 200:
        size = 0 if status == 304 else 90
    return PastCall(
        day + timedelta(hours=hour), firm, route, path, status, round(size * dice.uniform(0.6, 1.4))
    )
