"""How a customer's own pages write amounts and moments."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from tollway.web.portal.context import Portal
from tollway.web.portal.offer.titles import detail_words, line_words, named, plan_title
from tollway.web.portal.offer.words import money

__all__ = ["clock_time", "install"]


def clock_time(instant: datetime, now: datetime) -> Markup:
    """Return the time of something today, the day of what was before; in the instant's own zone."""
    today = instant.date() == now.astimezone(instant.tzinfo).date()
    text = f"{instant:%H:%M:%S}" if today else f"{instant.day} {instant:%b}"
    return Markup('<time datetime="{}">{}</time>').format(instant.isoformat(timespec="seconds"), text)


def install(portal: Portal) -> None:
    """Let templates of the portal call them by name."""
    portal.site.environment.filters.update(
        {
            "money": money,
            "clock_time": clock_time,
            "plan_title": lambda name: plan_title(name, portal.content().portal),
            "named": lambda name: named(name, portal.content().portal),
            "line_words": lambda text: line_words(text, portal.content().portal),
            "detail_words": lambda detail, text: detail_words(detail, text, portal.content().portal),
        }
    )
