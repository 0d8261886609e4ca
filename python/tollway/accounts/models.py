"""Organisations, the people in them, operators, and what proves who somebody is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

__all__ = [
    "Membership",
    "MembershipRole",
    "Operator",
    "Organisation",
    "PasswordReset",
    "PendingSignUp",
    "Realm",
    "Session",
    "SignedIn",
    "SignedInOperator",
    "User",
]


class Realm(StrEnum):
    """Which site a session is for: one of the portal opens nothing on the console."""

    PORTAL = "portal"
    CONSOLE = "console"


class MembershipRole(StrEnum):
    """What a user may do in an organisation."""

    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who buys: it owns one customer and one consumer, both called by its slug, made when it takes a plan."""

    id: UUID
    slug: str
    name: str
    customer: UUID | None
    consumer: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who signs in to the portal. `email` is as they write it; another spelling is the same one."""

    id: UUID
    email: str
    password_hash: str = field(repr=False)
    confirmed_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user's place in an organisation."""

    organisation: UUID
    user: UUID
    role: MembershipRole
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person who runs the shop, on the console. Apart from users: one is never the other."""

    id: UUID
    email: str
    name: str
    password_hash: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignUp:
    """What somebody wants to sign up with. Nothing of it exists until the mail's link proves the address.

    So an address can't be taken by somebody who doesn't read its mail, nor a password set for it.
    """

    id: UUID
    token_hash: str
    organisation_name: str
    email: str
    password_hash: str = field(repr=False)
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """The permission to set a user's password, for whoever reads their mail."""

    id: UUID
    token_hash: str
    user: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody signed in, in one browser. The token itself is only in that browser's cookie."""

    id: UUID
    token_hash: str
    realm: Realm
    subject: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A user with the organisation that they act for."""

    user: User
    organisation: Organisation
    role: MembershipRole

    @property
    def label(self) -> str:
        """What the page's head calls them."""
        return self.organisation.name

    def of(self, organisation: Organisation) -> SignedIn:
        """Return the same with the organisation as it is now."""
        return SignedIn(user=self.user, organisation=organisation, role=self.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInOperator:
    """An operator at work."""

    operator: Operator

    @property
    def label(self) -> str:
        """What the page's side calls them."""
        return self.operator.name
