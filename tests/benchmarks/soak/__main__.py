"""Run the soak: `make soak`, or `python -m tests.benchmarks.soak --seconds 600`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx2
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from websockets.asyncio.server import Server

from tests.benchmarks.processes import pss_mib
from tests.benchmarks.scratch import ROOT
from tests.benchmarks.soak.upstream import serve, serve_sockets
from tests.benchmarks.soak.visitors import Street, visitors
from tests.support.ports import free_port
from tests.support.stack import Stack

_RESULT = ROOT / "bench" / "results" / "soak.json"
_CONSUMERS = 200
_SAMPLES = 360
_ALLOWED_SHARE, _ALLOWED_MIB = 0.02, 4.0
"""What the last quarter may lie above the second: noise of the allocator, no trend worth a page."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A process's memory, MiB: medians of the run's second quarter and of its last."""

    process: str
    early: float
    late: float
    peak: float

    @property
    def flat(self) -> bool:
        """Whether it stayed where it was."""
        return self.late <= self.early * (1 + _ALLOWED_SHARE) + _ALLOWED_MIB

    @classmethod
    def of(cls, process: str, samples: Sequence[float]) -> Growth:
        """Compare the quarters; the first is for caches, pools and code that is met for the first time."""
        quarter = max(1, len(samples) // 4)
        early, late = samples[quarter : 2 * quarter], samples[-quarter:]
        return cls(
            process, round(median(early or samples), 1), round(median(late), 1), round(max(samples), 1)
        )


async def _operate(stack: Stack, street: Street) -> None:
    """Change the configuration all the time: keys come and go, a limit changes."""
    async with httpx2.AsyncClient(base_url=stack.url("admin"), timeout=30) as admin:
        number = 0
        while True:
            number += 1
            name = f"passing-{number}"
            answers = [
                await admin.post("/consumers", json={"username": name}),
                await admin.post(f"/consumers/{name}/key-auth", json={"key": name}),
                await admin.patch("/plugins/soak-limit", json={"config": {"minute": 1_000_000 + number}}),
                await admin.delete(f"/consumers/{name}"),
            ]
            street.note("operator", [one.status_code for one in answers], [201, 201, 200, 204])
            await asyncio.sleep(2)


def _configure(stack: Stack, paths: dict[str, int]) -> list[str]:
    for name, port in paths.items():
        stack.admin("/services", name=name, url=f"http://127.0.0.1:{port}")
        stack.admin(f"/services/{name}/routes", name=name, paths=[f"/{name}"])
    stack.admin("/plugins", name="key-auth")
    limit = {"minute": 1_000_000, "policy": "local"}
    stack.admin("/plugins", name="rate-limiting", instance_name="soak-limit", config=limit)
    keys = [f"soak-key-{number:04}" for number in range(_CONSUMERS)]
    for key in keys:
        stack.admin("/consumers", username=key.replace("key", "caller"))
        stack.admin(f"/consumers/{key.replace('key', 'caller')}/key-auth", key=key)
    return keys


def _port(server: asyncio.Server | Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


async def _soak(seconds: float, console: Console) -> tuple[list[Growth], Street]:
    tls_port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="tollway-soak-") as folder,
        Stack(Path(folder), TOLLWAY_PROXY_TLS_LISTEN=f"127.0.0.1:{tls_port}").running() as stack,
    ):
        upstream, sockets = await serve(), await serve_sockets()
        ports = {"api": _port(upstream), "sockets": _port(sockets)}
        street = Street(
            port=stack.ports["proxy"],
            tls_port=tls_port,
            keys=_configure(stack, ports),
        )
        tasks = [asyncio.ensure_future(one) for one in (*visitors(street), _operate(stack, street))]
        samples: dict[str, list[float]] = {name: [] for name in stack.roles}
        pids = {name: role.process.pid for name, role in stack.roles.items() if role.process}
        with Progress(console=console) as progress:
            bar = progress.add_task("soaking", total=_SAMPLES)
            for _ in range(_SAMPLES):
                await asyncio.sleep(seconds / _SAMPLES)
                for name, pid in pids.items():
                    samples[name].append(pss_mib([pid]))
                sizes = ", ".join(f"{name} {found[-1]:.0f} MiB" for name, found in samples.items())
                progress.update(bar, advance=1, description=f"{street.right.total():,} served; {sizes}")
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        upstream.close()
        sockets.close()
    return [Growth.of(name, found) for name, found in samples.items()], street


def main() -> None:
    """Soak, show what became of memory, write bench/results/soak.json; 1 if it grew or anything failed."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    seconds = parser.parse_args().seconds
    console = Console(width=110)
    growths, street = asyncio.run(_soak(seconds, console))
    table = Table(title=f"Memory over {seconds:.0f} s (PSS, MiB)")
    for column in ("process", "second quarter", "last quarter", "peak", "flat"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for one in growths:
        table.add_row(one.process, *(f"{mib:.1f}" for mib in (one.early, one.late, one.peak)), str(one.flat))
    console.print(table)
    console.print(f"as expected: {dict(street.right)}\nnot as expected: {dict(street.wrong) or 'nothing'}")
    flat = all(one.flat for one in growths) and not street.wrong
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": seconds,
        "exchanges": dict(sorted(street.right.items())),
        "unexpected": dict(street.wrong),
        "memory_mib": [{**asdict(one), "flat": one.flat} for one in growths],
        "flat": flat,
    }
    _RESULT.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
