"""Versions: what was applied stays as it was, and a subscription refers to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tollway.catalog.models import AddOn, Meter, Plan
from tollway.kernel.currency import Currency

__all__ = ["AddOnVersion", "MeterInForce", "PlanVersion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """A plan as it was applied, the `version`-th content under its name."""

    id: UUID
    version: int
    plan: Plan
    currency: Currency

    @property
    def label(self) -> str:
        """How people refer to it: `pro/3`."""
        return f"{self.plan.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnVersion:
    """An add-on as it was applied, the `version`-th content under its name."""

    id: UUID
    version: int
    addon: AddOn
    currency: Currency

    @property
    def label(self) -> str:
        """How people refer to it: `extra_analytics/2`."""
        return f"{self.addon.name}/{self.version}"


class MeterInForce(NamedTuple):
    """A meter as it counts now, and the routes that the names in its filter mean."""

    meter: Meter
    routes: frozenset[UUID]
