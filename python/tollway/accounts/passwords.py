"""Passwords: what one has to be, and how it is kept (Argon2id)."""

from __future__ import annotations

import threading
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tollway.kernel.errors import InvalidInput

__all__ = ["Passwords", "require_password"]

_SHORTEST, _LONGEST = 10, 200
# OWASP's first choice for Argon2id: 46 MiB, one pass, one lane.
_MEMORY_KIB, _PASSES, _LANES = 47_104, 1, 1
_AT_ONCE = 4
"""So many hashes are made at a time: each takes 46 MiB, and anybody may ask for one."""


class Passwords:
    """Hashes and verifies. The parameters are for tests, which make many."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=memory_kib, parallelism=_LANES)
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Return the hash to keep, parameters and salt within."""
        with self._turns:
            return self._hasher.hash(password)

    def verify(self, kept: str | None, password: str) -> bool:
        """Return whether it is the password. Without a kept hash it takes as long, and is not."""
        with self._turns:
            try:
                self._hasher.verify(kept or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("nobody's password")


def require_password(password: str, email: str) -> None:
    """Refuse a password that is too easily guessed.

    Raises:
        InvalidInput: says what it should be.
    """
    if len(password) < _SHORTEST:
        raise InvalidInput("password", f"at least {_SHORTEST} characters", "a short sentence is good")
    if len(password) > _LONGEST:
        raise InvalidInput("password", f"at most {_LONGEST} characters")
    if len(set(password)) < 4 or password.casefold() in {email.casefold(), "password12", "1234567890"}:
        raise InvalidInput("password", "this one is guessed at once", "a short sentence is good")
