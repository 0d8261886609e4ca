"""What things are called on pages: plans, add-ons, features and units by the seller's words for them."""

from __future__ import annotations

import re

from tollway.web.portal.content.model import PlanWords, PortalFile

__all__ = ["detail_words", "line_words", "named", "plan_title", "unit_of"]

_SOLD = re.compile(r"\b(Plan|Add-on) ([^\s()]+)")
_USED = re.compile(r"^(Late usage|Usage) of ([^\s,()]+)")


def plan_title(name: str, portal: PortalFile) -> str:
    """Return what a plan is called."""
    return portal.plans.get(name, PlanWords()).title or _spaced(name).capitalize()


def named(name: str, portal: PortalFile) -> str:
    """Return what a feature or an add-on is called."""
    return portal.features.get(name) or _spaced(name).capitalize()


def unit_of(meter: str, portal: PortalFile) -> str:
    """Return what a meter's units are called: the seller's word, or `calls` where its name says as much."""
    return portal.units.get(meter) or ("calls" if "call" in meter or "request" in meter else _spaced(meter))


def line_words(description: str, portal: PortalFile) -> str:
    """Return the words of a line of an invoice to come: `Plan Growth`, `Usage: calls`.

    An invoice that is issued keeps its own words: it names what was sold as the catalog names it.
    """
    text = _USED.sub(lambda found: f"{found[1]}: {unit_of(found[2], portal)}", description)
    return _SOLD.sub(
        lambda found: f"{found[1]} {(plan_title if found[1] == 'Plan' else named)(found[2], portal)}", text
    )


def detail_words(detail: str, description: str, portal: PortalFile) -> str:
    """Return how such a line came about, its meter's units called as everywhere on these pages."""
    found = _USED.match(description)
    if found is None:
        return detail
    written, unit = _spaced(found[2]), unit_of(found[2], portal)
    return detail.replace(written, unit).replace(written.capitalize(), unit.capitalize())


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
