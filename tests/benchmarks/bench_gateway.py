"""`make bench-gateway`: CPU per request and latencies, beside nginx, nginx + Lua, HAProxy and a TCP relay.

The gateway under test has core 0 for itself; the upstream and the load share core 1. Rounds are interleaved,
and what counts is the median of ratios taken within a round, with its interval.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace

from rich.console import Console

from tests.benchmarks import report
from tests.benchmarks.loads import LOAD_CORE
from tests.benchmarks.peers import Peer, Subject, upstream
from tests.benchmarks.programs import Programs, build_programs, install_programs
from tests.benchmarks.rounds import Round, measure
from tests.benchmarks.scenarios import REFERENCE, SCENARIOS, load_of
from tests.benchmarks.scratch import Scratch
from tests.benchmarks.targets import judge
from tests.benchmarks.tollway import Tollway

_GATEWAY_CORE = 0
_NAMES = tuple(scenario.name for scenario in SCENARIOS)


def main() -> None:
    """Run the scenarios, print tables and verdicts; write bench/results where nothing was left out."""
    parser = argparse.ArgumentParser(prog="bench_gateway", description=__doc__)
    parser.add_argument("--scenarios", default=",".join(_NAMES), help="some of them, separated by commas")
    parser.add_argument("--gateways", help="some of them, separated by commas")
    parser.add_argument(
        "--rounds", type=int, help="instead of each scenario's own number (9 where a target depends on it)"
    )
    parser.add_argument(
        "--seconds",
        type=int,
        help="length of one gateway's load in a round, instead of each scenario's own (main: 10, so that the"
        " worker's periodic commit is in its steady state)",
    )
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if scenario.name in options.scenarios.split(",")]
    only = options.gateways.split(",") if options.gateways else None
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # the gateways end with it
    began, console = time.monotonic(), Console(width=150)
    names = list(
        dict.fromkeys(name for scenario in chosen for name in scenario.subjects if not only or name in only)
    )
    install_programs(names)
    programs, scratch = build_programs(), Scratch()
    measured: dict[str, dict[str, list[Round]]] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(upstream(scratch, core=LOAD_CORE))
        subjects = _Subjects(scratch, programs, stack)
        for scenario in chosen:
            running = [subjects.running(name) for name in scenario.subjects if name in names]
            count, seconds = options.rounds or scenario.rounds, options.seconds or scenario.seconds
            reference = next((subject for subject in running if subject.name == REFERENCE), None)
            load = load_of(scenario, scratch, programs, reference, seconds=seconds)
            measured[scenario.name] = rounds = {subject.name: [] for subject in running}
            for subject in running:  # fills caches and pools
                measure(subject, replace(load, seconds=1), first_key=0)
            for number in range(1, count + 1):
                shift = number % len(running)
                for subject in running[shift:] + running[:shift]:
                    rounds[subject.name].append(measure(subject, load, first_key=number))
                console.print(f"{scenario.name}: round {number} of {count}", highlight=False)
            report.show(scenario, rounds, console)
    verdicts = judge(measured)
    for verdict in verdicts:
        console.print(str(verdict), highlight=False)
    took = time.monotonic() - began
    console.print(f"took {took / 60:.1f} minutes", highlight=False)
    if only is None and not options.rounds and not options.seconds and len(chosen) == len(SCENARIOS):
        report.write(measured, verdicts, seconds=took)


class _Subjects:
    """The gateways, each started when a scenario first needs it."""

    def __init__(self, scratch: Scratch, programs: Programs, stack: contextlib.ExitStack) -> None:
        self._scratch, self._programs, self._stack = scratch, programs, stack
        self._running: dict[str, Subject] = {}

    def running(self, name: str) -> Subject:
        if name not in self._running:
            self._running[name] = self._stack.enter_context(self._start(name))
        return self._running[name]

    def _start(self, name: str) -> AbstractContextManager[Subject]:
        if name.startswith("tollway"):
            return Tollway.running(name, self._scratch, core=_GATEWAY_CORE)
        return Peer.running(name, self._scratch, self._programs, core=_GATEWAY_CORE)


if __name__ == "__main__":
    main()
