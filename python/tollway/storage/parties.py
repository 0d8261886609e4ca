"""The repository of seller entities and customers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from tollway.billing.models import Customer, PartyDetails, SellerEntity, TaxId
from tollway.kernel.clock import Clock
from tollway.kernel.errors import NotFound
from tollway.kernel.mode import Mode
from tollway.storage.tables.billing import CUSTOMER, SELLER_ENTITY

__all__ = ["SqlParties", "customer_of", "details_from_json", "details_to_json"]


class SqlParties:
    """`tollway.billing.ports.Parties` within the transaction of a connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def seller(self, seller: UUID) -> SellerEntity:
        """See `Parties.seller`."""
        row = self._connection.execute(
            select(SELLER_ENTITY).where(SELLER_ENTITY.c.id == seller)
        ).one_or_none()
        if row is None:
            raise NotFound("seller entity", str(seller))
        return _seller(row)

    def seller_named(self, slug: str) -> SellerEntity | None:
        """See `Parties.seller_named`."""
        row = self._connection.execute(
            select(SELLER_ENTITY).where(SELLER_ENTITY.c.slug == slug)
        ).one_or_none()
        return None if row is None else _seller(row)

    def save_seller(self, seller: SellerEntity) -> None:
        """See `Parties.save_seller`."""
        self._save(
            SELLER_ENTITY,
            seller.id,
            {
                "slug": seller.slug,
                "name": seller.details.name,
                **_details_columns(seller.details),
                "home_currency": seller.home_currency,
                "invoice_prefix": seller.invoice_prefix,
                "created_at": seller.created_at,
            },
        )

    def customer(self, customer: UUID) -> Customer:
        """See `Parties.customer`."""
        row = self._connection.execute(select(CUSTOMER).where(CUSTOMER.c.id == customer)).one_or_none()
        if row is None:
            raise NotFound("customer", str(customer))
        return customer_of(row)

    def customers(self, customers: Collection[UUID]) -> Mapping[UUID, Customer]:
        """See `Parties.customers`."""
        rows = self._connection.execute(select(CUSTOMER).where(CUSTOMER.c.id.in_(customers)))
        return {row.id: customer_of(row) for row in rows}

    def fix_currencies(self, currencies: Mapping[UUID, str]) -> None:
        """See `Parties.fix_currencies`."""
        if not currencies:
            return
        self._connection.execute(
            update(CUSTOMER).where(CUSTOMER.c.id == bindparam("customer")),
            [
                {"customer": customer, "billing_currency": currency, "updated_at": self._clock.now()}
                for customer, currency in sorted(currencies.items())
            ],
        )

    def customer_named(self, name: str, mode: Mode) -> Customer | None:
        """See `Parties.customer_named`."""
        row = self._connection.execute(
            select(CUSTOMER).where(CUSTOMER.c.name == name, CUSTOMER.c.mode == mode.value)
        ).one_or_none()
        return None if row is None else customer_of(row)

    def save_customer(self, customer: Customer) -> None:
        """See `Parties.save_customer`."""
        self._save(
            CUSTOMER,
            customer.id,
            {
                "mode": customer.mode.value,
                "name": customer.name,
                "legal_name": customer.details.name,
                **_details_columns(customer.details),
                "billing_currency": customer.billing_currency,
                "created_at": customer.created_at,
            },
        )

    def _save(self, table: Table, identifier: UUID, values: Mapping[str, Any]) -> None:
        changed = {**values, "updated_at": self._clock.now()}
        done = self._connection.execute(update(table).where(table.c.id == identifier).values(changed))
        if done.rowcount == 0:
            self._connection.execute(insert(table).values({"id": identifier, **changed}))


def details_to_json(details: PartyDetails) -> dict[str, Any]:
    """Return party details as an invoice keeps them."""
    return {"name": details.name, **_details_columns(details)}


def details_from_json(value: Mapping[str, Any]) -> PartyDetails:
    """Read what `details_to_json` wrote."""
    return PartyDetails(
        name=value["name"],
        address=tuple(value["address"]),
        country=value["country"],
        tax_ids=tuple(TaxId(tax_id["kind"], tax_id["value"]) for tax_id in value["tax_ids"]),
    )


def _details_columns(details: PartyDetails) -> dict[str, Any]:
    return {
        "address": list(details.address),
        "country": details.country,
        "tax_ids": [{"kind": tax_id.kind, "value": tax_id.value} for tax_id in details.tax_ids],
    }


def _seller(row: Any) -> SellerEntity:
    return SellerEntity(
        id=row.id,
        slug=row.slug,
        details=details_from_json(
            {"name": row.name, "address": row.address, "country": row.country, "tax_ids": row.tax_ids}
        ),
        home_currency=row.home_currency,
        invoice_prefix=row.invoice_prefix,
        created_at=row.created_at,
    )


def customer_of(row: Any) -> Customer:
    """Map a row of `customer`."""
    return Customer(
        id=row.id,
        mode=Mode(row.mode),
        name=row.name,
        details=details_from_json(
            {"name": row.legal_name, "address": row.address, "country": row.country, "tax_ids": row.tax_ids}
        ),
        billing_currency=row.billing_currency,
        created_at=row.created_at,
    )
