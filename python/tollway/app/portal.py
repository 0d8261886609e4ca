"""Wires the portal: its use cases over the main database and the gateway's configuration."""

from __future__ import annotations

from fastapi import FastAPI

from tollway.app.accounts import customer_accounts
from tollway.app.billing_pages import CustomerBilling
from tollway.app.event_reports import customer_api
from tollway.app.joining import Joining
from tollway.app.keys import OrganisationKeys
from tollway.app.mail import open_outbox
from tollway.app.notices import Notices
from tollway.app.offers import current_offer
from tollway.app.organisations import Organisations
from tollway.app.payments import open_payments
from tollway.app.settings import local_origin
from tollway.app.shop import Shop
from tollway.app.sites import make_site
from tollway.app.subscriptions import Subscribing
from tollway.app.ticket_mails import open_helpdesk
from tollway.app.trial import ProxyTrial
from tollway.app.usage_pages import CustomerUsage
from tollway.web.portal.app import TEMPLATES, create_portal_app
from tollway.web.portal.content.folder import ContentFolder
from tollway.web.portal.context import Portal
from tollway.web.webhooks import create_webhook_app

__all__ = ["portal_app"]


def portal_app(shop: Shop) -> FastAPI:
    """Make the portal."""
    settings = shop.settings
    payments = open_payments(shop.main, settings, shop.clock)
    content = ContentFolder(settings.portal_dir)
    brand = content.current().portal.brand
    outbox = open_outbox(settings, shop.clock, brand)
    accounts = customer_accounts(shop, outbox)
    proxy = settings.proxy_listeners[0]
    site = make_site(
        settings,
        "portal",
        brand=brand,
        identify=accounts.identify,
        public_url=settings.portal_url,
        folders=[TEMPLATES],
    )
    app = create_portal_app(
        Portal(
            site=site,
            proxy_url=settings.proxy_url,
            proxy_scheme=proxy.scheme,
            proxy_port=proxy.port,
            accounts=accounts,
            joining=Joining(shop, Subscribing(shop.store, shop.clock)),
            keys=OrganisationKeys(shop, outbox),
            organisations=Organisations(shop),
            now=shop.clock.now,
            mail_folder=settings.mail_folder if settings.smtp_url is None else None,
            helpdesk=open_helpdesk(shop),
            content=content.current,
            offers=lambda: current_offer(shop.main),
            billing=CustomerBilling(shop, payments),
            paying=payments,
            usage=CustomerUsage(shop.main, shop.usage.query, shop.usage.activity, shop.invoicing, shop.clock),
            trial=ProxyTrial(
                shop.store,
                shop.gateways,
                shop.clock,
                address=settings.internal_proxy_url or local_origin(proxy.address, proxy.scheme),
                public_url=settings.proxy_url,
            ),
        )
    )
    app.mount("/tollway/v1", customer_api(shop))
    app.mount("/webhooks", create_webhook_app(Notices(shop.main, payments, shop.clock)))
    return app
