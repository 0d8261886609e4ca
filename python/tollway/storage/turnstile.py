"""Fair turns among the processes that write to one SQLite file.

SQLite's write lock goes to whoever looks first once it is free. A process that writes again and again, as a
billing run does, is always there first, and the others starve. So each writer passes a turnstile: it holds it
while it waits for the write lock, and whoever has just written has to queue for it again.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

__all__ = ["Turnstile"]

_LOOK_AGAIN = 0.001  # seconds


class Turnstile:
    """Held by one writer at a time; a context manager for one thread at a time.

    The lock is an flock: the kernel gives it back when its process dies. `patience` is in seconds.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._file: int | None = None

    def __enter__(self) -> None:
        """Wait until nobody else holds it. Raises `TimeoutError` when patience ends."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TimeoutError(
                        f"no write transaction could begin within {self._patience} s: others wait too"
                    ) from None
            else:
                return
            time.sleep(_LOOK_AGAIN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one through."""
        assert self._file is not None
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
