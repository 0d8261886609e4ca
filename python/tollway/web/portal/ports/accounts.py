"""What the pages of signing up and in work with; `app/accounts.py` implements it."""

from __future__ import annotations

from typing import Protocol

from tollway.accounts.models import PendingSignUp, SignedIn

__all__ = ["Accounts"]


class Accounts(Protocol):
    """Signing up, in and out. `place` is where on the network somebody is; `instead` is a session to end."""

    def identify(self, token: str) -> SignedIn | None:
        """Return who a session belongs to."""

    def sign_up(self, organisation: str, email: str, password: str, place: str, plan: str = "") -> None:
        """Have the address confirmed by mail. Raises `InvalidInput`, `TooManyAttempts`."""

    def pending(self, token: str) -> PendingSignUp:
        """Return the sign-up that a link confirms. Raises `LinkUnusable`."""

    def confirm(self, token: str, instead: str | None) -> str:
        """Make the account and return a session's token. Raises `LinkUnusable`."""

    def sign_in(self, email: str, password: str, place: str, instead: str | None) -> str:
        """Return a session's token. Raises `SignInRefused`, `TooManyAttempts`."""

    def sign_out(self, token: str | None) -> None:
        """End a session."""

    def ask_reset(self, email: str, place: str) -> None:
        """Have a link sent that sets a new password. Raises `TooManyAttempts`."""

    def require_reset(self, token: str) -> None:
        """Refuse a link that sets no password. Raises `LinkUnusable`."""

    def reset(self, token: str, password: str) -> None:
        """Set a new password. Raises `LinkUnusable`, `InvalidInput`."""
