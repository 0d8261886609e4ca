"""The repository of customers' accounts at providers, setups and saved methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from tollway.billing.payments.errors import PaymentConflict
from tollway.billing.payments.models import Account, PaymentMethod, Setup
from tollway.billing.payments.results import MethodDetails, SetupStatus
from tollway.kernel.ids import new_id
from tollway.storage.statements import upsert
from tollway.storage.tables.payments import PAYMENT_ACCOUNT, PAYMENT_METHOD, PAYMENT_SETUP, SUBSCRIPTION_SHOWN

__all__ = ["SqlMethods"]


class SqlMethods:
    """`tollway.billing.payments.ports.Methods` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def account(self, customer: UUID, provider: str) -> Account | None:
        """See `Methods.account`."""
        c = PAYMENT_ACCOUNT.c
        row = self._connection.execute(
            select(PAYMENT_ACCOUNT).where(c.customer_id == customer, c.provider == provider)
        ).one_or_none()
        return None if row is None else Account(row.customer_id, row.provider, row.reference)

    def save_account(self, account: Account) -> None:
        """See `Methods.save_account`."""
        self._connection.execute(
            upsert(self._connection, PAYMENT_ACCOUNT)
            .values(customer_id=account.customer, provider=account.provider, reference=account.reference)
            .on_conflict_do_nothing()
        )

    def accounts(self, provider: str) -> Mapping[UUID, str]:
        """See `Methods.accounts`."""
        c = PAYMENT_ACCOUNT.c
        rows = self._connection.execute(select(c.customer_id, c.reference).where(c.provider == provider))
        return {row.customer_id: row.reference for row in rows}

    def shown(self, provider: str) -> Mapping[UUID, str]:
        """See `Methods.shown`."""
        c = SUBSCRIPTION_SHOWN.c
        rows = self._connection.execute(select(c.subscription_id, c.picture).where(c.provider == provider))
        return {row.subscription_id: row.picture for row in rows}

    def save_shown(self, provider: str, subscription: UUID, picture: str) -> None:
        """See `Methods.save_shown`."""
        self._connection.execute(
            upsert(self._connection, SUBSCRIPTION_SHOWN)
            .values(provider=provider, subscription_id=subscription, picture=picture)
            .on_conflict_do_update(
                index_elements=list(SUBSCRIPTION_SHOWN.primary_key.columns), set_={"picture": picture}
            )
        )

    def setup(self, setup: UUID) -> Setup | None:
        """See `Methods.setup`."""
        return self._setup(PAYMENT_SETUP.c.id == setup)

    def setup_with(self, provider: str, reference: str) -> Setup | None:
        """See `Methods.setup_with`."""
        c = PAYMENT_SETUP.c
        return self._setup((c.provider == provider) & (c.reference == reference))

    def save_setup(self, setup: Setup) -> None:
        """See `Methods.save_setup`."""
        values = {
            "customer_id": setup.customer,
            "provider": setup.provider,
            "reference": setup.reference,
            "status": setup.status.value,
            "method_id": setup.method,
            "created_at": setup.created_at,
        }
        done = self._connection.execute(
            update(PAYMENT_SETUP).where(PAYMENT_SETUP.c.id == setup.id).values(values)
        )
        if done.rowcount == 0:
            self._connection.execute(insert(PAYMENT_SETUP).values({"id": setup.id, **values}))

    def of_customer(self, customer: UUID, provider: str | None = None) -> Sequence[PaymentMethod]:
        """See `Methods.of_customer`."""
        c = PAYMENT_METHOD.c
        query = select(PAYMENT_METHOD).where(c.customer_id == customer, c.removed_at.is_(None))
        if provider is not None:
            query = query.where(c.provider == provider)
        rows = self._connection.execute(query.order_by(c.is_default.desc(), c.id.desc()))
        return [_method(row) for row in rows]

    def get(self, method: UUID) -> PaymentMethod | None:
        """See `Methods.get`."""
        row = self._connection.execute(
            select(PAYMENT_METHOD).where(PAYMENT_METHOD.c.id == method)
        ).one_or_none()
        return None if row is None else _method(row)

    def add(self, customer: UUID, provider: str, details: MethodDetails, now: datetime) -> PaymentMethod:
        """See `Methods.add`."""
        c = PAYMENT_METHOD.c
        known = select(PAYMENT_METHOD).where(c.provider == provider, c.reference == details.reference)
        row = self._connection.execute(known).one_or_none()
        if row is None:
            self._connection.execute(
                upsert(self._connection, PAYMENT_METHOD)
                .values(
                    id=new_id(),
                    customer_id=customer,
                    provider=provider,
                    reference=details.reference,
                    kind=details.kind,
                    brand=details.brand,
                    last4=details.last4,
                    expires_month=details.expires_month,
                    expires_year=details.expires_year,
                    is_default=False,
                    created_at=now,
                )
                .on_conflict_do_nothing()
            )
            row = self._connection.execute(known).one()
            self.make_default(_method(row))
            row = self._connection.execute(known).one()
        if row.customer_id != customer:
            raise PaymentConflict("this method is another customer's")
        return _method(row)

    def make_default(self, method: PaymentMethod) -> None:
        """See `Methods.make_default`."""
        c = PAYMENT_METHOD.c
        theirs = (c.customer_id == method.customer) & (c.provider == method.provider)
        # One statement would meet the unique index half-way.
        self._connection.execute(update(PAYMENT_METHOD).where(theirs, c.is_default).values(is_default=False))
        self._connection.execute(
            update(PAYMENT_METHOD).where(c.id == method.id, c.removed_at.is_(None)).values(is_default=True)
        )

    def remove(self, method: PaymentMethod, now: datetime) -> None:
        """See `Methods.remove`."""
        c = PAYMENT_METHOD.c
        self._connection.execute(
            update(PAYMENT_METHOD)
            .where(c.id == method.id, c.removed_at.is_(None))
            .values(is_default=False, removed_at=now)
        )
        rest = self.of_customer(method.customer, method.provider)
        if rest and not rest[0].default:
            self.make_default(rest[0])

    def _setup(self, condition: Any) -> Setup | None:
        row = self._connection.execute(select(PAYMENT_SETUP).where(condition)).one_or_none()
        if row is None:
            return None
        return Setup(
            id=row.id,
            customer=row.customer_id,
            provider=row.provider,
            status=SetupStatus(row.status),
            created_at=row.created_at,
            reference=row.reference,
            method=row.method_id,
        )


def _method(row: Any) -> PaymentMethod:
    return PaymentMethod(
        id=row.id,
        customer=row.customer_id,
        provider=row.provider,
        reference=row.reference,
        kind=row.kind,
        brand=row.brand,
        last4=row.last4,
        expires_month=row.expires_month,
        expires_year=row.expires_year,
        default=row.is_default,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )
