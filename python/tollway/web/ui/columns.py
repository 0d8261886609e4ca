"""Columns over time: calls by day or hour, revenue by month, with posts, a goal and what is forecast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from tollway.web.ui.charts import Arm, compact, nice_step, post_mark
from tollway.web.ui.svg import Number, element, x_at

__all__ = ["Column", "ColumnPost", "Forecast", "Goal", "columns"]

_TOP, _FOOT = 28, 32  # pixels above the highest column, and below the base line
_FILL = 0.64  # of the room a column has
_LABELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a column will be when its time is over, with the range it will be in."""

    expected: Number
    low: Number
    high: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: `parts` are (series class, value) from the bottom up; `title` says it in words.

    `label` stands on the axis where there is room, always where it is `strong` (today). `href` leads to what
    the column is made of.
    """

    label: str
    title: str
    parts: tuple[tuple[str, Number], ...] = ()
    forecast: Forecast | None = None
    strong: bool = False
    href: str | None = None
    id: str | None = None
    """Lets whoever has it focused keep the focus when the chart is drawn anew."""

    @property
    def total(self) -> Number:
        """All parts together."""
        return sum((Fraction(value) for _, value in self.parts), Fraction(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPost:
    """A limit passed at a moment: `at` in columns from the left, 4.5 is the middle of the fifth."""

    at: float
    text: str
    arm: Arm = Arm.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A height to reach, drawn across."""

    at: Number
    text: str
    name: str = "Goal"


def columns(
    shown: Sequence[Column],
    *,
    title: str,
    height: int = 250,
    figure: Callable[[Number], str] = compact,
    posts: Sequence[ColumnPost] = (),
    goal: Goal | None = None,
    rtl: bool = False,
) -> Markup:
    """Return a chart of columns, zero-based, with at most three lines across; `figure` writes their values.

    >>> chart = columns([Column(label="1 Nov", title="1 Nov: 12 calls", parts=(("s1", 12),))], title="Calls")
    >>> chart.startswith('<svg class="chart y"')
    True
    """
    top = max([_reach(column) for column in shown] + [Fraction(goal.at) if goal else Fraction(0)], default=0)
    plot = _Plot(count=max(1, len(shown)), base=height - _FOOT, top=Fraction(top), rtl=rtl)
    marks = _lines(plot, figure, goal)
    for i, column in enumerate(shown):
        marks += _column(plot, i, column)
    base = plot.base
    marks.append(element("line", class_="base", x1=0, x2="100%", y1=base, y2=base))
    for post in posts:
        place = post.at * plot.width
        marks.append(post_mark(place, 30, base, post.arm, rtl=rtl, class_="post"))
        anchor = "end" if place > 30 else "start"
        x = x_at(place - 1 if anchor == "end" else place + 1, rtl=rtl)
        marks.append(element("text", post.text, class_="b wide", x=x, y=20, text_anchor=anchor))
    marks += _axis(plot, shown)
    marks += [_hit(plot, i, column) for i, column in enumerate(shown)]
    return element("svg", *marks, class_="chart y", height=height, role="group", aria_label=title)


@dataclass(frozen=True, slots=True)
class _Plot:
    count: int
    base: int
    top: Fraction
    rtl: bool

    @property
    def width(self) -> float:
        """The room of one column, in per cent."""
        return 100 / self.count

    def tall(self, value: Number) -> float:
        """How many pixels a value is high."""
        return float(Fraction(value) * (self.base - _TOP) / self.top) if self.top > 0 else 0.0

    def left(self, start: float, width: float) -> str:
        """The x of what begins at `start` per cent and is `width` wide, the page's direction heeded."""
        return x_at(start + width if self.rtl else start, rtl=self.rtl)


def _reach(column: Column) -> Fraction:
    return max(Fraction(column.total), Fraction(column.forecast.high if column.forecast else 0))


def _lines(plot: _Plot, figure: Callable[[Number], str], goal: Goal | None) -> list[Markup]:
    marks = []
    step = nice_step(plot.top)
    value = step
    while plot.top > 0 and value <= plot.top:
        if goal is None or abs(value - Fraction(goal.at)) > step / 2:
            y = plot.base - plot.tall(value)
            marks.append(element("line", class_="grid-l", x1=0, x2="100%", y1=y, y2=y))
            marks.append(_beside(plot, figure(int(value) if value.denominator == 1 else value), y))
        value += step
    if goal is not None:
        y = plot.base - plot.tall(goal.at)
        marks.append(element("line", class_="goal", x1=0, x2="100%", y1=y, y2=y))
        marks.append(_beside(plot, goal.text, y, class_="b"))
        marks.append(element("text", goal.name, class_="b", x=x_at(0, rtl=plot.rtl), y=y - 8))
    return marks


def _beside(plot: _Plot, text: str, y: float, class_: str | None = None) -> Markup:
    return element(
        "text",
        text,
        class_=class_,
        x=x_at(0, rtl=plot.rtl),
        dx=8 if plot.rtl else -8,
        y=y + 4,
        text_anchor="end",
    )


def _column(plot: _Plot, i: int, column: Column) -> list[Markup]:
    bar = plot.width * _FILL
    start = i * plot.width + (plot.width - bar) / 2
    x, width = plot.left(start, bar), f"{bar:.3f}%"
    marks = []
    y = float(plot.base)
    for series, value in column.parts:
        tall = plot.tall(value)
        if tall > 0:
            gap = 1 if y < plot.base and tall > 2 else 0  # parts neighbours whatever their colours
            marks.append(element("rect", class_=series, x=x, width=width, y=y - tall, height=tall - gap))
            y -= tall
    if column.forecast is not None:
        expected = plot.base - plot.tall(column.forecast.expected)
        if expected < y:
            marks.append(element("rect", class_="ss", x=x, width=width, y=expected, height=y - expected))
        middle = x_at(start + bar / 2, rtl=plot.rtl)
        high, low = plot.tall(column.forecast.high), plot.tall(column.forecast.low)
        marks.append(
            element("line", class_="range", x1=middle, x2=middle, y1=plot.base - high, y2=plot.base - low)
        )
    return marks


def _axis(plot: _Plot, shown: Sequence[Column]) -> list[Markup]:
    """Return the labels there is room for: the strong ones, and between them some at equal distances."""
    every = -(-len(shown) // _LABELS)
    strong = {i for i, column in enumerate(shown) if column.strong}
    marks = []
    for i, column in enumerate(shown):
        if i not in strong and (i % every or any(abs(i - other) < every for other in strong)):
            continue
        place = (i + 0.5) * plot.width
        anchor = "start" if place < 2.5 else "end" if place > 97.5 else "middle"
        # A phone shows the first, the strong ones and every second of the rest.
        class_ = "b" if i in strong else "wide" if (i // every) % 2 else None
        marks.append(
            element(
                "text",
                column.label,
                class_=class_,
                x=x_at(place if anchor == "middle" else 0 if anchor == "start" else 100, rtl=plot.rtl),
                y=plot.base + 18,
                text_anchor=anchor,
            )
        )
    return marks


def _hit(plot: _Plot, i: int, column: Column) -> Markup:
    rect = element(
        "rect",
        x=plot.left(i * plot.width, plot.width),
        width=f"{plot.width:.3f}%",
        y=_TOP - 8,
        height=plot.base - _TOP + 8,
    )
    tip = element("title", column.title)
    if column.href is None:
        return element("g", tip, rect, class_="hit")
    return element("a", tip, rect, class_="hit", id=column.id, href=column.href, aria_label=column.title)
