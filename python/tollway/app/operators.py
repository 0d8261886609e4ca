"""Operators: the first one by the setup token, signing in and out on the console."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tollway.accounts import sessions, throttle
from tollway.accounts.errors import LinkUnusable, SignInRefused
from tollway.accounts.models import Operator, Realm, SignedInOperator
from tollway.accounts.passwords import Passwords, require_password
from tollway.app.shop import Shop
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.storage.accounts import SqlOperators
from tollway.storage.database import Database
from tollway.storage.sessions import SqlAttempts, SqlSessions

__all__ = ["OperatorAccounts", "operator_accounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccounts:
    """`tollway.web.console.ports.Operators`.

    `token_file` holds the one-time setup token while there is no operator; whoever reads the data folder may
    become the first.
    """

    main: Database
    passwords: Passwords
    clock: Clock
    token_file: Path

    def identify(self, token: str) -> SignedInOperator | None:
        """Return who a session belongs to."""
        now = self.clock.now()
        with self.main.read() as connection:
            session = sessions.live(SqlSessions(connection), Realm.CONSOLE, token, now)
            operator = None if session is None else SqlOperators(connection).operator(session.subject)
        if session is not None and sessions.stale(session, now):
            with self.main.write() as connection:
                SqlSessions(connection).seen(session.id, now)
        return None if operator is None else SignedInOperator(operator=operator)

    def setup_needed(self) -> bool:
        """Whether nobody runs the shop yet."""
        with self.main.read() as connection:
            return not SqlOperators(connection).operators()

    def prepare_setup(self) -> str | None:
        """Return the setup token, made where there is none yet; None once there is an operator."""
        if not self.setup_needed():
            self.token_file.unlink(missing_ok=True)
            return None
        try:
            handle = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self.token_file.read_text().strip()
        token = secrets.token_urlsafe(24)
        with os.fdopen(handle, "w") as file:
            file.write(token + "\n")
        return token

    def set_up(self, token: str, *, name: str, email: str, password: str, place: str) -> str:
        """Make the first operator, sign in, and return the session's token.

        Raises:
            LinkUnusable: it is not the setup token, or it has been used.
            InvalidInput: the password is too weak.
            TooManyAttempts: from this place.
        """
        with self.main.write() as connection:
            throttle.take(SqlAttempts(connection), throttle.SETUP, "", place, self.clock.now())
        kept = self.token_file.read_text().strip() if self.token_file.exists() else ""
        if not kept or not hmac.compare_digest(kept.encode(), token.strip().encode()):
            raise LinkUnusable
        require_password(password, email)
        password_hash = self.passwords.hash(password)
        now = self.clock.now()
        operator = Operator(id=new_id(), email=email, name=name, password_hash=password_hash, created_at=now)
        with self.main.write() as connection:
            operators = SqlOperators(connection)
            if operators.operators():
                raise LinkUnusable  # somebody else was first
            operators.save_operator(operator)
            session = sessions.begin(SqlSessions(connection), Realm.CONSOLE, operator.id, now, instead=None)
        self.token_file.unlink(missing_ok=True)
        return session

    def sign_in(self, email: str, password: str, place: str, instead: str | None) -> str:
        """Begin a session and return its token; `instead` is the token that the browser brought.

        Raises:
            SignInRefused: address and password don't belong together.
            TooManyAttempts: for this address or from this place.
        """
        with self.main.write() as connection:
            throttle.take(SqlAttempts(connection), throttle.OPERATOR_SIGN_IN, email, place, self.clock.now())
            operator = SqlOperators(connection).operator_with_email(email)
        kept = None if operator is None else operator.password_hash
        if not self.passwords.verify(kept, password) or operator is None:
            raise SignInRefused
        with self.main.write() as connection:
            throttle.forgive(SqlAttempts(connection), throttle.OPERATOR_SIGN_IN, email)
            return sessions.begin(
                SqlSessions(connection), Realm.CONSOLE, operator.id, self.clock.now(), instead=instead
            )

    def sign_out(self, token: str | None) -> None:
        """End the session of a token."""
        with self.main.write() as connection:
            sessions.end(SqlSessions(connection), token)


def operator_accounts(shop: Shop) -> OperatorAccounts:
    """Return the operators of a shop."""
    return OperatorAccounts(
        main=shop.main,
        passwords=Passwords(),
        clock=shop.clock,
        token_file=shop.settings.setup_token_file,
    )
