"""Sessions: a fresh random token at every sign-in, over after a time without use and after a time at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from tollway.accounts.models import Realm, Session
from tollway.accounts.ports import Sessions
from tollway.accounts.tokens import hash_token, new_token
from tollway.kernel.ids import new_id

__all__ = ["LIFETIMES", "begin", "end", "live", "stale"]

LIFETIMES: Mapping[Realm, tuple[timedelta, timedelta]] = MappingProxyType(
    {
        Realm.PORTAL: (timedelta(days=7), timedelta(days=30)),
        Realm.CONSOLE: (timedelta(hours=8), timedelta(days=7)),
    }
)
"""How long a session lasts without use, and at all."""

_NOTED_EVERY = timedelta(minutes=5)


def begin(sessions: Sessions, realm: Realm, subject: UUID, now: datetime, *, instead: str | None) -> str:
    """Begin a session and return its token. `instead` is the token that the browser brought, which ends.

    A token from before signing in is never taken over: whoever planted it would be signed in as well.
    """
    sessions.drop_expired(now)
    end(sessions, instead)
    token = new_token()
    sessions.add(
        Session(
            id=new_id(),
            token_hash=hash_token(token),
            realm=realm,
            subject=subject,
            created_at=now,
            last_seen_at=now,
            expires_at=now + LIFETIMES[realm][1],
        )
    )
    return token


def live(sessions: Sessions, realm: Realm, token: str, now: datetime) -> Session | None:
    """Return the session of a token, or None where it is over."""
    session = sessions.find(realm, hash_token(token))
    if session is None or session.expires_at <= now or session.last_seen_at + LIFETIMES[realm][0] <= now:
        return None
    return session


def stale(session: Session, now: datetime) -> bool:
    """Whether it is time to note that the session is in use: now and then, not at every page."""
    return session.last_seen_at + _NOTED_EVERY <= now


def end(sessions: Sessions, token: str | None) -> None:
    """End the session of a token, if there is one."""
    if token is not None:
        sessions.end(hash_token(token))
