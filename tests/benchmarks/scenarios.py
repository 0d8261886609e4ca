"""The scenarios: who is measured, under which load, how often."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.loads import LOAD_CORE, Constant, Full, Load
from tests.benchmarks.peers import Subject
from tests.benchmarks.programs import Programs
from tests.benchmarks.scratch import Scratch

__all__ = ["REFERENCE", "SCENARIOS", "Scenario", "load_of"]

REFERENCE = "nginx"
_LOADED = 0.3
_CALIBRATION_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question."""

    name: str
    title: str
    subjects: tuple[str, ...]
    connections: int
    rounds: int
    """At most so many: what is no target needs fewer."""
    seconds: int
    """Of one gateway's load in one round."""
    constant: bool = False
    """At 30 % of what the reference can do, instead of as much as goes."""
    scheme: str = "http"


_PEERS = ("nginx_plain", "nginx", "nginx_lua", "haproxy", "relay")

SCENARIOS = (
    Scenario("main", "64 connections, full load", ("tollway", *_PEERS), 64, rounds=9, seconds=10),
    Scenario("four", "4 connections, full load", ("tollway", "nginx"), 4, rounds=9, seconds=3),
    Scenario(
        "rate",
        "64 connections, 30 % of nginx's full load",
        ("tollway", "nginx"),
        64,
        rounds=9,
        seconds=5,
        constant=True,
    ),
    Scenario("strict", "level strict, full load", ("tollway_strict", "nginx"), 64, rounds=5, seconds=4),
)


def load_of(
    scenario: Scenario, scratch: Scratch, programs: Programs, reference: Subject | None, *, seconds: int
) -> Load:
    """Return the scenario's load. A constant rate follows what `reference` can do now, found out here."""
    full = Full(scratch.conf("wrk.lua"), scenario.connections, seconds, scenario.scheme)
    if not scenario.constant:
        return full
    if reference is None:
        raise SystemExit(f"{scenario.name}: the rate is {REFERENCE}'s, which isn't measured")
    calibration = Full(scratch.conf("wrk.lua"), scenario.connections, _CALIBRATION_SECONDS)
    result = calibration.run(reference, first_key=LOAD_CORE)
    rate = int(result.requests / result.seconds * _LOADED)
    return Constant(programs.load, scratch.path / "keys.txt", scenario.connections, seconds, rate)
