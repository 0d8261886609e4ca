"""The worker's process: what goes on by itself, without anybody asking."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from tollway.app.billing_worker import BillingWorker
from tollway.app.bus import bus_intake
from tollway.app.commerce import open_seller
from tollway.app.invoicing import Invoicing
from tollway.app.key_worker import KeyWorker
from tollway.app.mail import MailWorker, open_notifier
from tollway.app.payment_worker import PaymentWorker
from tollway.app.payments import open_payments
from tollway.app.settings import Settings
from tollway.app.subscription_mirror import SubscriptionMirror
from tollway.app.usage_export import UsageExport

__all__ = ["run_worker"]


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """Meter, take in, bill, collect and mail until `stop` is set.

    Then meter once more what was served by then.
    """
    with open_seller(settings) as seller:
        invoicing = Invoicing(
            seller.usage.main, seller.usage.query, drain=_metered_beside, clock=seller.clock
        )
        grace = timedelta(minutes=settings.invoice_grace_minutes)
        billing = BillingWorker(seller.subscribing, invoicing, clock=seller.clock, grace=grace)
        payments = open_payments(seller.usage.main, settings, seller.clock)
        collecting = PaymentWorker(seller.usage.main, payments, seller.clock)
        mails = MailWorker(seller.usage.main, open_notifier(settings), seller.clock)
        works = [
            billing.settle_forever,
            billing.close_forever,
            collecting.collect_forever,
            mails.mail_forever,
            KeyWorker(seller.gateways).purge_forever,
        ]
        if settings.bus_url is not None:
            works.append(bus_intake(settings.bus_url, seller.usage, seller.clock).take_forever)
        if settings.payment_usage_export:
            export = UsageExport(seller.usage.main, seller.usage.query, payments.provider, seller.clock)
            works.append(export.export_forever)
        if settings.payment_item_mirror:
            mirror = SubscriptionMirror(seller.usage.main, payments.provider, seller.clock)
            works.append(mirror.show_forever)
        threads = [threading.Thread(target=work, args=(stop,), name=work.__name__) for work in works]
        for thread in threads:
            thread.start()
        try:
            seller.usage.worker.run_forever(stop)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        seller.usage.worker.catch_up()


def _metered_beside(until: datetime, wait: timedelta) -> None:
    """Metering goes on in the worker's other thread; billing takes what it has come to."""
