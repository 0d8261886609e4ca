"""Charts as SVG: meters, the ruler, columns by day or hour, and the table that stands beside each.

Every helper takes exact numbers and plain texts and returns `Markup` that a template prints as it is; texts
are escaped here. `title` is what a screen reader says instead of the picture. Colours and states are classes
of `components.css`: `sf` included, `s1`…`s6` series, `ss` forecast; ticks `f` included, `p` charged, `w` a
warning, `x` trouble. `README.md` beside this says which chart is for what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from markupsafe import Markup

from tollway.web.ui.svg import Number, element, label, share, x_at

__all__ = ["Arm", "Post", "TickState", "bars", "compact", "meter", "ruler", "swatch", "twin"]

TickState = Literal["p", "w", "x"]

_TICKS = 100
_NEAR = 15.0  # per cent of the width within which two labels would touch
_NEAR_ON_PHONE = 30.0


class Arm(StrEnum):
    """What happens at a post: charged from here, calls stop, or a limit that only warns."""

    NONE = "none"
    RAISED = "up"
    LOWERED = "down"
    SOFT = "soft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A limit on a ruler: where, what is written under it, and what happens there."""

    at: Number
    lines: tuple[str, ...] = ()
    arm: Arm = Arm.NONE


def post_mark(percent: float, top: float, bottom: float, arm: Arm, *, rtl: bool, class_: str) -> Markup:
    """Return the mark of a post: a line with its arm."""
    ahead = -1 if rtl else 1
    parts = [element("line", class_=class_, x1=0, y1=top, x2=0, y2=bottom)]
    if arm is Arm.RAISED:
        parts.append(element("line", class_=class_, x1=0, y1=top + 1, x2=9 * ahead, y2=top - 10))
    elif arm in {Arm.LOWERED, Arm.SOFT}:
        dashes = "3 3" if arm is Arm.SOFT else None
        parts.append(
            element(
                "line",
                class_=class_,
                x1=ahead,
                y1=top + 1,
                x2=-20 * ahead,
                y2=top + 1,
                stroke_dasharray=dashes,
            )
        )
    return element("svg", *parts, x=x_at(percent, rtl=rtl), y=0, overflow="visible")


def meter(
    used: Number,
    limit: Number,
    *,
    title: str,
    state: TickState = "p",
    count: int = 24,
    height: int = 12,
    rtl: bool = False,
) -> Markup:
    """Return a limit's meter: one tick for each of `count` equal parts, on whole pixels, and a post.

    >>> "12 of 100 calls" in meter(12, 100, title="12 of 100 calls")
    True
    """
    pitch = 4
    width = count * pitch + 4
    reached = share(used, limit)
    marks = []
    for i in range(count):
        on = (i + 0.5) * 100 / count <= reached or (i == 0 and used > 0)
        x = width - (i * pitch + 1) if rtl else i * pitch + 1
        marks.append(element("line", class_=state if on else None, x1=x, x2=x, y1=0 if on else 4, y2=height))
    end = 1 if rtl else width - 1
    marks.append(element("line", class_="gate", x1=end, x2=end, y1=-2, y2=height))
    return element(
        "svg", *marks, class_="gauge mini", width=width, height=height, role="img", aria_label=title
    )


def ruler(
    *,
    end: Number,
    used: Number,
    title: str,
    included: Number = 0,
    forecast: Number | None = None,
    posts: Sequence[Post] = (),
    now: str | None = None,
    rtl: bool = False,
) -> Markup:
    """Return a ruler from 0 to `end`: a hundred ticks, posts at limits, and where it stands now.

    Ticks up to `included` are grey, up to `used` charged, up to `forecast` pale, the rest a hairline. `now`
    is written above the place that is reached.
    """
    step = Fraction(end) / _TICKS
    marks = [_tick(i, (i + Fraction(1, 2)) * step, used, included, forecast, rtl=rtl) for i in range(_TICKS)]
    ordered = sorted(posts, key=lambda post: Fraction(post.at))
    places = [share(post.at, end) for post in ordered]
    for post, place in zip(ordered, places, strict=True):
        marks.append(post_mark(place, 36, 78, post.arm, rtl=rtl, class_="gate"))
    for index, post in enumerate(ordered):
        marks.append(_post_label(post, index, places, rtl=rtl))
    if now is not None:
        place = share(used, end)
        line = element("line", class_="now", x1=0, y1=24, x2=0, y2=78)
        marks.append(element("svg", line, x=x_at(place, rtl=rtl), overflow="visible"))
        marks.append(label(place, 14, [now], anchor=_anchor(place), rtl=rtl, first="b brand"))
    return element("svg", *marks, class_="gauge", height=130, role="img", aria_label=title)


def bars(values: Sequence[Number], *, height: int = 36, series: str = "s1") -> Markup:
    """Return small bars without axes, for a figure that says the rest; hidden from screen readers."""
    top = max(values, default=0)
    width = 100 / max(1, len(values))
    marks = []
    for i, value in enumerate(values):
        tall = share(value, top) * height / 100
        marks.append(
            element(
                "rect",
                class_=series,
                x=f"{i * width:.2f}%",
                width=f"{width * 0.7:.2f}%",
                y=height - tall,
                height=tall,
            )
        )
    return element("svg", *marks, class_="chart", height=height, aria_hidden="true")


def swatch(series: str) -> Markup:
    """Return the colour of a series, for a legend."""
    return element("svg", element("rect", class_=series, width=13, height=10), aria_hidden="true")


def compact(value: Number) -> str:
    """Write a number of an axis in at most seven characters: `2,500`, `250k`, `1.5M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(Fraction(value)) >= (size if size > 10**3 else 10**5):
            return f"{float(Fraction(value) / size):,.3g}{unit}"
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.6g}"


def twin(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    summary: str = "Show as table",
    foot: Sequence[str] | None = None,
) -> Markup:
    """Return a chart's table, closed until asked for. The first column names rows, the rest are figures."""
    head = element("tr", *(_cell("th", text, i, scope="col") for i, text in enumerate(headings)))
    body = [element("tr", *_cells(row)) for row in rows]
    parts = [element("thead", head), element("tbody", *body)]
    if foot is not None:
        parts.append(element("tfoot", element("tr", *_cells(foot))))
    table = element("table", *parts, class_="table dense")
    # A region that scrolls must be reachable by keyboard.
    scroll = element("div", table, class_="scroll", tabindex="0", role="group", aria_label=summary)
    return element("details", element("summary", summary), scroll, class_="twin")


def nice_step(top: Number, lines: int = 3) -> Fraction:
    """Return the smallest round step of which at most `lines` fit below `top`; whole for large ones."""
    if top <= 0:
        return Fraction(1)
    least = Fraction(top) / (lines + 1)
    size = Fraction(10) ** (math.floor(math.log10(least)) - 1)
    while True:
        for factor in (Fraction(1), Fraction(2), Fraction(5, 2), Fraction(5)):
            step = size * factor
            # Half a call is nothing to draw a line at.
            if Fraction(top) // step <= lines and (step.denominator == 1 or top < 4):
                return step
        size *= 10


def _tick(
    i: int, middle: Fraction, used: Number, included: Number, forecast: Number | None, *, rtl: bool
) -> Markup:
    state, top = None, 62
    if middle <= used:
        state, top = ("f" if middle <= included else "p"), 44
    elif forecast is not None and middle <= forecast:
        state, top = "fc", 53
    x = x_at(i + 0.5, rtl=rtl)
    return element("line", class_=state, x1=x, x2=x, y1=top, y2=72)


def _post_label(post: Post, index: int, places: Sequence[float], *, rtl: bool) -> Markup:
    place = places[index]
    after = places[index + 1] - place if index + 1 < len(places) else 100.0
    before = place - places[index - 1] if index else 100.0
    anchor = _anchor(place)
    if anchor == "middle" and min(after, before) < _NEAR:
        anchor = "end" if after < before else "start"  # they turn away from each other
    # A phone has no room for both: the last one, which is where calls stop, stays.
    narrow = after < _NEAR_ON_PHONE
    return label(
        place,
        95,
        post.lines,
        anchor=anchor,
        rtl=rtl,
        first="b wide" if narrow else "b",
        rest="wide" if narrow else None,
    )


def _anchor(place: float) -> str:
    return "start" if place < 8 else "end" if place > 92 else "middle"


def _cells(row: Sequence[str]) -> list[Markup]:
    return [_cell("td" if i else "th", text, i, scope=None if i else "row") for i, text in enumerate(row)]


def _cell(name: str, text: str, column: int, *, scope: str | None) -> Markup:
    return element(name, text, scope=scope, class_="n" if column else None)
