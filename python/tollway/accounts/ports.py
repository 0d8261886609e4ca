"""What accounts need of storage; each works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from tollway.accounts.models import (
    Membership,
    Operator,
    Organisation,
    PasswordReset,
    PendingSignUp,
    Realm,
    Session,
    User,
)

__all__ = ["Attempts", "Operators", "People", "Sessions"]


class People(Protocol):
    """Organisations and their users. An e-mail address is found in any spelling."""

    def organisation(self, organisation: UUID) -> Organisation | None:
        """Return an organisation by its id."""

    def organisation_named(self, slug: str) -> Organisation | None:
        """Return an organisation by its slug."""

    def organisation_of_customer(self, customer: UUID) -> Organisation | None:
        """Return the organisation that owns a customer."""

    def organisations(self) -> Sequence[Organisation]:
        """Return every organisation, the newest first."""

    def save_organisation(self, organisation: Organisation) -> None:
        """Add an organisation, or overwrite the one with this id."""

    def user(self, user: UUID) -> User | None:
        """Return a user by their id."""

    def user_with_email(self, email: str) -> User | None:
        """Return the user with an e-mail address."""

    def save_user(self, user: User) -> None:
        """Add a user, or overwrite the one with this id."""

    def add_membership(self, membership: Membership) -> None:
        """Make a user a member."""

    def membership_of(self, user: UUID) -> Membership | None:
        """Return the organisation that a user acts for: the one they joined first."""

    def members(self, organisation: UUID) -> Sequence[User]:
        """Return an organisation's users, in the order they joined."""

    def save_sign_up(self, sign_up: PendingSignUp) -> None:
        """Keep a sign-up until its address is proven."""

    def sign_up(self, token_hash: str) -> PendingSignUp | None:
        """Return a sign-up by its link's token."""

    def drop_sign_ups(self, email: str) -> None:
        """Forget every sign-up of an address."""

    def save_reset(self, reset: PasswordReset) -> None:
        """Keep the permission to set a new password."""

    def reset(self, token_hash: str) -> PasswordReset | None:
        """Return that permission by its link's token."""

    def drop_resets(self, user: UUID) -> None:
        """Forget every such permission of a user."""

    def drop_expired(self, now: datetime) -> None:
        """Forget sign-ups and permissions that are too old."""


class Operators(Protocol):
    """Who runs the shop."""

    def operator(self, operator: UUID) -> Operator | None:
        """Return an operator by their id."""

    def operator_with_email(self, email: str) -> Operator | None:
        """Return the operator with an e-mail address."""

    def operators(self) -> Sequence[Operator]:
        """Return every operator, in the order they came."""

    def save_operator(self, operator: Operator) -> None:
        """Add an operator, or overwrite the one with this id."""


class Sessions(Protocol):
    """Who is signed in where."""

    def add(self, session: Session) -> None:
        """Begin a session."""

    def find(self, realm: Realm, token_hash: str) -> Session | None:
        """Return a realm's session by its token."""

    def seen(self, session: UUID, now: datetime) -> None:
        """Note that a session is in use."""

    def end(self, token_hash: str) -> None:
        """End a session."""

    def end_all(self, realm: Realm, subject: UUID) -> None:
        """End every session of somebody."""

    def drop_expired(self, now: datetime) -> None:
        """Forget sessions that are over."""


class Attempts(Protocol):
    """How often something was tried."""

    def count(self, kind: str, key: str, now: datetime, window: timedelta) -> tuple[int, datetime]:
        """Note one more attempt; return how many there were in this window, and when it ends."""

    def forget(self, kind: str, key: str) -> None:
        """Start anew for a key."""
