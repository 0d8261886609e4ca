"""Wires `/tollway/v1` on the Admin API's port: its resources over the shop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from fastapi import FastAPI

from tollway.app.event_reports import event_routes
from tollway.app.payment_report import PaymentDesk
from tollway.app.payments import open_payments
from tollway.app.shop import Shop
from tollway.storage.commerce import Commerce
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.api import create_api_app
from tollway.web.api.catalog import catalog_router
from tollway.web.api.customers import customers_router
from tollway.web.api.invoices import invoices_router
from tollway.web.api.keys import keys_router
from tollway.web.api.payments import payments_router
from tollway.web.api.ports import Changes, Looks, Previews
from tollway.web.api.subscriptions import subscriptions_router

__all__ = ["api_app"]


@dataclass(frozen=True, slots=True)
class _Sold:
    """`tollway.web.api.ports.Sold` over a shop."""

    shop: Shop

    @contextmanager
    def view(self) -> Iterator[Commerce]:
        """See `Sold.view`."""
        with self.shop.main.read() as connection:
            yield Commerce(connection, self.shop.clock)

    def now(self) -> datetime:
        """See `Sold.now`."""
        return self.shop.clock.now()

    @property
    def changes(self) -> Changes:
        """See `Sold.changes`."""
        return self.shop.subscribing

    @property
    def previews(self) -> Previews:
        """See `Sold.previews`."""
        return self.shop.previewing

    @property
    def looks(self) -> Looks:
        """See `Sold.looks`."""
        return self.shop.overviews


def api_app(shop: Shop) -> FastAPI:
    """Make the application below `/tollway/v1`; whoever may use the Admin API may use it."""
    sold = _Sold(shop)
    routers = [
        make(sold) for make in (catalog_router, customers_router, subscriptions_router, invoices_router)
    ]
    routers.append(keys_router(shop.store.write))
    payments = open_payments(shop.main, shop.settings, shop.clock)
    routers.append(payments_router(PaymentDesk(shop.main, payments, shop.clock)))
    routers.append(event_routes(shop))
    return create_api_app(
        routers, idempotency=SqlIdempotency(shop.main, shop.clock), version=version("tollway")
    )
