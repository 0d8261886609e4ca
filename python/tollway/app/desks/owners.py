"""Organisations and who is in them, as the console names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from tollway.accounts.models import Organisation, User
from tollway.storage.accounts import SqlPeople
from tollway.storage.database import Database

__all__ = ["OwnerDesk"]


class OwnerDesk:
    """`tollway.web.console.ports.owners.Owners`."""

    def __init__(self, main: Database) -> None:
        self._main = main

    def organisations(self, organisations: Collection[UUID]) -> Mapping[UUID, Organisation]:
        """See `Owners.organisations`."""
        with self._main.read() as connection:
            people = SqlPeople(connection)
            found = (people.organisation(one) for one in set(organisations))
            return {one.id: one for one in found if one is not None}

    def of_customer(self, customer: UUID) -> tuple[Organisation, list[User]] | None:
        """See `Owners.of_customer`."""
        with self._main.read() as connection:
            people = SqlPeople(connection)
            found = people.organisation_of_customer(customer)
            return None if found is None else (found, list(people.members(found.id)))
