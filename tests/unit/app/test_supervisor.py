"""The supervisor with real processes: restart, order of stopping, and what happens to the unwilling."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tollway.app.supervisor import Child, Supervisor

pytestmark = pytest.mark.one_database


def _python(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL)


def _after(seconds: float, number: int) -> None:
    threading.Timer(seconds, lambda: os.kill(os.getpid(), number)).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_child_that_ends_is_started_again_at_once(number: int) -> None:
    starts: list[float] = []

    def start(_ready: int | None) -> subprocess.Popen[bytes]:
        starts.append(time.monotonic())
        return _python("pass" if len(starts) == 1 else "import time; time.sleep(60)")

    _after(1.0, number)
    Supervisor([Child("short", start, grace=5)]).run()
    assert len(starts) == 2


def test_children_are_stopped_in_the_order_given() -> None:
    ended: list[str] = []

    class Recorder(subprocess.Popen[bytes]):
        role = ""

        def wait(self, timeout: float | None = None) -> int:
            code = super().wait(timeout)
            ended.append(self.role)
            return code

    def start(role: str) -> subprocess.Popen[bytes]:
        child = Recorder([sys.executable, "-c", "import time; time.sleep(60)"])
        child.role = role
        return child

    _after(0.5, signal.SIGTERM)
    Supervisor(
        [Child(role, lambda _, role=role: start(role), grace=5) for role in ("gateway", "worker")]
    ).run()
    assert ended == ["gateway", "worker"]


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = Child("stubborn", lambda _: _python(code), grace=0.3)
    _after(1.0, signal.SIGTERM)
    started = time.monotonic()
    Supervisor([child]).run()
    assert child.process is None
    assert time.monotonic() - started < 20


def test_running_processes_are_reported() -> None:
    reports: list[dict[str, int]] = []
    _after(0.5, signal.SIGTERM)
    Supervisor(
        [Child("one", lambda _: _python("import time; time.sleep(60)"), grace=5)], changed=reports.append
    ).run()
    assert reports[0].keys() == {"supervisor", "one"}
    assert reports[-1].keys() == {"supervisor"}


def test_neither_a_start_that_fails_nor_a_full_disk_ends_the_others() -> None:
    starts: list[str] = []

    def start(_ready: int | None) -> subprocess.Popen[bytes]:
        starts.append("try")
        if len(starts) == 1:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return _python("import time; time.sleep(60)")

    def changed(_: dict[str, int]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    _after(0.7, signal.SIGTERM)
    Supervisor([Child("gateway", start, grace=5)], changed=changed).run()
    assert len(starts) == 2
