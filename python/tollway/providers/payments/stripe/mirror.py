"""A subscription shown in Stripe: its plan and add-ons as items that cost nothing there.

See https://docs.stripe.com/api/subscription_items. Tollway invoices them; what Stripe shows is a picture,
brought to what there is now by comparing, so it may be drawn again at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from stripe import V1Services

from tollway.billing.payments.results import MirroredItem, PermanentFault, SubscriptionPicture
from tollway.providers.payments.stripe.calls import asked

if TYPE_CHECKING:
    from stripe import params

__all__ = ["Mirror"]

SUBSCRIPTION = "tollway_subscription"
INTERVAL = "tollway_interval"
ITEM = "tollway_item"

_RECURRING: Mapping[str, tuple[str, int]] = {
    "day": ("day", 1),
    "week": ("week", 1),
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("year", 1),
}


class Mirror:
    """Subscriptions of ours in Stripe's dashboard."""

    def __init__(self, client: V1Services) -> None:
        self._client = client

    def show(self, picture: SubscriptionPicture) -> None:
        """See `PaymentProvider.show_subscription`."""
        shown = self._find(picture)
        if not picture.items:
            if shown is not None:
                asked(lambda: self._client.subscriptions.cancel(shown))
        elif shown is None:
            self._make(picture)
        else:
            self._bring_to(picture, shown)

    def _find(self, picture: SubscriptionPicture) -> str | None:
        def look() -> str | None:
            listed = self._client.subscriptions.list({"customer": picture.account, "limit": 100})
            for one in listed.auto_paging_iter():
                marks = one.metadata.to_dict()
                if marks.get(SUBSCRIPTION) == str(picture.subscription):
                    if marks.get(INTERVAL) == picture.interval:
                        return one.id
                    # Stripe's items are all of one interval: after a change of it, it is another one.
                    self._client.subscriptions.cancel(one.id)
            return None

        return asked(look)

    def _make(self, picture: SubscriptionPicture) -> None:
        items: list[params.SubscriptionCreateParamsItem] = [
            {
                "price_data": {
                    "currency": picture.currency.lower(),
                    "product": self._product(item),
                    "unit_amount": 0,
                    "recurring": _recurring(picture),
                },
                "metadata": {ITEM: str(item.id)},
            }
            for item in picture.items
        ]
        asked(
            lambda: self._client.subscriptions.create(
                {
                    "customer": picture.account,
                    "items": items,
                    "metadata": {
                        SUBSCRIPTION: str(picture.subscription),
                        INTERVAL: picture.interval,
                    },
                },
                # Made of what is shown: after an end and a new beginning it is another.
                {"idempotency_key": f"tollway-subscription-{_digest(picture)}"},
            )
        )

    def _bring_to(self, picture: SubscriptionPicture, shown: str) -> None:
        def look() -> dict[str, str]:
            listed = self._client.subscription_items.list({"subscription": shown, "limit": 100})
            return {one.metadata.to_dict().get(ITEM, one.id): one.id for one in listed.auto_paging_iter()}

        there = asked(look)
        # New ones first: Stripe keeps no subscription without an item.
        for item in picture.items:
            if str(item.id) not in there:
                self._add(picture, shown, item)
        wanted = {str(item.id) for item in picture.items}
        for ours, theirs in there.items():
            if ours not in wanted:
                self._remove(theirs)

    def _add(self, picture: SubscriptionPicture, shown: str, item: MirroredItem) -> None:
        product = self._product(item)
        asked(
            lambda: self._client.subscription_items.create(
                {
                    "subscription": shown,
                    "price_data": {
                        "currency": picture.currency.lower(),
                        "product": product,
                        "unit_amount": 0,
                        "recurring": _recurring(picture),
                    },
                    "metadata": {ITEM: str(item.id)},
                    "proration_behavior": "none",
                },
                {"idempotency_key": f"tollway-item-{item.id}"},
            )
        )

    def _remove(self, item: str) -> None:
        try:
            asked(lambda: self._client.subscription_items.delete(item, {"proration_behavior": "none"}))
        except PermanentFault as fault:
            if fault.code != "resource_missing":
                raise

    def _product(self, item: MirroredItem) -> str:
        id_ = f"tollway_{sha256(item.name.encode()).hexdigest()[:32]}"
        try:
            asked(
                lambda: self._client.products.create(
                    {"id": id_, "name": item.name}, {"idempotency_key": f"tollway-product-{id_}"}
                )
            )
        except PermanentFault as fault:
            if fault.code != "resource_already_exists":
                raise
        return id_


def _recurring(picture: SubscriptionPicture) -> params.SubscriptionCreateParamsItemPriceDataRecurring:
    interval, count = _RECURRING[picture.interval]
    return {"interval": interval, "interval_count": count}


def _digest(picture: SubscriptionPicture) -> str:
    about = "/".join([str(picture.subscription), *(str(item.id) for item in picture.items)])
    return sha256(about.encode()).hexdigest()
