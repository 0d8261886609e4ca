"""The repositories of organisations, users and operators."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select, update

from tollway.accounts.models import (
    Membership,
    MembershipRole,
    Operator,
    Organisation,
    PasswordReset,
    PendingSignUp,
    User,
)
from tollway.storage.tables.accounts import (
    MEMBERSHIP,
    OPERATOR,
    ORGANISATION,
    PASSWORD_RESET,
    PORTAL_USER,
    SIGN_UP,
)

__all__ = ["SqlOperators", "SqlPeople"]


class SqlPeople:
    """`tollway.accounts.ports.People` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def organisation(self, organisation: UUID) -> Organisation | None:
        """See `People.organisation`."""
        return self._organisation(ORGANISATION.c.id == organisation)

    def organisation_named(self, slug: str) -> Organisation | None:
        """See `People.organisation_named`."""
        return self._organisation(ORGANISATION.c.slug == slug)

    def organisation_of_customer(self, customer: UUID) -> Organisation | None:
        """See `People.organisation_of_customer`."""
        return self._organisation(ORGANISATION.c.customer_id == customer)

    def organisations(self) -> Sequence[Organisation]:
        """See `People.organisations`."""
        rows = self._connection.execute(select(ORGANISATION).order_by(ORGANISATION.c.id.desc()))
        return [_organisation(row) for row in rows]

    def save_organisation(self, organisation: Organisation) -> None:
        """See `People.save_organisation`."""
        values = {
            "slug": organisation.slug,
            "name": organisation.name,
            "customer_id": organisation.customer,
            "consumer_id": organisation.consumer,
            "created_at": organisation.created_at,
        }
        _save(self._connection, ORGANISATION, organisation.id, values)

    def user(self, user: UUID) -> User | None:
        """See `People.user`."""
        return self._user(PORTAL_USER.c.id == user)

    def user_with_email(self, email: str) -> User | None:
        """See `People.user_with_email`."""
        return self._user(PORTAL_USER.c.email_key == email_key(email))

    def save_user(self, user: User) -> None:
        """See `People.save_user`."""
        values = {
            "email": user.email,
            "email_key": email_key(user.email),
            "password_hash": user.password_hash,
            "confirmed_at": user.confirmed_at,
            "created_at": user.created_at,
        }
        _save(self._connection, PORTAL_USER, user.id, values)

    def add_membership(self, membership: Membership) -> None:
        """See `People.add_membership`."""
        self._connection.execute(
            insert(MEMBERSHIP).values(
                organisation_id=membership.organisation,
                user_id=membership.user,
                role=membership.role.value,
                created_at=membership.created_at,
            )
        )

    def membership_of(self, user: UUID) -> Membership | None:
        """See `People.membership_of`."""
        row = self._connection.execute(
            select(MEMBERSHIP)
            .where(MEMBERSHIP.c.user_id == user)
            .order_by(MEMBERSHIP.c.created_at, MEMBERSHIP.c.organisation_id)
        ).first()
        if row is None:
            return None
        return Membership(
            organisation=row.organisation_id,
            user=row.user_id,
            role=MembershipRole(row.role),
            created_at=row.created_at,
        )

    def members(self, organisation: UUID) -> Sequence[User]:
        """See `People.members`."""
        rows = self._connection.execute(
            select(PORTAL_USER)
            .join(MEMBERSHIP, MEMBERSHIP.c.user_id == PORTAL_USER.c.id)
            .where(MEMBERSHIP.c.organisation_id == organisation)
            .order_by(MEMBERSHIP.c.created_at, PORTAL_USER.c.id)
        )
        return [_user(row) for row in rows]

    def save_sign_up(self, sign_up: PendingSignUp) -> None:
        """See `People.save_sign_up`."""
        self._connection.execute(
            insert(SIGN_UP).values(
                id=sign_up.id,
                token_hash=sign_up.token_hash,
                organisation_name=sign_up.organisation_name,
                email=sign_up.email,
                email_key=email_key(sign_up.email),
                password_hash=sign_up.password_hash,
                created_at=sign_up.created_at,
                expires_at=sign_up.expires_at,
            )
        )

    def sign_up(self, token_hash: str) -> PendingSignUp | None:
        """See `People.sign_up`."""
        row = self._connection.execute(
            select(SIGN_UP).where(SIGN_UP.c.token_hash == token_hash)
        ).one_or_none()
        if row is None:
            return None
        return PendingSignUp(
            id=row.id,
            token_hash=row.token_hash,
            organisation_name=row.organisation_name,
            email=row.email,
            password_hash=row.password_hash,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    def drop_sign_ups(self, email: str) -> None:
        """See `People.drop_sign_ups`."""
        self._connection.execute(delete(SIGN_UP).where(SIGN_UP.c.email_key == email_key(email)))

    def save_reset(self, reset: PasswordReset) -> None:
        """See `People.save_reset`."""
        self._connection.execute(
            insert(PASSWORD_RESET).values(
                id=reset.id, token_hash=reset.token_hash, user_id=reset.user, expires_at=reset.expires_at
            )
        )

    def reset(self, token_hash: str) -> PasswordReset | None:
        """See `People.reset`."""
        row = self._connection.execute(
            select(PASSWORD_RESET).where(PASSWORD_RESET.c.token_hash == token_hash)
        ).one_or_none()
        if row is None:
            return None
        return PasswordReset(
            id=row.id, token_hash=row.token_hash, user=row.user_id, expires_at=row.expires_at
        )

    def drop_resets(self, user: UUID) -> None:
        """See `People.drop_resets`."""
        self._connection.execute(delete(PASSWORD_RESET).where(PASSWORD_RESET.c.user_id == user))

    def drop_expired(self, now: datetime) -> None:
        """See `People.drop_expired`."""
        for table in (SIGN_UP, PASSWORD_RESET):
            self._connection.execute(delete(table).where(table.c.expires_at <= now))

    def _organisation(self, which: ColumnElement[bool]) -> Organisation | None:
        row = self._connection.execute(select(ORGANISATION).where(which)).one_or_none()
        return None if row is None else _organisation(row)

    def _user(self, which: ColumnElement[bool]) -> User | None:
        row = self._connection.execute(select(PORTAL_USER).where(which)).one_or_none()
        return None if row is None else _user(row)


class SqlOperators:
    """`tollway.accounts.ports.Operators` within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def operator(self, operator: UUID) -> Operator | None:
        """See `Operators.operator`."""
        return self._operator(OPERATOR.c.id == operator)

    def operator_with_email(self, email: str) -> Operator | None:
        """See `Operators.operator_with_email`."""
        return self._operator(OPERATOR.c.email_key == email_key(email))

    def operators(self) -> Sequence[Operator]:
        """See `Operators.operators`."""
        rows = self._connection.execute(select(OPERATOR).order_by(OPERATOR.c.id))
        return [_operator(row) for row in rows]

    def save_operator(self, operator: Operator) -> None:
        """See `Operators.save_operator`."""
        values = {
            "email": operator.email,
            "email_key": email_key(operator.email),
            "name": operator.name,
            "password_hash": operator.password_hash,
            "created_at": operator.created_at,
        }
        _save(self._connection, OPERATOR, operator.id, values)

    def _operator(self, which: ColumnElement[bool]) -> Operator | None:
        row = self._connection.execute(select(OPERATOR).where(which)).one_or_none()
        return None if row is None else _operator(row)


def email_key(email: str) -> str:
    """Return an address in the one spelling that is compared."""
    return unicodedata.normalize("NFC", email).casefold()


def _save(connection: Connection, table: Table, identifier: UUID, values: Mapping[str, Any]) -> None:
    done = connection.execute(update(table).where(table.c.id == identifier).values(values))
    if done.rowcount == 0:
        connection.execute(insert(table).values({"id": identifier, **values}))


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(
        id=row.id,
        slug=row.slug,
        name=row.name,
        customer=row.customer_id,
        consumer=row.consumer_id,
        created_at=row.created_at,
    )


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        email=row.email,
        password_hash=row.password_hash,
        confirmed_at=row.confirmed_at,
        created_at=row.created_at,
    )


def _operator(row: Row[Any]) -> Operator:
    return Operator(
        id=row.id,
        email=row.email,
        name=row.name,
        password_hash=row.password_hash,
        created_at=row.created_at,
    )
