"""`make bench-gateway`: CPU per request of the whole gateway, beside nginx plain and nginx doing the job.

The gateway under test has core 0 for itself; the upstream and the load share core 1. Rounds are interleaved,
and what counts is the median of ratios taken within a round, with its interval.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.benchmarks.paired import paired_ratio
from tests.benchmarks.peers import Peer, Subject, upstream
from tests.benchmarks.processes import cpu_us, pss_mib, settle
from tests.benchmarks.scratch import ROOT, Scratch, install_programs
from tests.benchmarks.tollway import Tollway
from tests.benchmarks.wrk import CONNECTIONS, run_wrk

_GATEWAY_CORE, _LOAD_CORE = 0, 1
_REFERENCE = "nginx"
_RESULT = ROOT / "bench" / "results" / "gateway.json"


@dataclass(frozen=True, slots=True)
class Round:
    """One gateway's numbers of one round."""

    requests: int
    cpu_us_per_request: float
    all_processes_us_per_request: float
    rps: float
    p50_us: int
    p99_us: int
    pss_mib: float


def measure(subject: Subject, scratch: Scratch, *, seconds: int, first_key: int) -> Round:
    """Load a gateway once, and count its CPU until it rests again."""
    before, gateway_before = cpu_us(subject.processes()), cpu_us(subject.gateway_processes())
    load = run_wrk(
        scratch.conf("wrk.lua"), subject.port, core=_LOAD_CORE, seconds=seconds, first_key=first_key
    )
    settle(subject.processes)
    if isinstance(subject, Tollway):
        _check_events(load.requests, subject.new_events())
    everything = cpu_us(subject.processes()) - before
    gateway = cpu_us(subject.gateway_processes()) - gateway_before
    return Round(
        requests=load.requests,
        cpu_us_per_request=gateway / load.requests,
        all_processes_us_per_request=everything / load.requests,
        rps=load.requests / load.seconds,
        p50_us=load.p50_us,
        p99_us=load.p99_us,
        pss_mib=pss_mib(subject.processes()),
    )


def _check_events(requests: int, events: int) -> None:
    """Each answer that wrk counted is an event; it leaves up to one answer a connection uncounted."""
    if not requests <= events <= requests + CONNECTIONS:
        raise SystemExit(f"wrk counted {requests} answers, the usage log has {events}")


def _running(name: str, scratch: Scratch) -> AbstractContextManager[Subject]:
    if name == "tollway":
        return Tollway.running(scratch, core=_GATEWAY_CORE)
    return Peer.running(name, scratch, core=_GATEWAY_CORE)


def show(rounds: dict[str, list[Round]], console: Console) -> None:
    """Print the medians and the ratios."""
    table = Table(title=f"Gateway, CPU per request; ratios to {_REFERENCE}, median of pairs and its interval")
    for column in (
        "gateway",
        "CPU µs",
        "all µs",
        "ratio",
        "interval",
        "req/s",
        "p50 µs",
        "p99 µs",
        "PSS MiB",
    ):
        table.add_column(column, justify="left" if column == "gateway" else "right")
    reference = [one.all_processes_us_per_request for one in rounds.get(_REFERENCE, [])]
    for name, own in rounds.items():
        ratio = interval = ""
        if reference:
            paired = paired_ratio([one.all_processes_us_per_request for one in own], reference)
            ratio = f"{paired.median:.2f}"
            interval = f"{paired.low:.2f} to {paired.high:.2f} ({paired.confidence:.0%})"
        summary = _summary(own)
        table.add_row(
            name,
            f"{summary['cpu_us_per_request']:.1f}",
            f"{summary['all_processes_us_per_request']:.1f}",
            ratio,
            interval,
            f"{summary['rps']:,.0f}",
            f"{summary['p50_us']:,.0f}",
            f"{summary['p99_us']:,.0f}",
            f"{summary['pss_mib']:.1f}",
        )
    console.print(table)


def _summary(rounds: Sequence[Round]) -> dict[str, float]:
    fields = ("cpu_us_per_request", "all_processes_us_per_request", "rps", "p50_us", "p99_us", "pss_mib")
    return {name: round(median(getattr(one, name) for one in rounds), 2) for name in fields}


def main() -> None:
    """Run the rounds, print the table, write bench/results/gateway.json."""
    parser = argparse.ArgumentParser(prog="bench_gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=4, help="length of one gateway's load in a round")
    parser.add_argument("--gateways", default="tollway,nginx_plain,nginx", help="also nginx_lua, haproxy")
    options = parser.parse_args()
    names = options.gateways.split(",")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # the gateways end with it
    install_programs(set(names))
    console, scratch = Console(width=130), Scratch()
    rounds: dict[str, list[Round]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        stack.enter_context(upstream(scratch, core=_LOAD_CORE))
        subjects = [stack.enter_context(_running(name, scratch)) for name in names]
        for number in range(options.rounds + 1):
            shift = number % len(subjects)
            for subject in subjects[shift:] + subjects[:shift]:
                one = measure(subject, scratch, seconds=options.seconds if number else 1, first_key=number)
                if number:  # round 0 fills caches and pools
                    rounds[subject.name].append(one)
            console.print(f"round {number} of {options.rounds}", highlight=False)
    show(rounds, console)
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    _RESULT.write_text(json.dumps({name: _summary(own) for name, own in rounds.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
