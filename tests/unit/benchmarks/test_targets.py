"""The verdicts of bench-gateway."""

from __future__ import annotations

from tests.benchmarks.rounds import Round, summary
from tests.benchmarks.targets import TARGETS, judge


def _rounds(*costs: float) -> list[Round]:
    return [Round(cost, 2 * cost, 1000.0, 100.0, 10 * cost, 5.0) for cost in costs]


def test_each_target_is_judged_by_pairs_where_both_were_measured() -> None:
    main = {"tollway": _rounds(7.0, 14.0, 28.0), "nginx": _rounds(10.0, 20.0, 40.0)}
    verdicts = judge({"main": main, "strict": {"nginx": _rounds(1.0)}})
    assert [verdict.target for verdict in verdicts] == list(TARGETS[:2])
    gateway, everything = verdicts
    assert gateway.met
    assert str(gateway).startswith("MET ")
    assert str(gateway).endswith("at most 0.80; goal 0.70: met")
    assert gateway.ratio.median == 0.35, "beside all processes of the peer"
    assert everything.met
    dear = {"tollway": _rounds(41.0), "nginx": _rounds(20.0)}
    assert [verdict.met for verdict in judge({"main": dear})] == [False, False]


def test_a_summary_is_of_medians() -> None:
    assert summary(_rounds(1.0, 5.0, 3.0))["all_processes_us_per_request"] == 6.0
