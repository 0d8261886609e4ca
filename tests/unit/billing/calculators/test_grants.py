"""`tollway grants`: worked examples, each computed by hand, and every kind of faulty question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.billing.calculators.answer import answer_line
from tollway.billing.calculators.grants import calculate_grants
from tollway.billing.grants.burning import MOST_RECURRENCES

pytestmark = pytest.mark.one_database

Grant = dict[str, Any]


def ask(question: dict[str, Any]) -> dict[str, Any]:
    return answer_line(json.dumps({"id": "g", "start": "2026-01-01"} | question).encode(), calculate_grants)


def grant(name: str, amount: str = "100", **more: object) -> Grant:
    return {"id": name, "amount": amount, **more}


def used(**quantities: str) -> list[list[str]]:
    """`jan05="10"`: ten were used on the 5th of January at noon."""
    months = {"jan": 1, "feb": 2, "mar": 3}
    return [[f"2026-{months[d[:3]]:02}-{d[3:]}T12:00:00Z", quantity] for d, quantity in quantities.items()]


LATE = {"effective_at": "2026-01-10"}
DAILY = {"recurrence": "daily"}
ROLLING = {"min_rollover": "10", "max_rollover": "30"}

# grants, usage, the rest of the question, balances in order, overage
EXAMPLES: list[tuple[list[Grant], list[list[str]], dict[str, Any], list[str], str]] = [
    ([], [], {}, [], "0"),
    ([], used(jan05="7"), {}, [], "7"),
    ([grant("a")], used(jan05="30.25"), {}, ["69.75"], "0"),
    ([grant("a", start_balance="20")], used(jan05="30"), {}, ["0"], "10"),
    # lower priority first, whatever the order in the question
    ([grant("a", priority=2), grant("b", priority=1)], used(jan05="130"), {}, ["70", "0"], "0"),
    ([grant("a", priority=-1), grant("b")], used(jan05="1"), {}, ["99", "100"], "0"),
    # then what expires first; never is last
    ([grant("a"), grant("b", expires_after_days=30)], used(jan05="30"), {}, ["100", "70"], "0"),
    (
        [grant("a", expires_after_days=31), grant("b", expires_after_days="30")],
        used(jan05="30"),
        {},
        ["100", "70"],
        "0",
    ),
    # then the oldest, then the id
    ([grant("a"), grant("b", effective_at="2025-12-01")], used(jan05="30"), {}, ["100", "70"], "0"),
    ([grant("b"), grant("a")], used(jan05="30"), {}, ["100", "70"], "0"),
    # priority says more than expiry
    ([grant("a", priority=1, expires_after_days=9), grant("b")], used(jan05="30"), {}, ["100", "70"], "0"),
    # a grant that begins later pays off what was used before
    ([grant("a", **LATE)], used(jan05="30", jan12="5"), {}, ["65"], "0"),
    ([grant("a", **LATE)], used(jan05="130"), {"until": "2026-01-10"}, ["0"], "30"),
    ([grant("a", **LATE)], used(jan05="30"), {}, ["70"], "0"),  # its beginning is the last time given
    ([grant("a", **LATE)], used(jan05="30"), {"until": "2026-01-09T23:59:59.999999Z"}, ["0"], "30"),
    ([grant("a", start_balance="1", **LATE)], used(jan12="5"), {}, ["95"], "0"),
    # usage at the instant at which a grant begins is its own; at the end it isn't
    ([grant("a", **LATE)], [["2026-01-10T00:00:00Z", "5"]], {}, ["95"], "0"),
    ([grant("a", expires_after_days=4)], [["2026-01-05T00:00:00Z", "5"]], {}, ["0"], "5"),
    ([grant("a", expires_after_days=4)], [["2026-01-04T23:59:59Z", "5"]], {}, ["95"], "0"),
    ([grant("a", expires_after_days=4)], used(jan04="5", jan05="7"), {}, ["0"], "7"),
    ([grant("a", expires_after_days=0)], used(jan04="5"), {}, ["0"], "5"),
    ([grant("a", voided_at="2026-01-05")], used(jan04="30"), {}, ["0"], "0"),
    ([grant("a", voided_at="2026-01-05")], used(jan04="30"), {"until": "2026-01-04T12:00:00Z"}, ["70"], "0"),
    ([grant("a", voided_at="2025-12-31", effective_at="2025-12-01")], used(jan04="30"), {}, ["0"], "30"),
    ([grant("a", effective_at="2025-12-01", expires_after_days=31)], used(jan04="30"), {}, ["0"], "30"),
    ([grant("a", voided_at="2026-01-09", **LATE)], used(jan12="30"), {}, ["0"], "30"),
    # a recurrence fills up to the amount, not beyond, and takes the overage along
    ([grant("a", **DAILY)], used(jan01="30", jan02="1"), {}, ["99"], "0"),
    ([grant("a", **DAILY)], used(jan01="130", jan02="1"), {}, ["69"], "0"),
    ([grant("a", **DAILY)], used(jan01="350"), {"until": "2026-01-03"}, ["0"], "50"),
    ([grant("a", **DAILY)], used(jan01="350"), {"until": "2026-01-04"}, ["50"], "0"),
    # at the start it holds what is said, though its rhythm has an edge there
    ([grant("a", start_balance="40", **DAILY)], used(jan01="30"), {}, ["10"], "0"),
    (
        [grant("a", effective_at="2025-12-31", start_balance="40", **DAILY)],
        used(jan01="30"),
        {},
        ["10"],
        "0",
    ),
    # the last day of a month where the month is shorter
    (
        [grant("a", effective_at="2025-12-31", recurrence="monthly")],
        used(jan31="30", feb27="40", feb28="50"),
        {},
        ["50"],
        "0",
    ),
    (
        [grant("a", recurrence="weekly", recurrence_anchor="2026-01-07")],
        used(jan06="9", jan07="1"),
        {},
        ["99"],
        "0",
    ),
    ([grant("a", recurrence="weekly")], used(jan06="9", jan07="1"), {}, ["90"], "0"),
    ([grant("a", expires_after_days=1, **DAILY)], used(jan02="9"), {}, ["0"], "9"),
    # resets: at least, at most, neither
    ([grant("a", **ROLLING)], used(jan05="95"), {"resets": ["2026-02-01"]}, ["10"], "0"),
    ([grant("a", **ROLLING)], used(jan05="80"), {"resets": ["2026-02-01"]}, ["20"], "0"),
    ([grant("a", **ROLLING)], used(jan05="5"), {"resets": ["2026-02-01"]}, ["30"], "0"),
    ([grant("a")], used(jan05="5"), {"resets": ["2026-02-01"]}, ["0"], "0"),
    ([grant("a", min_rollover="50")], used(jan05="5"), {"resets": ["2026-02-01"]}, ["0"], "0"),
    ([grant("a", min_rollover="50", max_rollover="40")], [], {"resets": ["2026-02-01"]}, ["40"], "0"),
    # overage is forgiven, or taken from what is rolled over in the order of burning
    ([grant("a", **ROLLING)], used(jan05="105"), {"resets": ["2026-02-01"]}, ["10"], "0"),
    (
        [grant("a", **ROLLING), grant("b", "0", priority=1, **ROLLING)],
        used(jan05="112"),
        {"resets": ["2026-02-01"], "preserve_overage": True},
        ["0", "8"],
        "0",
    ),
    (
        [grant("a", **ROLLING)],
        used(jan05="135"),
        {"resets": ["2026-02-01"], "preserve_overage": True},
        ["0"],
        "25",
    ),
    # a grant that begins at a reset isn't rolled over, and pays what the reset left of the overage
    (
        [grant("a", effective_at="2026-02-01")],
        used(jan05="30"),
        {"resets": ["2026-02-01"], "preserve_overage": True},
        ["70"],
        "0",
    ),
    ([grant("a", effective_at="2026-02-01")], used(jan05="30"), {"resets": ["2026-02-01"]}, ["100"], "0"),
    # the recurrence comes after the reset, the expiry before it
    ([grant("a", recurrence="monthly")], used(jan05="30"), {"resets": ["2026-02-01"]}, ["100"], "0"),
    ([grant("a", expires_after_days=31, **ROLLING)], [], {"resets": ["2026-02-01"]}, ["0"], "0"),
    # a grant that begins pays before one that recurs at the same instant does
    (
        [grant("a", **DAILY), grant("b", priority=5, effective_at="2026-01-02")],
        used(jan01="130"),
        {},
        ["100", "70"],
        "0",
    ),
    # the start's own reset is in its balance; what lies outside the stretch doesn't count
    ([grant("a", start_balance="80")], [], {"resets": ["2026-01-01"]}, ["80"], "0"),
    ([grant("a")], [["2025-12-31T23:59:59Z", "5"], ["2026-01-01T00:00:00Z", "7"]], {}, ["93"], "0"),
    ([grant("a")], used(jan05="5", jan07="7"), {"until": "2026-01-05T12:00:00Z"}, ["95"], "0"),
    # an offset says which instant it is
    ([grant("a", voided_at="2026-01-05T13:00:00+01:00")], used(jan05="5"), {}, ["0"], "5"),
]


@pytest.mark.parametrize(("grants", "usage", "more", "balances", "overage"), EXAMPLES)
def test_worked_example(
    grants: list[Grant], usage: list[list[str]], more: dict[str, Any], balances: list[str], overage: str
) -> None:
    answer = ask({"grants": grants, "usage": usage, **more})
    expected = dict(zip((one["id"] for one in grants), balances, strict=True))
    assert answer == {"id": "g", "balances": expected, "overage": overage}
    assert list(answer["balances"]) == list(expected)


def of(**wrong: object) -> dict[str, Any]:
    return {"grants": [grant("a") | wrong], "usage": []}


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"start": None, "grants": [], "usage": []}, "start: missing"),
    ({"usage": []}, "grants: missing"),
    ({"grants": []}, "usage: missing"),
    ({"grants": [], "usage": [], "start": "2026-13-01"}, "start: no instant"),
    ({"grants": [], "usage": [], "start": "1899-12-31"}, "start: before the year 1900"),
    ({"grants": [], "usage": [], "until": "2025-12-31"}, "until: before start; let it be start or later"),
    ({"grants": [], "usage": [], "resets": ["soon"]}, "resets[0]: no instant"),
    ({"grants": [], "usage": [], "resets": "soon"}, "resets: 'soon', where a list is needed"),
    ({"grants": [], "usage": [], "overage": "1"}, "overage: unknown field"),
    ({"grants": [], "usage": [], "preserve_overage": "no"}, "preserve_overage: 'no', where true or false"),
    ({"grants": [], "usage": [["2026-01-05"]]}, 'usage[0]: not a time and a quantity; write ["'),
    ({"grants": [], "usage": [{}]}, "usage[0]: not a time and a quantity"),
    ({"grants": [], "usage": [[5, "1"]]}, "usage[0][0]: no instant"),
    ({"grants": [], "usage": [["2026-01-05", "-1"]]}, "usage[0][1]: -1 is below zero"),
    ({"grants": [], "usage": [["2026-01-05", 1.5]]}, 'usage[0][1]: 1.5 is not in quotes; write "1.5"'),
    ({"grants": ["a"], "usage": []}, "grants[0]: 'a', where fields are needed"),
    ({"grants": [{"amount": "1"}], "usage": []}, "grants[0].id: missing"),
    ({"grants": [{"id": "a"}], "usage": []}, "grants[0].amount: missing"),
    ({"grants": [grant("a"), grant("a")], "usage": []}, "grants[1].id: 'a' is another grant's too"),
    (of(id=""), "grants[0].id: neither text nor a whole number"),
    (of(id=True), "grants[0].id: neither text nor a whole number"),
    (of(amount="-1"), "grants[0].amount: -1 is below zero"),
    (of(start_balance="-1"), "grants[0].start_balance: -1 is below zero"),
    (of(priority="1.5"), "grants[0].priority: 1.5 is not whole"),
    (of(priority="high"), "grants[0].priority: 'high' is no number"),
    (of(effective_at="tomorrow"), "grants[0].effective_at: no instant"),
    (of(voided_at=7), "grants[0].voided_at: no instant"),
    (of(expires_after_days="0.5"), "grants[0].expires_after_days: 0.5 is not whole"),
    (of(expires_after_days=-1), "grants[0].expires_after_days: -1 is below zero"),
    (of(expires_after_days=10**7), "grants[0].expires_after_days: 10000000 days end after the year 9999"),
    (of(recurrence="yearly"), "grants[0].recurrence: 'yearly' is none of its values"),
    (of(recurrence_anchor="2026-01-01"), "grants[0].recurrence_anchor: of a grant that doesn't recur"),
    (of(min_rollover="x"), "grants[0].min_rollover: 'x' is no number"),
    (of(max_rollover="x"), "grants[0].max_rollover: 'x' is no number"),
    (of(ammount="1"), "grants[0].ammount: unknown field; did you mean amount?"),
]


@pytest.mark.parametrize(("question", "error"), FAULTS, ids=lambda value: str(value)[:60])
def test_a_faulty_question_is_answered_with_field_and_fix(question: dict[str, Any], error: str) -> None:
    answer = ask(question)
    assert set(answer) == {"id", "error"}
    assert error in answer["error"]
    assert " | " not in answer["error"]


def test_a_whole_number_is_an_id_too() -> None:
    assert ask({"grants": [grant("a") | {"id": 7}], "usage": []})["balances"] == {"7": "100"}


def test_recurring_without_end_is_refused() -> None:
    answer = ask(of(**DAILY) | {"until": "9999-12-31"})
    assert f"until: grants recur more than {MOST_RECURRENCES} times" in answer["error"]
    answer = ask(of(recurrence="monthly") | {"until": "9999-12-31T23:59:59Z"})
    assert answer["balances"] == {"a": "100"}
