"""What is for sale now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tollway.catalog.models import Meter
from tollway.catalog.versions import AddOnVersion, PlanVersion

__all__ = ["Offer", "Offers"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Current plans, add-ons and meters, each by name."""

    plans: Sequence[PlanVersion] = ()
    addons: Sequence[AddOnVersion] = ()
    meters: Sequence[Meter] = ()


class Offers(Protocol):
    """Finds what is for sale."""

    def __call__(self) -> Offer:
        """Return what is for sale now."""
