"""From identifiers to the names that people gave, and back: for what is shown beside usage."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, Table, select

from tollway.kernel.errors import NotFound
from tollway.storage.tables.accounts import KEY_LABEL
from tollway.storage.tables.gateway import CONSUMER, KEY_AUTH, ROUTE, SERVICE

__all__ = ["Names"]


class Names:
    """Names of the gateway's entities, remembered once looked up.

    What was deleted, or never had a name, is called by its id: usage outlives what it was made with.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[UUID, str] = {}

    def consumer(self, identifier: UUID | None) -> str | None:
        """Return the consumer's username, or else its custom id."""
        return self._name(CONSUMER, ("username", "custom_id"), identifier)

    def route(self, identifier: UUID | None) -> str | None:
        """Return the route's name."""
        return self._name(ROUTE, ("name",), identifier)

    def service(self, identifier: UUID | None) -> str | None:
        """Return the service's name."""
        return self._name(SERVICE, ("name",), identifier)

    def credential(self, identifier: UUID | None) -> tuple[str, str]:
        """Return what people know a key by: the name its owner gave it, and its last four characters.

        One without a name is called unnamed, one that is gone a revoked key.
        """
        if identifier is None:
            return "no key", ""
        row = self._connection.execute(
            select(KEY_AUTH.c.last_four, KEY_LABEL.c.name)
            .select_from(KEY_AUTH.outerjoin(KEY_LABEL, KEY_LABEL.c.credential_id == KEY_AUTH.c.id))
            .where(KEY_AUTH.c.id == identifier)
        ).first()
        if row is not None:
            return row.name or "unnamed", row.last_four
        label = self._connection.scalar(
            select(KEY_LABEL.c.name).where(KEY_LABEL.c.credential_id == identifier)
        )
        return label or "a revoked key", ""

    def consumer_named(self, name: str) -> UUID:
        """Return the consumer with this username or custom id; an id is taken as it is.

        Raises:
            NotFound: there is no such consumer.
        """
        for column in (CONSUMER.c.username, CONSUMER.c.custom_id):
            found: UUID | None = self._connection.scalar(select(CONSUMER.c.id).where(column == name))
            if found is not None:
                return found
        try:
            return UUID(name)
        except ValueError:
            raise NotFound("consumer", name, "give a username, a custom id or an id") from None

    def _name(self, table: Table, columns: tuple[str, ...], identifier: UUID | None) -> str | None:
        if identifier is None:
            return None
        name = self._known.get(identifier)
        if name is None:
            query = select(*(table.c[column] for column in columns)).where(table.c.id == identifier)
            row = self._connection.execute(query).first()
            name = next((value for value in row or () if value), str(identifier))
            self._known[identifier] = name
        return name
