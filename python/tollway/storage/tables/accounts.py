"""Tables of accounts: people, organisations, sessions, proofs of an address. Tokens are kept as hashes."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table

from tollway.storage.database import MAIN
from tollway.storage.types import Identifier, UtcTimestamp

__all__ = [
    "ACCOUNT_ATTEMPT",
    "ACCOUNT_SESSION",
    "KEY_LABEL",
    "MEMBERSHIP",
    "OPERATOR",
    "ORGANISATION",
    "PASSWORD_RESET",
    "PORTAL_USER",
    "SIGN_UP",
]

_EMAIL = 254
_HASH = 64

ORGANISATION = Table(
    "organisation",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("customer_id", Identifier, ForeignKey("customer.id"), unique=True),
    # No foreign key: the Admin API may delete a consumer.
    Column("consumer_id", Identifier, unique=True),
    Column("created_at", UtcTimestamp, nullable=False),
)

PORTAL_USER = Table(
    "portal_user",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("email", String(_EMAIL), nullable=False),
    # The address in the one spelling that is compared.
    Column("email_key", String(_EMAIL), nullable=False, unique=True),
    Column("password_hash", String(200), nullable=False),
    Column("confirmed_at", UtcTimestamp, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
)

MEMBERSHIP = Table(
    "membership",
    MAIN,
    Column("organisation_id", Identifier, ForeignKey("organisation.id"), primary_key=True),
    Column("user_id", Identifier, ForeignKey("portal_user.id"), primary_key=True, index=True),
    Column("role", String(16), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    CheckConstraint("role IN ('owner')", name="role"),
)

OPERATOR = Table(
    "operator",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("email", String(_EMAIL), nullable=False),
    Column("email_key", String(_EMAIL), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
)

SIGN_UP = Table(
    "sign_up",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("token_hash", String(_HASH), nullable=False, unique=True),
    Column("organisation_name", String(100), nullable=False),
    Column("email", String(_EMAIL), nullable=False),
    Column("email_key", String(_EMAIL), nullable=False, index=True),
    Column("password_hash", String(200), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("expires_at", UtcTimestamp, nullable=False, index=True),
)

PASSWORD_RESET = Table(
    "password_reset",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("token_hash", String(_HASH), nullable=False, unique=True),
    Column("user_id", Identifier, ForeignKey("portal_user.id"), nullable=False, index=True),
    Column("expires_at", UtcTimestamp, nullable=False, index=True),
)

ACCOUNT_SESSION = Table(
    "account_session",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("token_hash", String(_HASH), nullable=False, unique=True),
    Column("realm", String(16), nullable=False),
    # A user's or an operator's id, by the realm.
    Column("subject_id", Identifier, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("last_seen_at", UtcTimestamp, nullable=False),
    Column("expires_at", UtcTimestamp, nullable=False, index=True),
    CheckConstraint("realm IN ('portal', 'console')", name="realm"),
)
Index("ix_account_session_realm_subject_id", ACCOUNT_SESSION.c.realm, ACCOUNT_SESSION.c.subject_id)

ACCOUNT_ATTEMPT = Table(
    "account_attempt",
    MAIN,
    Column("kind", String(32), primary_key=True),
    Column("key", String(_HASH), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("until", UtcTimestamp, nullable=False, index=True),
)

KEY_LABEL = Table(
    "key_label",
    MAIN,
    # No foreign key: the Admin API may delete a credential.
    Column("credential_id", Identifier, primary_key=True),
    Column("name", String(60), nullable=False),
    Column("created_by", Identifier, ForeignKey("portal_user.id"), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
)
