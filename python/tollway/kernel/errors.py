"""The root of every error that a user of Tollway may see.

Domain packages derive theirs in their own `errors.py`; the edges (web, cli) turn them into answers.

    TollwayError
    ├── InvalidInput        a value somebody gave is wrong: names where, what and the fix
    ├── NotFound            a named thing does not exist
    └── Conflict            the request is fine, the present state forbids it
"""

from __future__ import annotations

__all__ = ["Conflict", "InvalidInput", "NotFound", "TollwayError"]


class TollwayError(Exception):
    """An error with one clear line for the person who caused it or has to act on it."""


class InvalidInput(TollwayError):
    """A value that somebody gave is wrong.

    `location` is where (`plans[2].prices[0].tiers`, `FILE:LINE`), `problem` what is wrong with it,
    `fix` what to write instead; the fix may be empty where the problem already says it.
    """

    def __init__(self, location: str, problem: str, fix: str = "") -> None:
        self.location = location
        self.problem = problem
        self.fix = fix
        super().__init__(f"{location}: {problem}" + (f"; {fix}" if fix else ""))


class NotFound(TollwayError):
    """A named thing does not exist."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} named {name!r}" + (f"; {hint}" if hint else ""))


class Conflict(TollwayError):
    """The present state forbids what was asked."""
