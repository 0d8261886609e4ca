"""Versions: what was applied stays as it was, and a subscription refers to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from tollway.catalog.models import AddOn, Plan
from tollway.kernel.currency import Currency

__all__ = ["AddOnVersion", "PlanVersion"]


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
