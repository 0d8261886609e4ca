"""What is for sale, read for the portal's public pages."""

from __future__ import annotations

from tollway.storage.catalog import SqlCatalog
from tollway.storage.database import Database
from tollway.web.portal.offer.model import Offer

__all__ = ["current_offer"]


def current_offer(main: Database) -> Offer:
    """Read the current plans, add-ons and meters in one transaction."""
    with main.read() as connection:
        catalog = SqlCatalog(connection)
        return Offer(catalog.plans(), catalog.addons(), catalog.meters())
