"""The slider's ruler: ticks by powers of ten, and posts where the best plan changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tollway.web.portal.offer.estimate import Axis
from tollway.web.ui.charts import Arm, post_mark
from tollway.web.ui.svg import element, label

__all__ = ["Change", "price_ruler"]

_APART = 13.0  # per cent of the width that a label takes
_SHORT = {3: "k", 6: "M", 9: "G"}


@dataclass(frozen=True, slots=True)
class Change:
    """Where another plan becomes the best: up to `quantity` it was this one."""

    quantity: int
    title: str
    stops: bool
    """Whether the plan allows no more; otherwise another is cheaper from there on."""


def price_ruler(axis: Axis, changes: Sequence[Change], quantity: int, free: int) -> Markup:
    """Draw the ruler up to `quantity`; `free` of it costs nothing. It says nothing that the page doesn't."""
    parts = [*_ticks(axis, quantity, free), *_numbers(axis)]
    last = -_APART
    for change in changes:
        place = _place(axis, change.quantity)
        if place - last < _APART or not 0 < place < 100:
            continue
        last = place
        arm = Arm.LOWERED if change.stops else Arm.NONE
        said = f"{change.title} ends" if change.stops else f"up to here {change.title}"
        anchor = "middle" if 8 < place < 92 else "end"
        parts.append(post_mark(place, 30, 70, arm, rtl=False, class_="gate"))
        parts.append(label(place, 12, [said], anchor=anchor, rtl=False, first="dim wide"))
    return element("svg", *parts, class_="gauge", aria_hidden="true")


def _place(axis: Axis, quantity: float) -> float:
    low, high = math.log10(axis.low), math.log10(axis.high)
    return (math.log10(max(quantity, 1)) - low) / (high - low) * 100


def _ticks(axis: Axis, quantity: int, free: int) -> Iterator[Markup]:
    decade = axis.low
    while decade < axis.high:
        for half in range(2, 20):
            value = decade * half / 2
            if half > 9 and half % 2:
                continue  # they stand close enough there
            place = f"{_place(axis, value):.2f}%"
            class_ = None if value > quantity else "f" if value <= free else "p"
            yield element("line", class_=class_, x1=place, x2=place, y1=44 if half == 2 else 48, y2=66)
        decade *= 10
    yield element("line", class_="p" if quantity >= axis.high else None, x1="100%", x2="100%", y1=44, y2=66)


def _numbers(axis: Axis) -> Iterator[Markup]:
    decade, place = axis.low, 0
    while decade <= axis.high:
        anchor = "start" if place == 0 else "end" if place == axis.decades else "middle"
        percent = 100 * place / axis.decades
        yield label(percent, 94, [f"{decade:,}"], anchor=anchor, rtl=False, first="wide")
        yield label(percent, 94, [_short(decade)], anchor=anchor, rtl=False, first="slim")
        decade, place = decade * 10, place + 1


def _short(decade: int) -> str:
    digits = len(str(decade)) - 1
    thousands = digits - digits % 3
    return f"{decade // 10**thousands}{_SHORT.get(thousands, '')}"
