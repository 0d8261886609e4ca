"""Icons and the ticks of the gate motif, as SVG that needs no style and no script."""

from __future__ import annotations

from markupsafe import Markup

__all__ = ["icon", "ticks"]

_PATHS = {
    "copy": '<path d="M5.5 5.5V3a1 1 0 0 1 1-1H13a1 1 0 0 1 1 1v6.5a1 1 0 0 1-1 1h-2.5M3 5.5h6.5a1 1 0 0 1 1 '
    '1V13a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6.500a1 1 0 0 1 1-1z"/>',
    "warn": '<path d="M8 2.2 14.6 13.500H1.400zM8 6.500v3.200M8 11.700v.1"/>',
    "stop": '<circle cx="8" cy="8" r="6.200"/><path d="M8 4.800v3.900M8 11v.1"/>',
    "ok": '<circle cx="8" cy="8" r="6.200"/><path d="m5.300 8.200 1.900 1.900 3.600-4"/>',
    "check": '<path d="m3 8.500 3.200 3.200L13 4.800"/>',
    "search": '<circle cx="7" cy="7" r="4.500"/><path d="m10.500 10.500 3.500 3.500"/>',
    "arrow": '<path d="M2.500 8h11M9.500 4l4 4-4 4"/>',
    "theme": '<circle cx="8" cy="8" r="6"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>',
    "down": '<path d="M8 2v8.500M4.500 7.500 8 11l3.500-3.500M2.500 14h11"/>',
    "card": '<rect x="1.500" y="3.500" width="13" height="9" rx="1"/><path d="M1.500 6.500h13M4 10h3"/>',
    "more": '<path d="M3 8h.1M8 8h.1M13 8h.1"/>',
    "clock": '<circle cx="8" cy="8" r="6.200"/><path d="M8 4.500V8l2.500 1.500"/>',
    "x": '<path d="m4 4 8 8M12 4l-8 8"/>',
    "next": '<path d="m6 3.500 4.500 4.500L6 12.500"/>',
    "prev": '<path d="M10 3.500 5.500 8l4.500 4.500"/>',
}


def icon(name: str, extra: str = "") -> Markup:
    """Return an icon of 16 px in the colour of the text; `extra` is a class, such as `flip`."""
    return Markup('<svg class="i {}" viewBox="0 0 16 16" aria-hidden="true">{}</svg>').format(
        extra,
        Markup(_PATHS[name]),  # noqa: S704  # ours
    )


def ticks(count: int = 8, height: int = 18, extra: str = "", on: int = 0) -> Markup:
    """Return `count` ticks, the first `on` of them in the brand's colour."""
    lines = Markup().join(
        Markup('<line{} x1="{}%" x2="{}%" y1="0" y2="{}"/>').format(
            Markup(' class="p"') if index < on else "",
            x := f"{(index + 0.5) * 100 / count:.2f}",
            x,
            height,
        )
        for index in range(count)
    )
    return Markup('<svg class="gauge {}" height="{}" aria-hidden="true">{}</svg>').format(
        extra, height, lines
    )
