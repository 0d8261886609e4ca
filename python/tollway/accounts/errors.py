"""What may be wrong with proving who one is.

TollwayError
├── SignInRefused     address and password don't belong together; it is not said which of them is wrong
├── LinkUnusable      a mail's link was used, is too old or was never ours
└── TooManyAttempts   too often in too short a time
"""

from __future__ import annotations

from datetime import datetime

from tollway.kernel.errors import TollwayError

__all__ = ["LinkUnusable", "SignInRefused", "TooManyAttempts"]


class SignInRefused(TollwayError):
    """Address and password don't belong together."""

    def __init__(self) -> None:
        super().__init__("This e-mail address and this password don't belong together.")


class LinkUnusable(TollwayError):
    """A link opens nothing: used before, too old, or not ours. Which of these is not told."""

    def __init__(self) -> None:
        super().__init__("This link has been used or is too old.")


class TooManyAttempts(TollwayError):
    """Too many attempts; `until` is when the next one counts."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"Too many attempts. Try again after {until:%H:%M} UTC.")
