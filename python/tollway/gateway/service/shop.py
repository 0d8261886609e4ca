"""What there is to buy, as far as the gateway's refusals speak of it."""

from __future__ import annotations

from collections.abc import Iterable

from tollway.contracts.entitlement import Offer
from tollway.gateway.models import Shop
from tollway.gateway.ports import GatewayRepositories

__all__ = ["ShopService"]


class ShopService:
    """Offers and the portal's address in the base."""

    def __init__(self, repositories: GatewayRepositories) -> None:
        self._repository = repositories.shop

    def get(self) -> Shop:
        """Return what refusals say now."""
        return self._repository.get()

    def set(self, offers: Iterable[Offer], portal_url: str | None) -> Shop:
        """Say from the next configuration version on who has which feature, and where it is sold.

        Offers in any order; `portal_url` is an origin such as `https://portal.example.com`. Nothing is
        written, and no version made, where that is what is said already.
        """
        ordered = sorted(offers, key=lambda offer: offer["feature"])
        url = portal_url.rstrip("/") if portal_url else None
        shop = Shop(tuple(ordered), url or None)
        if shop != self._repository.get():
            self._repository.put(shop)
        return shop
