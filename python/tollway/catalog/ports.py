"""What the catalog needs of storage, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tollway.catalog.models import AddOn, Meter, Plan
from tollway.catalog.versions import AddOnVersion, MeterInForce, PlanVersion
from tollway.kernel.currency import Currency

__all__ = ["CatalogStore"]


class CatalogStore(Protocol):
    """Meters, plans and add-ons with all their versions. A version, once stored, stays as it is.

    Contents that were current before keep their version: putting one again makes it current again.
    """

    def meter(self, name: str) -> Meter | None:
        """Return the meter of that name as it is in force."""

    def meters(self) -> Sequence[Meter]:
        """Return every meter as it is in force, ordered by name."""

    def meters_in_force(self) -> Mapping[str, MeterInForce]:
        """Return every meter as it is in force with the routes that it means, by name."""

    def put_meter(self, meter: Meter, now: datetime) -> None:
        """Let a meter count from `now` on, in place of the one of its name that did until now."""

    def plan(self, name: str) -> PlanVersion | None:
        """Return the current version of a plan."""

    def plans(self) -> Sequence[PlanVersion]:
        """Return the current version of every plan, ordered by name."""

    def versions(self, name: str) -> Sequence[PlanVersion]:
        """Return every version of a plan there was, the first one first."""

    def put_plan(self, plan: Plan, currency: Currency, now: datetime) -> PlanVersion:
        """Make this the current content of the plan of its name."""

    def addons(self) -> Sequence[AddOnVersion]:
        """Return the current version of every add-on, ordered by name."""

    def addon(self, name: str) -> AddOnVersion | None:
        """Return the current version of an add-on."""

    def put_addon(self, addon: AddOn, currency: Currency, now: datetime) -> AddOnVersion:
        """Make this the current content of the add-on of its name."""
