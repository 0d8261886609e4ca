"""One round of load: wrk on its own core, over 64 keep-alive connections, stepping through all keys."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONNECTIONS", "Load", "run_wrk"]

CONNECTIONS = 64
_RESULT = re.compile(r"RES (.*)")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk counted; latencies in microseconds."""

    requests: int
    seconds: float
    p50_us: int
    p99_us: int


def run_wrk(script: Path, port: int, *, core: int, seconds: int, first_key: int) -> Load:
    """Load a gateway.

    Raises SystemExit for any answer but 2xx and any socket error: such a round says nothing.
    """
    command = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(script),
    ]
    command += [f"http://127.0.0.1:{port}", "--", str(first_key)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = _RESULT.search(output)
    if found is None:
        raise SystemExit(f"wrk gave no result:\n{output}")
    result = {name: int(value) for name, value in (pair.split("=") for pair in found[1].split())}
    if result["non2xx"] or result["sockerr"] or not result["requests"]:
        raise SystemExit(f"port {port}: not every answer was good: {found[1]}")
    return Load(result["requests"], result["dur_us"] / 1e6, result["p50"], result["p99"])
