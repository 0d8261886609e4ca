"""One gateway under load once: what it cost, what clients saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median

from tests.benchmarks.loads import Load
from tests.benchmarks.peers import Subject
from tests.benchmarks.processes import cpu_us, pss_mib, settle

__all__ = ["Round", "measure", "summary"]


@dataclass(frozen=True, slots=True)
class Round:
    """One gateway's numbers of one round."""

    cpu_us_per_request: float
    all_processes_us_per_request: float
    rps: float
    p50_us: float
    p99_us: float
    pss_mib: float


def measure(subject: Subject, load: Load, *, first_key: int) -> Round:
    """Load a gateway once, and count its CPU until it rests again."""
    everything, gateway = cpu_us(subject.processes()), cpu_us(subject.gateway_processes())
    result = load.run(subject, first_key=first_key)
    # Work put off during the round is counted with that round.
    settle(subject.processes)
    subject.check(result.requests, load.connections)
    everything = cpu_us(subject.processes()) - everything
    gateway = cpu_us(subject.gateway_processes()) - gateway
    return Round(
        cpu_us_per_request=gateway / result.requests,
        all_processes_us_per_request=everything / result.requests,
        rps=result.requests / result.seconds,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
        pss_mib=pss_mib(subject.processes()),
    )


def summary(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the median of every number."""
    names = [field.name for field in fields(Round)]
    rows = [asdict(one) for one in rounds]
    return {name: round(median(row[name] for row in rows), 2) for name in names}
