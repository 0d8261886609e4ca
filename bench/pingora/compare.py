"""`python bench/pingora/compare.py [--rounds N] [--seconds N]`: ADR 1's figures.

Two programs of this folder serve by the same phases, configuration and usage log: `own` by Tollway's HTTP
layer, `pingora` by Pingora's. One thread each, on core 0; upstream (nginx) and load (wrk, 64 connections)
on core 1. Rounds are interleaved and paired.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.loads import Full  # noqa: E402
from tests.benchmarks.paired import paired_ratio  # noqa: E402
from tests.benchmarks.peers import UPSTREAM_PORT, pinned, upstream, wait_for_port  # noqa: E402
from tests.benchmarks.processes import cpu_us, pss_mib, settle  # noqa: E402
from tests.benchmarks.scratch import Scratch  # noqa: E402

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release"
PORTS = {"own": 18010, "pingora": 18011}


@dataclass
class Subject:
    """A running program, and what was measured of it."""

    name: str
    pid: int
    ports: dict[str, int]
    cpu: list[float] = field(default_factory=list)
    rps: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


@contextlib.contextmanager
def running(name: str, scratch: Scratch) -> Iterator[Subject]:
    """Run a program until the block ends."""
    folder = scratch.path / name
    (folder / "usage-log").mkdir(parents=True)
    numbers = [str(PORTS[name]), str(folder), str(UPSTREAM_PORT)]
    command = [str(TARGET / name), *numbers, str(scratch.path / "keys.txt")]
    log = scratch.path / "logs" / f"{name}.out"
    with pinned(command, port=PORTS[name], core=0, log=log) as pid:
        wait_for_port(PORTS[name], patience=60)
        yield Subject(name, pid, {"http": PORTS[name]})


def syscalls(subject: Subject, scratch: Scratch) -> dict[str, float]:
    """Return the system calls per request, by name, over a second of load."""
    output = scratch.path / "logs" / f"{subject.name}.strace"
    command = ["strace", "-c", "-f", "-o", str(output), "-p", str(subject.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    load = Full(scratch.conf("wrk.lua"), 64, 2).run(subject, first_key=1)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    counts = {}
    for line in output.read_text().splitlines():
        if found := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line):
            counts[found[2]] = int(found[1]) / load.requests
    counts.pop("total", None)
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    scratch = Scratch()
    with contextlib.ExitStack() as stack:
        stack.enter_context(upstream(scratch, core=1))
        subjects = [stack.enter_context(running(name, scratch)) for name in PORTS]
        for number in range(options.rounds + 1):
            for subject in subjects if number % 2 else reversed(subjects):
                pids = [subject.pid]
                before = cpu_us(pids)
                full = Full(scratch.conf("wrk.lua"), 64, options.seconds)
                load = full.run(subject, first_key=number)
                settle(lambda pids=pids: pids)
                if number:  # the first fills caches and pools
                    subject.cpu.append((cpu_us(pids) - before) / load.requests)
                    subject.rps.append(load.requests / load.seconds)
                    subject.p99.append(load.p99_us)
        own, other = subjects
        ratio = paired_ratio(other.cpu, own.cpu)
        for subject in subjects:
            size = (TARGET / subject.name).stat().st_size / 2**20
            speed = f"{median(subject.rps):,.0f} req/s, p99 {median(subject.p99):,.0f} µs"
            room = f"PSS {pss_mib([subject.pid]):.1f} MiB, binary {size:.1f} MiB"
            print(f"{subject.name}: {median(subject.cpu):.1f} µs CPU a request, {speed}, {room}")
        interval = f"{ratio.low:.2f} to {ratio.high:.2f}, {ratio.confidence:.0%}"
        print(f"pingora / own: {ratio.median:.2f} ({interval})")
        if shutil.which("strace"):
            for subject in subjects:
                counts = syscalls(subject, scratch)
                most = sorted(counts.items(), key=lambda one: -one[1])[:8]
                named = ", ".join(f"{name} {count:.2f}" for name, count in most)
                print(f"{subject.name}: {sum(counts.values()):.2f} system calls a request: {named}")


if __name__ == "__main__":
    main()
