"""How a customer's own pages write amounts and moments."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from tollway.web.portal.offer.words import money
from tollway.web.ui.site import Site

__all__ = ["clock_time", "install"]


def clock_time(instant: datetime, now: datetime) -> Markup:
    """Return the time of something today, the day of what was before; in the instant's own zone."""
    today = instant.date() == now.astimezone(instant.tzinfo).date()
    text = f"{instant:%H:%M:%S}" if today else f"{instant.day} {instant:%b}"
    return Markup('<time datetime="{}">{}</time>').format(instant.isoformat(timespec="seconds"), text)


def install(site: Site) -> None:
    """Let templates of a site call them by name."""
    site.environment.filters.update({"money": money, "clock_time": clock_time})
