"""The catalog as the console shows and publishes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tollway.app.plans import publish_catalog
from tollway.app.subscriptions import DEFAULT_SELLER
from tollway.catalog.models import Catalog
from tollway.catalog.service import Applied
from tollway.catalog.versions import PlanVersion
from tollway.kernel.clock import Clock
from tollway.kernel.currency import Currency, currency
from tollway.kernel.errors import NotFound
from tollway.storage.commerce import Commerce
from tollway.storage.gateway import GatewayStore
from tollway.web.console.ports.catalog import CatalogView, PlanView, Versioned

__all__ = ["CatalogDesk"]


class CatalogDesk:
    """`tollway.web.console.ports.catalog.Catalogs`."""

    def __init__(self, gateways: GatewayStore, clock: Clock) -> None:
        self._gateways = gateways
        self._clock = clock

    def shown(self) -> CatalogView:
        """See `Catalogs.shown`."""
        with self._gateways.database.read() as connection:
            commerce = Commerce(connection, self._clock)
            plans = commerce.catalog.plans()
            addons = commerce.catalog.addons()
            counts = commerce.directory.subscribed(self._clock.now())
            return CatalogView(
                currency=_currency(commerce, plans),
                meters=commerce.catalog.meters(),
                plans=plans,
                addons=addons,
                customers={
                    plan.plan.name: sum(
                        counts.get(version.id, 0) for version in commerce.catalog.versions(plan.plan.name)
                    )
                    for plan in plans
                },
            )

    def plan(self, name: str) -> PlanView:
        """See `Catalogs.plan`."""
        with self._gateways.database.read() as connection:
            commerce = Commerce(connection, self._clock)
            current = commerce.catalog.plan(name)
            if current is None:
                raise NotFound("plan", name)
            counts = commerce.directory.subscribed(self._clock.now())
            versions = commerce.catalog.versions(name)
            return PlanView(
                current=current,
                versions=[Versioned(one, counts.get(one.id, 0)) for one in reversed(versions)],
                meters=commerce.catalog.meters(),
            )

    def publish(
        self, catalog: Catalog, *, standing: Mapping[str, int | None] | None = None
    ) -> Sequence[Applied]:
        """See `Catalogs.publish`."""
        return publish_catalog(self._gateways, self._clock, catalog, standing=standing)


def _currency(commerce: Commerce, plans: Sequence[PlanVersion]) -> Currency:
    seller = commerce.parties.seller_named(DEFAULT_SELLER)
    if seller is not None and seller.home_currency is not None:
        return currency(seller.home_currency)
    return plans[0].currency if plans else currency("USD")
