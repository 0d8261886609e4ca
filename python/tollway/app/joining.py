"""An organisation takes its first plan: consumer, customer and subscription come to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from tollway.accounts.models import Organisation
from tollway.accounts.slugs import free_slug
from tollway.app.accounts import name_taken
from tollway.app.shop import Shop
from tollway.app.subscriptions import Subscribing
from tollway.billing.errors import SubscriptionConflict
from tollway.billing.models import Customer, PartyDetails, Subscription
from tollway.gateway.models import Attribution
from tollway.kernel.errors import NotFound
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.storage.accounts import SqlPeople
from tollway.storage.commerce import Commerce

__all__ = ["Joining"]


@dataclass(frozen=True, slots=True)
class Joining:
    """`tollway.web.portal.ports.joining.Joining`: organisations and what they subscribe to."""

    shop: Shop
    subscribing: Subscribing

    def subscription(self, organisation: Organisation) -> Subscription | None:
        """Return the organisation's subscription, if it has one that is not over."""
        if organisation.consumer is None:
            return None
        try:
            subscription, now = self.subscribing.present(str(organisation.consumer))
        except (NotFound, SubscriptionConflict):
            return None
        return None if subscription.phase_at(now) is None else subscription

    def take_plan(self, organisation: UUID, plan: str) -> Organisation:
        """Subscribe an organisation to a plan, and return it with its consumer and customer.

        Consumer and customer are stored first: where subscribing then fails, trying again finds them.

        Raises:
            NotFound: there is no such plan.
            SubscriptionConflict: it has a subscription.
        """
        with self.shop.main.read() as connection:
            if Commerce(connection, self.shop.clock).catalog.plan(plan) is None:
                raise NotFound("plan", plan)
        found = self._provided(organisation)
        self.subscribing.create(str(found.consumer), plan, Mode.LIVE)
        return found

    def _provided(self, identifier: UUID) -> Organisation:
        shop, now = self.shop, self.shop.clock.now()
        with shop.main.write() as connection, shop.store.join(connection) as gateway:
            people = SqlPeople(connection)
            organisation = people.organisation(identifier)
            assert organisation is not None  # whose member has just been admitted
            known = (
                None
                if organisation.consumer is None
                else gateway.consumers.repository.get(organisation.consumer)
            )
            if known is not None:
                return organisation
            customer = organisation.customer
            slug = organisation.slug
            if customer is None:
                slug = self._slug(connection, people, organisation)
                customer = self._customer(connection, slug, organisation.name, now)
            consumer = gateway.consumers.create({"username": slug})
            gateway.consumers.attribute(
                consumer.id, Attribution(customer_id=customer, phase_id=None, mode=Mode.LIVE)
            )
            provided = replace(organisation, slug=slug, customer=customer, consumer=consumer.id)
            people.save_organisation(provided)
        return provided

    def _slug(self, connection: Connection, people: SqlPeople, organisation: Organisation) -> str:
        """Return its slug, or another where the operator has used it since: that consumer is not theirs."""

        def taken(slug: str) -> bool:
            other = people.organisation_named(slug)
            return (other is not None and other.id != organisation.id) or name_taken(
                self.shop, connection, slug
            )

        return free_slug(organisation.slug, taken)

    def _customer(self, connection: Connection, slug: str, name: str, now: datetime) -> UUID:
        customer = Customer(
            id=new_id(),
            mode=Mode.LIVE,
            name=slug,
            details=PartyDetails(name=name),
            billing_currency=None,
            created_at=now,
        )
        Commerce(connection, self.shop.clock).parties.save_customer(customer)
        return customer.id
