"""Keeps the roles running as processes of their own, replaces them, and ends them in the right order."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

import structlog

from tollway.app.processes import Candidate, Process

__all__ = ["Child", "Renewal", "Supervisor"]

_LONGEST_PAUSE = 5.0
_STEADY_AFTER = 10.0
_REHEARSAL_SECONDS = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One role's process.

    `start` begins it and returns it. `grace` is how many seconds it has to end by itself after SIGTERM.

    `leaves_by` is the signal that ends it once its successor is ready, where two may run at once; `start` is
    then given the write end of a pipe, on which a successor says line by line what it lacks, and `ready` in
    the end, within `patience` seconds. Without it the old one ends first.
    """

    name: str
    start: Callable[[int | None], Process]
    grace: float
    leaves_by: int | None = None
    patience: float = 120.0
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    pause: float = field(default=0.0)


class Renewal(Protocol):
    """How a supervisor makes way for the code and the settings that are there now, in the same process."""

    def rehearse(self) -> Process:
        """Start a trial of them, which ends with status 0 where they can be used."""

    def problem(self) -> str:
        """Return what a trial that failed said."""

    def renew(self, processes: Mapping[str, int]) -> None:
        """Go on as them, with these children; returns only where that can't be done."""


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A process that finishes what it has in flight, and until when it may."""

    name: str
    process: Process
    until: float


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


class Supervisor:
    """Starts children, restarts those that end, replaces all on SIGHUP, and stops them on SIGTERM or SIGINT.

    `children` are stopped in the order given: the gateway first, so that the worker can still read what it
    wrote. They are replaced in the opposite order: who sends the configuration before who takes it, who reads
    the usage log before who writes it. What can't be replaced stays, and so does what would come after it.

    `changed` is called with the running processes' ids whenever they change, `reloaded` at the end of every
    replacement with what went wrong, or None.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        changed: Callable[[dict[str, int]], None] = lambda _: None,
        reloaded: Callable[[str | None], None] = lambda _: None,
        renewal: Renewal | None = None,
    ) -> None:
        self._children = list(children)
        self._changed = changed
        self._reloaded = reloaded
        self._renewal = renewal
        self._stopping = False
        self._reloads_wanted = False
        self._candidate: tuple[Child, Process] | None = None
        self._leaving: list[_Leaving] = []
        self._has_terminal = _has_terminal()
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self, *, renewed: bool = False) -> None:
        """Run until asked to stop; returns when every child has ended.

        `renewed` says that another supervisor went before in this process, whose children are ours now and
        to be replaced.
        """
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        previous_wakeup = signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        # Who went before in this process had them wait until somebody listens.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            if renewed:
                self._report()
                self._replace_all()
            while not self._stopping:
                self._tend()
                if self._reloads_wanted and not self._stopping:
                    self._reload()
        finally:
            self._stop_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_wakeup)
            self._wake_read.close()
            self._wake_write.close()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._lost_terminal():
            self._reloads_wanted = True
        elif number != signal.SIGCHLD:
            self._stopping = True

    def _lost_terminal(self) -> bool:
        """Whether the terminal that this was started in has gone, which is told by the same signal."""
        return self._has_terminal and not _has_terminal()

    def _tend(self, until: float | None = None, file: int | None = None) -> None:
        """Look after the children once: starts what is due, waits for something to happen, notices who ended.

        Waits at most until the instant `until`, and for `file` to have something to read too.
        """
        self._start_what_is_due()
        self._sleep([self._next_restart(), until], file)
        self._notice_ended()
        self._notice_left()

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.restart_at <= now:
                self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        try:
            child.process = child.start(None)
        except OSError as error:
            # No memory, processes or files left for the moment: the others must not go down with it.
            self._postpone(child, now)
            log.error(  # noqa: TRY400  # an operator's problem, told in one line
                "can't be started; trying again",
                role=child.name,
                problem=str(error),
                pause_seconds=child.restart_at - now,
            )
            return
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

    def _notice_left(self) -> None:
        now = time.monotonic()
        for leaving in list(self._leaving):
            if leaving.process.poll() is None:
                if now < leaving.until:
                    continue
                log.warning("did not end in time; killed", role=leaving.name, pid=leaving.process.pid)
                leaving.process.kill()
                leaving.process.wait()
            log.info("left", role=leaving.name, pid=leaving.process.pid, exit=leaving.process.returncode)
            self._leaving.remove(leaving)

    @staticmethod
    def _postpone(child: Child, now: float) -> None:
        # The first restart is immediate: while the gateway is away, every call fails.
        child.restart_at = now + child.pause
        child.pause = min(_LONGEST_PAUSE, max(0.1, child.pause * 2))

    def _next_restart(self) -> float | None:
        waiting = [child.restart_at for child in self._children if child.process is None]
        waiting += [leaving.until for leaving in self._leaving]
        return min(waiting) if waiting else None

    def _sleep(self, instants: Sequence[float | None], file: int | None) -> None:
        """Wait for a signal or for `file`, at most until the first of the instants."""
        known = [instant for instant in instants if instant is not None]
        seconds = max(min(known) - time.monotonic(), 0.001) if known else None
        files = [self._wake_read.fileno(), *([] if file is None else [file])]
        ready, _, _ = select.select(files, [], [], seconds)
        if files[0] in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(4096)

    def _reload(self) -> None:
        """Make way for what is installed and set now; without a way to do so, replace the children."""
        self._reloads_wanted = False
        self._wait_until_left()
        if self._renewal is not None and not self._stopping:
            problem = self._renew(self._renewal)
            self._tell_reloaded(problem)
            return
        self._replace_all()

    def _renew(self, renewal: Renewal) -> str:
        """Go on as the code that is installed now. Returns why not, where it doesn't."""
        try:
            rehearsal = renewal.rehearse()
        except OSError as error:
            return f"what is installed now can't be tried: {error}"
        until = time.monotonic() + _REHEARSAL_SECONDS
        while rehearsal.poll() is None and not self._stopping and time.monotonic() < until:
            self._tend(until)
        if rehearsal.poll() is None:
            rehearsal.kill()
            rehearsal.wait()
        if rehearsal.returncode != 0:
            return f"with what is installed and set now it would not start: {renewal.problem()}"
        # From here to the successor's first look signals wait: their default would be to end.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if self._stopping:
                return "asked to stop"
            self._notice_ended()
            renewal.renew({child.name: child.process.pid for child in self._children if child.process})
        except OSError as error:
            return f"can't go on as what is installed now: {error}"
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return "can't go on as what is installed now"

    def _replace_all(self) -> None:
        for child in reversed(self._children):
            self._wait_until_left()
            if self._stopping:
                return
            problem = self._replace(child)
            if problem is not None:
                self._tell_reloaded(f"{child.name}: {problem}")
                return
        self._tell_reloaded(None)

    def _replace(self, child: Child) -> str | None:
        """Put a new process in the place of a child's. Returns why not, where the old one stays."""
        if child.process is None:
            return None  # Whatever is started in its place is new.
        if child.leaves_by is None:
            self._let_go(child, child.process, signal.SIGTERM)
            child.process, child.restart_at = None, math.inf
            self._wait_until_left()
            child.restart_at = 0.0
            return None
        try:
            candidate = Candidate(child.start)
        except OSError as error:
            return f"its successor can't be started: {error}"
        with candidate:
            self._candidate = (child, candidate.process)
            until = time.monotonic() + child.patience
            while not (candidate.is_decided() or self._stopping or time.monotonic() >= until):
                self._tend(until, candidate.file)
            if self._stopping:
                return None
            self._candidate = None
            if not candidate.is_ready:
                self._let_go(child, candidate.process, signal.SIGTERM)
                return f"its successor did not get ready, and the old one stays: {candidate.problem()}"
        old: Process | None = child.process  # it may have ended meanwhile
        child.process = candidate.process
        child.started_at = time.monotonic()
        log.info(
            "started", role=child.name, pid=candidate.process.pid, instead_of=None if old is None else old.pid
        )
        if old is not None:
            self._let_go(child, old, child.leaves_by)
        self._report()
        return None

    def _let_go(self, child: Child, process: Process, number: int) -> None:
        process.send_signal(number)
        self._leaving.append(_Leaving(child.name, process, time.monotonic() + child.grace))

    def _wait_until_left(self) -> None:
        while self._leaving and not self._stopping:
            self._tend()

    def _tell_reloaded(self, problem: str | None) -> None:
        if self._stopping:
            return
        if problem is None:
            log.info("reloaded")
        else:
            log.error("not reloaded", problem=problem)
        try:
            self._reloaded(problem)
        except OSError as error:
            log.warning("the reload's outcome can't be told", problem=str(error))

    def _stop_all(self) -> None:
        candidate, self._candidate = self._candidate, None
        for child in self._children:
            running = [child.process] if child.process is not None else []
            if candidate is not None and candidate[0] is child:
                running.append(candidate[1])
            running = [process for process in running if process.poll() is None]
            for process in running:
                process.send_signal(signal.SIGTERM)
            until = time.monotonic() + child.grace
            for process in running:
                self._await_end(child.name, process, until)
            for leaving in self._leaving:
                # It was asked already, and would take a second word for impatience.
                if leaving.name == child.name:
                    self._await_end(child.name, leaving.process, leaving.until)
            child.process = None
        self._leaving.clear()
        self._report()

    @staticmethod
    def _await_end(name: str, process: Process, until: float) -> None:
        """Wait for a process's end until that instant; then kill it."""
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("did not end in time; killed", role=name, pid=process.pid)
            process.kill()
            process.wait()
        log.info("ended", role=name, exit=process.returncode)

    def _report(self) -> None:
        running = {child.name: child.process.pid for child in self._children if child.process is not None}
        try:
            self._changed({"supervisor": os.getpid(), **running})
        except OSError as error:
            # A full disk, say: no reason to take the API down.
            log.warning("the running processes can't be told", problem=str(error))
