"""What the pages of setting up and signing in work with; `app/operators.py` implements it."""

from __future__ import annotations

from typing import Protocol

from tollway.accounts.models import SignedInOperator

__all__ = ["Operators"]


class Operators(Protocol):
    """Operators' sessions. `place` is where on the network somebody is; `instead` is a session to end."""

    def identify(self, token: str) -> SignedInOperator | None:
        """Return who a session belongs to."""

    def setup_needed(self) -> bool:
        """Whether nobody runs the shop yet."""

    def set_up(self, token: str, *, name: str, email: str, password: str, place: str) -> str:
        """Make the first operator; return a session's token.

        Raises `LinkUnusable` (not the setup token), `InvalidInput`, `TooManyAttempts`.
        """

    def sign_in(self, email: str, password: str, place: str, instead: str | None) -> str:
        """Return a session's token. Raises `SignInRefused`, `TooManyAttempts`."""

    def sign_out(self, token: str | None) -> None:
        """End a session."""
