"""How often who may try: by the address that is tried, and by where it is tried from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from tollway.accounts.errors import TooManyAttempts
from tollway.accounts.ports import Attempts

__all__ = ["OPERATOR_SIGN_IN", "SETUP", "SIGN_IN", "SIGN_UP", "Limit", "forgive", "take"]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts within `window`, for one e-mail address and for one place on the network."""

    kind: str
    window: timedelta
    per_email: int
    per_place: int


SIGN_IN = Limit("sign-in", timedelta(minutes=15), per_email=10, per_place=50)
SIGN_UP = Limit("sign-up", timedelta(hours=1), per_email=3, per_place=50)
"""Signing up and asking for a new password: each sends a mail to somebody who may not have asked for it."""
OPERATOR_SIGN_IN = Limit("operator-sign-in", timedelta(minutes=15), per_email=10, per_place=50)
SETUP = Limit("setup", timedelta(minutes=15), per_email=20, per_place=20)


def take(attempts: Attempts, limit: Limit, email: str, place: str, now: datetime) -> None:
    """Count an attempt.

    Raises:
        TooManyAttempts: there were too many already; it says when the next one counts.
    """
    for name, key, most in (
        ("email", email.casefold(), limit.per_email),
        ("place", _place(place), limit.per_place),
    ):
        count, until = attempts.count(f"{limit.kind}/{name}", _key(key), now, limit.window)
        if count > most:
            raise TooManyAttempts(until)


def forgive(attempts: Attempts, limit: Limit, email: str) -> None:
    """Forget an address's attempts: its owner has shown themselves."""
    attempts.forget(f"{limit.kind}/email", _key(email.casefold()))


def _key(text: str) -> str:
    # What strangers typed is not ours to keep.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _place(address: str) -> str:
    """Return a network's address: one customer of an access provider has a whole /64 of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address
