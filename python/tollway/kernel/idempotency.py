"""Doing a thing once however often it is asked for: what an `Idempotency-Key` promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tollway.kernel.errors import Conflict

__all__ = ["Answer", "AnswerLost", "Idempotency", "KeyInFlight", "KeyReused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: an HTTP status and a body, and whether it is told for the second time."""

    status: int
    body: bytes
    replayed: bool = False


class KeyInFlight(Conflict):
    """The first request with this key has not been answered yet."""


class KeyReused(Conflict):
    """The key was used for another request."""


class AnswerLost(Conflict):
    """The request was carried out, but the process ended before its answer was kept."""


class Idempotency(Protocol):
    """Keeps keys with the answers that were given, in the database that the work is stored in."""

    def once(self, scope: str, key: str, fingerprint: str, action: Callable[[], Answer]) -> Answer:
        """Return what `action` answers, or what it answered when this key was first used.

        `scope` keeps the keys of different callers and operations apart, `fingerprint` tells one request
        from another. An action that raises leaves the key free. Whatever it commits is committed together
        with the fact that the key is used up, so a process that dies in between never has it done twice.

        Raises:
            KeyInFlight, KeyReused, AnswerLost.
        """
