"""The demo as a stranger runs it, shortened; and what it leaves behind when it is told to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERDICT = re.compile(r"served=(\d+) metered=(\d+) invoiced=(\d+) limited=(\d+) lost=0 doubled=0")


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not list(tmp_path.iterdir()), "the demo removes what it made"


def _demo(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_number_agrees(scratch: Path) -> None:
    demo = _demo(scratch, "--lines", "3000", "--seconds", "6")
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 0, output
    verdict = VERDICT.fullmatch(output.splitlines()[-1])
    assert verdict, output
    served, metered, invoiced, limited = map(int, verdict.groups())
    assert served == metered == invoiced
    # One customer sends 167 calls on Free: 60 pass a minute, in one minute of the clock or two.
    assert 167 - 120 <= limited <= 167 - 60
    assert 2_900 - limited <= served <= 3_000 - limited
    assert _group_is_gone(demo.pid)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_told_to_stop_it_ends_everything_it_began(scratch: Path) -> None:
    demo = _demo(scratch, "--lines", "600", "--seconds", "60")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "Real traffic" in line:
            break
    time.sleep(1)
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal.SIGTERM
    assert _group_is_gone(demo.pid)


def _group_is_gone(group: int) -> bool:
    """Whether nothing of a process group is left within a moment."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
