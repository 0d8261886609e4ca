"""What a tree of processes used: CPU from /proc/PID/stat, memory as the proportional set size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["command_of", "cpu_us", "pss_mib", "settle", "tree"]

_PROC = Path("/proc")
_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Return the living processes under `root`, itself included."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def cpu_us(pids: Iterable[int]) -> int:
    """Return the CPU time, user and system, of these processes and of children they have buried."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) * _TICK_US


def pss_mib(pids: Iterable[int]) -> float:
    """Return the memory of these processes, what they share divided among its sharers."""
    kib = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return kib / 1024


def command_of(pid: int) -> str:
    """Return a process's command line."""
    return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def settle(pids: Callable[[], Iterable[int]], *, patience: float = 20.0) -> None:
    """Wait until the processes rest, so that work put off during a round is counted with that round."""
    deadline = time.monotonic() + patience
    used = cpu_us(pids())
    while time.monotonic() < deadline:
        time.sleep(0.5)
        before, used = used, cpu_us(pids())
        if used - before <= 2 * _TICK_US:
            return


def _stat(pid: int) -> list[str]:
    """Return the fields after the command's name, which may contain anything; none once it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
