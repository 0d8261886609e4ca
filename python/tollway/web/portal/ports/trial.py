"""What try-it works with; `app/trial.py` implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tollway.accounts.models import SignedIn
from tollway.kernel.errors import Conflict, TollwayError
from tollway.web.openapi.call import Call

__all__ = ["GatewaySilent", "Trial", "TrialAnswer", "TrialsBusy"]


class GatewaySilent(TollwayError):
    """The gateway didn't answer; whether the call was served is not known."""


class TrialsBusy(Conflict):
    """Too many tried calls are under way at once."""


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """What came back. `body` is what was read of it, `cut` whether there was more."""

    status: int
    milliseconds: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes
    cut: bool

    def header(self, name: str) -> str:
        """Return a header's first value, empty if absent."""
        return next((value for held, value in self.headers if held == name), "")


class Trial(Protocol):
    """Sends a visitor's calls to the gateway, with a key of theirs that ends soon."""

    def key(self, member: SignedIn) -> str:
        """Return a key of their organisation's consumer that every gateway knows; it ends within 15 minutes.

        Raises `Conflict` where the organisation has no consumer yet.
        """

    def send(self, call: Call) -> TrialAnswer:
        """Send one request to the gateway, nowhere else; no redirect is followed.

        Raises `GatewaySilent`, `TrialsBusy`.
        """
