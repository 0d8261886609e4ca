"""What there is to buy: one row, and one part of the base."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tollway.gateway.models import Shop
from tollway.storage.gateway.changes import ChangeJournal
from tollway.storage.statements import upsert
from tollway.storage.tables.gateway import SHOP

__all__ = ["SHOP_KEY", "SqlShopRepository", "read_shop"]

SHOP_KEY = "shop"
"""The key under which a change of it is noted."""


def read_shop(connection: Connection) -> Shop:
    """Return what there is to buy; an empty shop where none was stored."""
    row = connection.execute(select(SHOP.c.offers, SHOP.c.portal_url)).one_or_none()
    return Shop() if row is None else Shop(tuple(row.offers), row.portal_url)


class SqlShopRepository:
    """`tollway.gateway.ports.ShopRepository` over a connection."""

    def __init__(self, connection: Connection, journal: ChangeJournal) -> None:
        self._connection = connection
        self._journal = journal

    def get(self) -> Shop:
        """Return it; an empty one where none was stored."""
        return read_shop(self._connection)

    def put(self, shop: Shop) -> None:
        """Store it in the place of what was there."""
        values = {"offers": list(shop.offers), "portal_url": shop.portal_url}
        statement = upsert(self._connection, SHOP).values(id=1, **values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=[SHOP.c.id], set_=values))
        self._journal.note_base(SHOP_KEY)
