"""Signing up, in and out on the portal, and what its pages know of whoever is signed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Connection

from tollway.accounts import sessions, throttle
from tollway.accounts.errors import LinkUnusable, SignInRefused
from tollway.accounts.models import (
    Membership,
    MembershipRole,
    Organisation,
    PasswordReset,
    PendingSignUp,
    Realm,
    SignedIn,
    User,
)
from tollway.accounts.passwords import Passwords, require_password
from tollway.accounts.slugs import free_slug
from tollway.accounts.tokens import hash_token, new_token
from tollway.app.mail import Outbox
from tollway.app.shop import Shop
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.storage.accounts import SqlPeople
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database
from tollway.storage.sessions import SqlAttempts, SqlSessions

__all__ = ["CustomerAccounts", "customer_accounts", "name_taken"]

_CONFIRM_WITHIN = timedelta(hours=24)
_RESET_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAccounts:
    """`tollway.web.portal.ports.Accounts`. `name_taken` says whether gateway or billing know a name already.

    Passwords are hashed outside transactions: it takes tens of milliseconds, and SQLite has one write lock.
    """

    main: Database
    passwords: Passwords
    outbox: Outbox
    clock: Clock
    name_taken: Callable[[Connection, str], bool]

    def identify(self, token: str) -> SignedIn | None:
        """Return who a session belongs to."""
        now = self.clock.now()
        with self.main.read() as connection:
            session = sessions.live(SqlSessions(connection), Realm.PORTAL, token, now)
            signed = None if session is None else _signed_in(SqlPeople(connection), session.subject)
        if session is not None and sessions.stale(session, now):
            with self.main.write() as connection:
                SqlSessions(connection).seen(session.id, now)
        return signed

    def sign_up(self, organisation: str, email: str, password: str, place: str, plan: str = "") -> None:
        """Send a mail by which the address's owner confirms the sign-up; `plan` is what they came for.

        Nothing tells whether the address has an account already; its owner's mail does.

        Raises:
            InvalidInput: the password is too weak.
            TooManyAttempts: for this address or from this place.
        """
        require_password(password, email)
        with self.main.write() as connection:
            throttle.take(SqlAttempts(connection), throttle.SIGN_UP, email, place, self.clock.now())
        password_hash = self.passwords.hash(password)
        token, now = new_token(), self.clock.now()
        with self.main.write() as connection:
            people = SqlPeople(connection)
            people.drop_expired(now)
            known = people.user_with_email(email)
            if known is not None:
                link = self.outbox.link("/sign-in")
                self.outbox.mail(connection, known.email, "already_signed_up", link=link)
                return
            people.save_sign_up(
                PendingSignUp(
                    id=new_id(),
                    token_hash=hash_token(token),
                    organisation_name=organisation,
                    email=email,
                    password_hash=password_hash,
                    created_at=now,
                    expires_at=now + _CONFIRM_WITHIN,
                )
            )
            wanted = f"&plan={quote(plan, safe='')}" if plan else ""
            link = self.outbox.link(f"/confirm?token={quote(token)}{wanted}")
            # Not a word of what was typed: anybody can have us write to any address.
            self.outbox.mail(connection, email, "confirm_sign_up", link=link)

    def pending(self, token: str) -> PendingSignUp:
        """Return the sign-up that a link is for.

        Raises:
            LinkUnusable: it opens nothing.
        """
        with self.main.read() as connection:
            return self._pending(SqlPeople(connection), token)

    def confirm(self, token: str, instead: str | None) -> str:
        """Make the account that a link confirms, sign in, and return the session's token.

        Raises:
            LinkUnusable: it opens nothing.
        """
        with self.main.write() as connection:
            people = SqlPeople(connection)
            user = self._join(connection, self._pending(people, token))
            return sessions.begin(
                SqlSessions(connection), Realm.PORTAL, user.id, self.clock.now(), instead=instead
            )

    def sign_in(self, email: str, password: str, place: str, instead: str | None) -> str:
        """Begin a session and return its token; `instead` is the token that the browser brought.

        Raises:
            SignInRefused: address and password don't belong together.
            TooManyAttempts: for this address or from this place.
        """
        with self.main.write() as connection:
            throttle.take(SqlAttempts(connection), throttle.SIGN_IN, email, place, self.clock.now())
            user = SqlPeople(connection).user_with_email(email)
        if not self.passwords.verify(None if user is None else user.password_hash, password) or user is None:
            raise SignInRefused
        with self.main.write() as connection:
            throttle.forgive(SqlAttempts(connection), throttle.SIGN_IN, email)
            return sessions.begin(
                SqlSessions(connection), Realm.PORTAL, user.id, self.clock.now(), instead=instead
            )

    def sign_out(self, token: str | None) -> None:
        """End the session of a token."""
        with self.main.write() as connection:
            sessions.end(SqlSessions(connection), token)

    def ask_reset(self, email: str, place: str) -> None:
        """Send a mail by which the address's owner sets a new password, if it has an account.

        Raises:
            TooManyAttempts: for this address or from this place.
        """
        token, now = new_token(), self.clock.now()
        with self.main.write() as connection:
            throttle.take(SqlAttempts(connection), throttle.SIGN_UP, email, place, now)
            people = SqlPeople(connection)
            people.drop_expired(now)
            user = people.user_with_email(email)
            if user is not None:
                people.save_reset(
                    PasswordReset(
                        id=new_id(),
                        token_hash=hash_token(token),
                        user=user.id,
                        expires_at=now + _RESET_WITHIN,
                    )
                )
                link = self.outbox.link(f"/new-password?token={quote(token)}")
                self.outbox.mail(connection, user.email, "reset_password", link=link)

    def require_reset(self, token: str) -> None:
        """Refuse a link that sets no password, before anybody thinks of one.

        Raises:
            LinkUnusable: it opens nothing.
        """
        with self.main.read() as connection:
            self._reset_of(SqlPeople(connection), token)

    def reset(self, token: str, password: str) -> None:
        """Set a new password; every session and every other link of the user ends.

        Raises:
            LinkUnusable: the link opens nothing.
            InvalidInput: the password is too weak.
        """
        with self.main.read() as connection:
            email = self._reset_of(SqlPeople(connection), token).email
        require_password(password, email)
        password_hash = self.passwords.hash(password)
        with self.main.write() as connection:
            people, now = SqlPeople(connection), self.clock.now()
            user = self._reset_of(people, token)
            people.save_user(replace(user, password_hash=password_hash))
            people.drop_resets(user.id)
            SqlSessions(connection).end_all(Realm.PORTAL, user.id)
            throttle.forgive(SqlAttempts(connection), throttle.SIGN_IN, user.email)
            link = self.outbox.link("/reset-password")
            self.outbox.mail(connection, user.email, "password_changed", at=now, link=link)

    def _pending(self, people: SqlPeople, token: str) -> PendingSignUp:
        found = people.sign_up(hash_token(token))
        if found is None or found.expires_at <= self.clock.now():
            raise LinkUnusable
        return found

    def _reset_of(self, people: SqlPeople, token: str) -> User:
        found = people.reset(hash_token(token))
        user = None if found is None or found.expires_at <= self.clock.now() else people.user(found.user)
        if user is None:
            raise LinkUnusable
        return user

    def _join(self, connection: Connection, sign_up: PendingSignUp) -> User:
        people, now = SqlPeople(connection), self.clock.now()
        if people.user_with_email(sign_up.email) is not None:
            raise LinkUnusable  # another link of the same address was used first

        def taken(slug: str) -> bool:
            return people.organisation_named(slug) is not None or self.name_taken(connection, slug)

        organisation = Organisation(
            id=new_id(),
            slug=free_slug(sign_up.organisation_name, taken),
            name=sign_up.organisation_name,
            customer=None,
            consumer=None,
            created_at=now,
        )
        user = User(
            id=new_id(),
            email=sign_up.email,
            password_hash=sign_up.password_hash,
            confirmed_at=now,
            created_at=now,
        )
        people.save_organisation(organisation)
        people.save_user(user)
        people.add_membership(
            Membership(organisation=organisation.id, user=user.id, role=MembershipRole.OWNER, created_at=now)
        )
        people.drop_sign_ups(sign_up.email)
        return user


def customer_accounts(shop: Shop, outbox: Outbox) -> CustomerAccounts:
    """Return the accounts of a shop."""

    def taken(connection: Connection, name: str) -> bool:
        return name_taken(shop, connection, name)

    return CustomerAccounts(
        main=shop.main, passwords=Passwords(), outbox=outbox, clock=shop.clock, name_taken=taken
    )


def name_taken(shop: Shop, connection: Connection, name: str) -> bool:
    """Whether gateway or billing know a consumer or a customer of a name: it is somebody else's then."""
    gateway, parties = shop.store.over(connection), Commerce(connection, shop.clock).parties
    return (
        gateway.consumers.find(name) is not None
        or gateway.consumers.repository.find(custom_id=name) is not None
        or any(parties.customer_named(name, mode) is not None for mode in Mode)
    )


def _signed_in(people: SqlPeople, subject: UUID) -> SignedIn | None:
    user = people.user(subject)
    membership = people.membership_of(subject)
    organisation = None if membership is None else people.organisation(membership.organisation)
    if user is None or membership is None or organisation is None:
        return None
    return SignedIn(user=user, organisation=organisation, role=membership.role)
