"""What a run prints and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from tests.benchmarks.paired import paired_ratio
from tests.benchmarks.rounds import Round, summary
from tests.benchmarks.scenarios import REFERENCE, Scenario
from tests.benchmarks.scratch import ROOT
from tests.benchmarks.targets import Verdict

__all__ = ["show", "write"]

_RESULTS = ROOT / "bench" / "results"
_COLUMNS = (
    "CPU µs",
    "all µs",
    "CPU ratio",
    "interval",
    "all ratio",
    "interval",
    "req/s",
    "p50 µs",
    "p99 µs",
    "p99 ratio",
)


def show(scenario: Scenario, rounds: Mapping[str, Sequence[Round]], console: Console) -> None:
    """Print the medians, and the ratios to the reference's CPU and p99 within a round."""
    table = Table(
        title=f"{scenario.name}: {scenario.title}; ratios to {REFERENCE}, median of pairs and interval"
    )
    table.add_column("gateway")
    for column in (*_COLUMNS, "PSS MiB"):
        table.add_column(column, justify="right")
    reference = rounds.get(REFERENCE, ())
    for name, own in rounds.items():
        medians = summary(own)
        ratios = []
        for field in ("cpu_us_per_request", "all_processes_us_per_request", "p99_us"):
            if not reference:
                ratios += ["", ""]
                continue
            paired = paired_ratio(
                [getattr(one, field) for one in own], [getattr(one, field) for one in reference]
            )
            ratios += [f"{paired.median:.2f}", f"{paired.low:.2f} to {paired.high:.2f}"]
        table.add_row(
            name,
            f"{medians['cpu_us_per_request']:.1f}",
            f"{medians['all_processes_us_per_request']:.1f}",
            *ratios[:4],
            f"{medians['rps']:,.0f}",
            f"{medians['p50_us']:,.0f}",
            f"{medians['p99_us']:,.0f}",
            ratios[4],
            f"{medians['pss_mib']:.1f}",
        )
    console.print(table)


def write(
    scenarios: Mapping[str, Mapping[str, Sequence[Round]]], verdicts: Sequence[Verdict], *, seconds: float
) -> None:
    """Write `gateway.json`, the main scenario's medians, and `gateway-scenarios.json`, the others'."""
    medians = {
        scenario: {name: summary(own) for name, own in rounds.items()}
        for scenario, rounds in scenarios.items()
    }
    _RESULTS.mkdir(parents=True, exist_ok=True)
    _write("gateway", medians.pop("main"))
    targets = [
        {
            "target": verdict.target.title,
            "at_most": verdict.target.least,
            "goal": verdict.target.goal,
            "ratio": {name: round(value, 3) for name, value in asdict(verdict.ratio).items()},
            "met": verdict.met,
        }
        for verdict in verdicts
    ]
    measured = datetime.now(UTC).isoformat(timespec="seconds")
    _write(
        "gateway-scenarios",
        {"measured": measured, "took_seconds": round(seconds), "targets": targets, "scenarios": medians},
    )


def _write(name: str, content: object) -> None:
    (_RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
