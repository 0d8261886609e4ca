"""Wires the console: its use cases over the main database and the gateway's configuration."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from tollway.app.desks.catalog import CatalogDesk
from tollway.app.desks.customers import CustomerDesk
from tollway.app.desks.invoices import InvoiceDesk
from tollway.app.desks.owners import OwnerDesk
from tollway.app.desks.revenue import RevenueReport
from tollway.app.desks.routing import RoutingDesk
from tollway.app.desks.setup import SetupDesk
from tollway.app.desks.watch import WatchDesk
from tollway.app.operators import operator_accounts
from tollway.app.payments import open_payments
from tollway.app.shop import Shop
from tollway.app.sites import make_site
from tollway.app.ticket_mails import open_helpdesk
from tollway.web.console.app import TEMPLATES, create_console_app
from tollway.web.console.context import Console
from tollway.web.portal.content.folder import ContentFolder

__all__ = ["console_app"]


def console_app(shop: Shop) -> FastAPI:
    """Make the console."""
    settings = shop.settings
    operators = operator_accounts(shop)
    token = operators.prepare_setup()
    if token is not None:
        sys.stdout.write(f"Set up the console: {settings.console_origin}/setup?token={token}\n")
        sys.stdout.flush()
    brand = ContentFolder(settings.portal_dir).current().portal.brand
    site = make_site(
        settings,
        "console",
        brand=brand,
        identify=operators.identify,
        public_url=settings.console_url,
        folders=[TEMPLATES],
    )
    clock, store, usage = shop.clock, shop.store, shop.usage
    payments = open_payments(shop.main, settings, clock)
    return create_console_app(
        Console(
            site=site,
            clock=clock,
            operators=operators,
            revenue=RevenueReport(shop.main, usage.query, clock, goal=settings.mrr_goal),
            customers=CustomerDesk(shop),
            catalogs=CatalogDesk(store, clock),
            routing=RoutingDesk(store, usage.activity, clock),
            watch=WatchDesk(shop.main, usage.query, usage.activity, clock),
            invoices=InvoiceDesk(shop.main, payments, clock),
            tickets=open_helpdesk(shop),
            owners=OwnerDesk(shop.main),
            setup=SetupDesk(store, clock, portal_name=brand.name, portal_folder=settings.portal_dir),
        )
    )
