"""The supervisor replaces processes: when the successor is ready, and not when it never will be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from tollway.app.processes import Adopted, Candidate, Process
from tollway.app.supervisor import Child, Supervisor

_SLEEP = "import time; time.sleep(60)"
_READY = "import os, sys; os.write(int(sys.argv[1]), b'still empty\\nready\\n');" + _SLEEP
_NOT_YET = "import os, sys; os.write(int(sys.argv[1]), b'no configuration yet\\n');" + _SLEEP
_DIES = "raise SystemExit(3)"


def _python(code: str, ready: int | None = None) -> subprocess.Popen[bytes]:
    files = [] if ready is None else [ready]
    command = [sys.executable, "-S", "-E", "-c", code, *map(str, files)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=files)


class Watched:
    """A supervisor of one gateway whose successors run `successor`; events are told by name."""

    def __init__(
        self, successor: str, *, leaves_by: int | None = signal.SIGTERM, patience: float = 60
    ) -> None:
        self.started: list[Process] = []
        self.outcomes: list[str | None] = []
        self._successor = successor
        self.child = Child("gateway", self._start, grace=20, leaves_by=leaves_by, patience=patience)
        self._supervisor = Supervisor([self.child], reloaded=self.outcomes.append)

    def _start(self, ready: int | None) -> Process:
        process = _python(_SLEEP if ready is None else self._successor, ready)
        self.started.append(process)
        return process

    def run(self, *acts: Callable[[], bool]) -> None:
        """Run; each act is tried until it is true, and after the last one the supervisor is asked to end."""

        def go() -> None:
            for act in acts:
                give_up = time.monotonic() + 60
                while not act() and time.monotonic() < give_up:
                    time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=go)
        thread.start()
        self._supervisor.run()
        thread.join()

    def is_started(self) -> bool:
        """Whether the first one is there."""
        return self.child.process is not None

    def asks(self) -> bool:
        """Ask to reload."""
        os.kill(os.getpid(), signal.SIGHUP)
        return True

    def has_outcome(self) -> bool:
        """Whether a reload has ended."""
        return bool(self.outcomes)


def test_a_successor_that_is_ready_takes_the_place() -> None:
    watched = Watched(_READY)
    seen: list[object] = []

    def old_has_left() -> bool:
        seen[:] = [watched.child.process]
        return watched.started[0].returncode is not None

    watched.run(watched.is_started, watched.asks, watched.has_outcome, old_has_left)
    assert watched.outcomes == [None]
    assert len(watched.started) == 2
    assert seen == [watched.started[1]]
    assert [process.returncode for process in watched.started] == [-signal.SIGTERM] * 2


def test_without_two_at_once_the_old_one_ends_first() -> None:
    watched = Watched(_READY, leaves_by=None)
    watched.run(watched.is_started, watched.asks, watched.has_outcome, lambda: len(watched.started) == 2)
    assert watched.outcomes == [None]


def test_a_successor_that_dies_or_lacks_something_leaves_the_old_one() -> None:
    for successor, patience, problem in (
        (_DIES, 60.0, "it ended with status 3; its own message is above"),
        (_NOT_YET, 3.0, "no configuration yet"),
    ):
        watched = Watched(successor, patience=patience)
        seen: list[object] = []

        def look(watched: Watched = watched, seen: list[object] = seen) -> bool:
            seen.append(watched.child.process)
            return True

        watched.run(watched.is_started, watched.asks, watched.has_outcome, look)
        (outcome,) = watched.outcomes
        assert outcome is not None
        assert outcome.endswith(problem)
        assert seen == [watched.started[0]]


def test_the_end_asked_for_meanwhile_ends_both() -> None:
    watched = Watched(_NOT_YET)
    watched.run(watched.is_started, watched.asks, lambda: len(watched.started) == 2)
    assert watched.outcomes == []
    assert [process.returncode for process in watched.started] == [-signal.SIGTERM] * 2


def test_a_child_of_who_went_before_is_looked_after() -> None:
    process = _python(_SLEEP)
    adopted = Adopted(process.pid)
    assert adopted.poll() is None
    adopted.send_signal(signal.SIGTERM)
    assert adopted.wait(30) == -signal.SIGTERM
    adopted.kill()  # nobody is there any more
    assert adopted.poll() == -signal.SIGTERM
    process.wait()


def test_a_successor_is_decided_once_it_has_spoken_or_gone() -> None:
    with Candidate(lambda ready: _python(_NOT_YET, ready)) as candidate:
        give_up = time.monotonic() + 30
        while candidate.problem() != "no configuration yet" and time.monotonic() < give_up:
            assert not candidate.is_decided()
        candidate.process.kill()
        candidate.process.wait()
        assert candidate.is_decided()
        assert not candidate.is_ready
