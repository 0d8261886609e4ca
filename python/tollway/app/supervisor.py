"""Keeps the roles running as processes of their own, and ends them in an order that loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

__all__ = ["Child", "Supervisor"]

_LONGEST_PAUSE = 5.0
_STEADY_AFTER = 10.0

log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One role's process.

    `start` begins it and returns it. `grace` is how many seconds it has to end by itself after SIGTERM.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    grace: float
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    pause: float = field(default=0.0)


class Supervisor:
    """Starts children, restarts those that end, and stops all of them on SIGTERM or SIGINT.

    `children` are stopped in the order given: the gateway first, so that the worker can still read what it
    wrote. `changed` is called with the running processes' ids whenever they change.
    """

    def __init__(
        self, children: Sequence[Child], *, changed: Callable[[dict[str, int]], None] = lambda _: None
    ) -> None:
        self._children = list(children)
        self._changed = changed
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> None:
        """Run until asked to stop; returns when every child has ended."""
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        previous_wakeup = signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        }
        try:
            while not self._stopping:
                self._start_what_is_due()
                self._sleep(self._next_restart())
                self._notice_ended()
        finally:
            self._stop_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_wakeup)
            self._wake_read.close()
            self._wake_write.close()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.restart_at <= now:
                try:
                    child.process = child.start()
                except OSError as error:
                    # No memory, processes or files left for the moment: the others must not go down with it.
                    self._postpone(child, now)
                    log.error(  # noqa: TRY400  # an operator's problem, told in one line
                        "can't be started; trying again",
                        role=child.name,
                        problem=str(error),
                        pause_seconds=child.restart_at - now,
                    )
                    continue
                child.started_at = now
                log.info("started", role=child.name, pid=child.process.pid)
                self._report()

    def _notice_ended(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            if self._stopping:
                child.process = None
                continue
            if now - child.started_at >= _STEADY_AFTER:
                child.pause = 0.0
            self._postpone(child, now)
            log.error(
                "ended unexpectedly; restarting",
                role=child.name,
                exit=child.process.returncode,
                pause_seconds=child.restart_at - now,
            )
            child.process = None

    @staticmethod
    def _postpone(child: Child, now: float) -> None:
        # The first restart is immediate: while the gateway is away, every call fails.
        child.restart_at = now + child.pause
        child.pause = min(_LONGEST_PAUSE, max(0.1, child.pause * 2))

    def _next_restart(self) -> float | None:
        waiting = [child.restart_at for child in self._children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _sleep(self, seconds: float | None) -> None:
        """Wait for a signal, at most `seconds`; None means until one comes."""
        self._wake_read.settimeout(max(seconds, 0.001) if seconds is not None else None)
        with contextlib.suppress(TimeoutError):
            self._wake_read.recv(4096)

    def _stop_all(self) -> None:
        for child in self._children:
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(child.grace)
            except subprocess.TimeoutExpired:
                log.warning("did not end in time; killed", role=child.name, grace_seconds=child.grace)
                child.process.kill()
                child.process.wait()
            log.info("ended", role=child.name, exit=child.process.returncode)
            child.process = None
        self._report()

    def _report(self) -> None:
        running = {child.name: child.process.pid for child in self._children if child.process is not None}
        try:
            self._changed({"supervisor": os.getpid(), **running})
        except OSError as error:
            # A full disk, say: no reason to take the API down.
            log.warning("the running processes can't be told", problem=str(error))
