"""Processes that a supervisor has: started, taken over from a supervisor before, and those on trial."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Protocol, Self

__all__ = ["Adopted", "Candidate", "Process"]

_LOOK_SECONDS = 0.02
_ENDING_SECONDS = 2.0
_READY = "ready"
_LONGEST_WORD = 4096


class Process(Protocol):
    """A child process, as `subprocess.Popen` is one."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None as far as is known it runs."""

    def poll(self) -> int | None:
        """Look whether it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it runs."""

    def kill(self) -> None:
        """End it at once."""


class Adopted:
    """A child of this process that was started by other code, before this code was put in its place."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Look whether it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(_LOOK_SECONDS)
        return code

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Candidate:
    """A process that is to take over once it says that it is ready, on the pipe whose read end is `file`."""

    def __init__(self, start: Callable[[int | None], Process]) -> None:
        self.file, ready = os.pipe()
        os.set_blocking(self.file, False)
        self._said = ""
        try:
            self.process = start(ready)
        except BaseException:
            os.close(self.file)
            raise
        finally:
            os.close(ready)
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.file)

    @property
    def is_ready(self) -> bool:
        """Whether it said so."""
        return _READY in self._said.splitlines()

    def is_decided(self) -> bool:
        """Look whether it is ready, or never will be."""
        try:
            while self._open and (said := os.read(self.file, _LONGEST_WORD)):
                self._said = (self._said + said.decode(errors="replace"))[-_LONGEST_WORD:]
        except BlockingIOError:
            return self.is_ready
        # Nobody has the other end any more: it has ended, or is about to.
        self._open = False
        return True

    def problem(self) -> str:
        """Return why it isn't ready."""
        if not self._open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_ENDING_SECONDS)
        if (code := self.process.poll()) is not None:
            return f"it ended with status {code}; its own message is above"
        return next((line for line in reversed(self._said.splitlines()) if line), "it said nothing in time")
