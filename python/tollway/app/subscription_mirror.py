"""Subscriptions shown at the payment provider, as an option: their plan and add-ons, whenever they change."""

from __future__ import annotations

import threading
from datetime import datetime
from hashlib import sha256

import structlog

from tollway.app.going_on import told
from tollway.billing.models import Subscription
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.results import Capability, MirroredItem, ProviderError, SubscriptionPicture
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["SubscriptionMirror"]

_SECONDS = 60.0
_FAILED = "subscriptions were not shown; trying again"

log = structlog.get_logger()


class SubscriptionMirror:
    """Shows what changed since it was last shown, of customers who have an account at the provider."""

    def __init__(self, main: Database, provider: PaymentProvider, clock: Clock) -> None:
        if Capability.ITEM_MIRROR not in provider.capabilities:
            raise InvalidInput(
                "TOLLWAY_PAYMENT_ITEM_MIRROR", f"{provider.name} shows none", "unset it, or use stripe"
            )
        self._main = main
        self._provider = provider
        self._clock = clock

    def show_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.wait(_SECONDS):
            with told(_FAILED):
                self.work()

    def work(self) -> int:
        """Show what changed; return how many subscriptions were."""
        now, name = self._clock.now(), self._provider.name
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            accounts, shown = commerce.methods.accounts(name), commerce.methods.shown(name)
            pictures = [
                _picture(one, accounts[one.customer], now)
                for one in commerce.subscriptions.all()
                if one.customer in accounts and one.starts_at <= now
            ]
        # One that ended before it was ever shown has nothing to show.
        changed = [
            one
            for one in pictures
            if shown.get(one.subscription, "" if one.items else _digest(one)) != _digest(one)
        ]
        count = 0
        for picture in changed:
            # One that fails must not keep the others waiting.
            with told(_FAILED, subscription=str(picture.subscription)):
                count += self._show(picture)
        return count

    def _show(self, picture: SubscriptionPicture) -> bool:
        try:
            self._provider.show_subscription(picture)
        except ProviderError as fault:
            log.warning(
                "a subscription was not shown", subscription=str(picture.subscription), reason=str(fault)
            )
            return False
        with self._main.write() as connection:
            methods = Commerce(connection, self._clock).methods
            methods.save_shown(self._provider.name, picture.subscription, _digest(picture))
        return True


def _picture(subscription: Subscription, account: str, now: datetime) -> SubscriptionPicture:
    phase = subscription.phase_at(now)
    items = []
    if phase is not None:
        items.append(MirroredItem(phase.id, f"Plan {phase.plan.plan.name}"))
        items += [
            MirroredItem(item.id, f"Add-on {item.addon.addon.name}") for item in subscription.items_at(now)
        ]
    return SubscriptionPicture(
        subscription=subscription.id,
        account=account,
        currency=subscription.currency,
        interval=subscription.phases[-1 if phase is None else phase.position].plan.plan.interval.value,
        items=tuple(items),
    )


def _digest(picture: SubscriptionPicture) -> str:
    about = [picture.account, picture.interval, *(f"{item.id}={item.name}" for item in picture.items)]
    return sha256("/".join(about).encode()).hexdigest()
