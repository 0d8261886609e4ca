"""The loads: as much as goes, by wrk, or at a constant rate, by a program of our own; on their own core."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import Subject

__all__ = ["LOAD_CORE", "Constant", "Full", "Load", "Result"]

LOAD_CORE = 1
_RESULT = re.compile(r"RES (.*)")


@dataclass(frozen=True, slots=True)
class Result:
    """What the clients counted; latencies in microseconds."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Full:
    """wrk: each connection sends its next request when it has the answer to the last."""

    script: Path
    connections: int
    seconds: int
    scheme: str = "http"

    def run(self, subject: Subject, *, first_key: int) -> Result:
        """Load the gateway once."""
        url = f"{self.scheme}://127.0.0.1:{subject.ports[self.scheme]}"
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{self.seconds}s", "-s", str(self.script), url]
        output = _on_core([*command, "--", str(first_key)])
        found = _RESULT.search(output)
        if found is None:
            raise SystemExit(f"wrk gave no result:\n{output}")
        result = {name: int(value) for name, value in (pair.split("=") for pair in found[1].split())}
        if result["non2xx"] or result["sockerr"] or not result["requests"]:
            raise SystemExit(f"{subject.name}: not every answer was good: {found[1]}")
        return Result(result["requests"], result["dur_us"] / 1e6, result["p50"], result["p99"])


@dataclass(frozen=True, slots=True)
class Constant:
    """crates/bench's load: so many requests a second, whatever becomes of them (no coordinated omission)."""

    program: Path
    keys: Path
    connections: int
    seconds: int
    rate: int

    def run(self, subject: Subject, *, first_key: int) -> Result:
        """Load the gateway once."""
        numbers = [self.connections, self.rate, self.seconds, first_key]
        address = f"127.0.0.1:{subject.ports['http']}"
        output = _on_core([str(self.program), address, str(self.keys), *map(str, numbers)])
        result = json.loads(output)
        return Result(result["requests"], result["seconds"], result["p50_us"], result["p99_us"])


Load = Full | Constant
"""A way of calling a gateway.

Any answer but 2xx and any socket error is a SystemExit: such a round says nothing.
"""


def _on_core(command: Sequence[str]) -> str:
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
