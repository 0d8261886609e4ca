"""What the engine promises, as ratios between neighbours in time, and whether a run kept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.paired import Ratio, paired_ratio
from tests.benchmarks.rounds import Round

__all__ = ["TARGETS", "Target", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Target:
    """A number of Tollway's, divided by the same number (or another) of a peer, at most `least`."""

    title: str
    scenario: str
    own: str
    peer: str
    theirs: str
    least: float
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and what a run says about it."""

    target: Target
    ratio: Ratio

    @property
    def met(self) -> bool:
        """The median of the pairs keeps the promise."""
        return self.ratio.median <= self.target.least

    def __str__(self) -> str:
        """Return the verdict in one line."""
        target, ratio = self.target, self.ratio
        goal = ""
        if target.goal is not None:
            goal = f"; goal {target.goal:.2f}: {'met' if ratio.median <= target.goal else 'not met'}"
        return (
            f"{'MET    ' if self.met else 'NOT MET'} {target.title}: {ratio.median:.2f}"
            f" (interval {ratio.low:.2f} to {ratio.high:.2f}), at most {target.least:.2f}{goal}"
        )


_CPU, _ALL, _P99 = "cpu_us_per_request", "all_processes_us_per_request", "p99_us"

TARGETS = (
    Target("gateway's CPU / nginx doing the job", "main", _CPU, "nginx", _ALL, 0.8, 0.7),
    Target("all processes' CPU / nginx doing the job", "main", _ALL, "nginx", _ALL, 0.95),
    Target("gateway's CPU / nginx + Lua", "main", _CPU, "nginx_lua", _ALL, 0.5),
    Target("gateway's CPU / blind TCP relay", "main", _CPU, "relay", _ALL, 1.5),
    Target("gateway's CPU / nginx, 4 connections", "four", _CPU, "nginx", _ALL, 1.0),
    Target("p99 / nginx at 30 % load, syncing", "rate", _P99, "nginx", _P99, 1.0),
)


def judge(scenarios: Mapping[str, Mapping[str, Sequence[Round]]]) -> list[Verdict]:
    """Return a verdict on each target whose scenario and peer were measured."""
    verdicts = []
    for target in TARGETS:
        rounds = scenarios.get(target.scenario, {})
        if "tollway" in rounds and target.peer in rounds:
            own = [getattr(one, target.own) for one in rounds["tollway"]]
            theirs = [getattr(one, target.theirs) for one in rounds[target.peer]]
            verdicts.append(Verdict(target, paired_ratio(own, theirs)))
    return verdicts
