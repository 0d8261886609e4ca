"""What is for sale, and publishing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tollway.catalog.models import Catalog, Meter
from tollway.catalog.service import Applied
from tollway.catalog.versions import AddOnVersion, PlanVersion
from tollway.kernel.currency import Currency

__all__ = ["CatalogView", "Catalogs", "PlanView", "Versioned"]


class Versioned(NamedTuple):
    """A version of a plan, and how many live subscriptions are under it now."""

    version: PlanVersion
    subscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogView:
    """What is for sale. `currency` is the seller's; `customers` are live subscriptions by plan name."""

    currency: Currency
    meters: Sequence[Meter]
    plans: Sequence[PlanVersion]
    addons: Sequence[AddOnVersion]
    customers: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan with all its versions, the newest first."""

    current: PlanVersion
    versions: Sequence[Versioned]
    meters: Sequence[Meter]


class Catalogs(Protocol):
    """What is for sale, and publishing it."""

    def shown(self) -> CatalogView:
        """Return what is current."""

    def plan(self, name: str) -> PlanView:
        """Return one plan.

        Raises:
            NotFound: there is none of that name.
        """

    def publish(
        self, catalog: Catalog, *, standing: Mapping[str, int | None] | None = None
    ) -> Sequence[Applied]:
        """Put a catalog in force, as `tollway catalog apply` does; what it doesn't name stays as it is.

        `standing` names the version that an edited plan was made from, None for one that is new.

        Raises:
            Conflict: somebody else has published another version meanwhile.
        """
