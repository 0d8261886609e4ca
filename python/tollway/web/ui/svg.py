"""Writing SVG elements so that nothing in them can be anything but text.

Charts have no `viewBox`: x is in per cent and y in pixels, so they are fluid without a script, their text
never scales and no inline style is needed (strict CSP).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from markupsafe import Markup, escape

__all__ = ["Number", "element", "label", "share", "x_at"]

Number = int | Decimal | Fraction
"""What charts draw: quantities and money stay exact until they become a place on the screen."""

_LINE = 15  # pixels between two lines of a label


def element(name: str, /, *content: str, **attributes: str | float | None) -> Markup:
    """Return an SVG element; attributes that are None are left out, `class_` is written `class`, `_` as `-`.

    >>> element("rect", class_="s1", x="5%", width=3)
    Markup('<rect class="s1" x="5%" width="3"/>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(part) for part in content)
    return Markup(f"<{name}{written}>{inner}</{name}>" if content else f"<{name}{written}/>")  # noqa: S704


def share(part: Number, whole: Number) -> float:
    """Return `part` of `whole` in per cent, kept within 0 and 100; of nothing, nothing."""
    if whole <= 0:
        return 0.0
    return min(100.0, max(0.0, float(Fraction(part) * 100 / Fraction(whole))))


def x_at(percent: float, *, rtl: bool) -> str:
    """Return a place along the width, mirrored where the page is read from right to left."""
    mirrored = 100 - percent if rtl else percent
    return f"{max(0.0, mirrored):.3f}%"


def label(
    percent: float,
    y: float,
    lines: Iterable[str],
    *,
    anchor: str = "middle",
    rtl: bool,
    first: str = "b",
    rest: str | None = None,
) -> Markup:
    """Return lines of text under each other at one place; `first` and `rest` are their classes."""
    return Markup("").join(
        element(
            "text",
            line,
            class_=(first if position == 0 else rest) or None,
            x=x_at(percent, rtl=rtl),
            y=y + position * _LINE,
            text_anchor=anchor,
        )
        for position, line in enumerate(lines)
    )


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
