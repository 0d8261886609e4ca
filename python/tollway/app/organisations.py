"""What organisations are called, and what invoices say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tollway.accounts.models import Organisation
from tollway.app.shop import Shop
from tollway.billing.models import PartyDetails
from tollway.kernel.errors import Conflict
from tollway.storage.accounts import SqlPeople
from tollway.storage.commerce import Commerce

__all__ = ["Organisations"]


@dataclass(frozen=True, slots=True)
class Organisations:
    """`tollway.web.portal.ports.organisation.Organisations`."""

    shop: Shop

    def details(self, organisation: Organisation) -> PartyDetails | None:
        """See `Organisations.details`."""
        if organisation.customer is None:
            return None
        with self.shop.main.read() as connection:
            return Commerce(connection, self.shop.clock).parties.customer(organisation.customer).details

    def rename(self, organisation: Organisation, name: str) -> None:
        """See `Organisations.rename`."""
        with self.shop.main.write() as connection:
            people = SqlPeople(connection)
            # As it is now: since the page was asked for it may have taken a plan.
            present = people.organisation(organisation.id)
            assert present is not None  # whose member has just been admitted
            people.save_organisation(replace(present, name=name))

    def set_details(self, organisation: Organisation, details: PartyDetails) -> None:
        """See `Organisations.set_details`."""
        if organisation.customer is None:
            raise Conflict("choose a plan first; what invoices say belongs to it")
        with self.shop.main.write() as connection:
            parties = Commerce(connection, self.shop.clock).parties
            parties.save_customer(replace(parties.customer(organisation.customer), details=details))
