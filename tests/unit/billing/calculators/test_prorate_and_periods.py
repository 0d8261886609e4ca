"""`tollway prorate` and `tollway periods`: worked examples and faulty questions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.billing.calculators.answer import answer_line
from tollway.billing.calculators.periods import calculate_boundary
from tollway.billing.calculators.prorate import calculate_proration

pytestmark = pytest.mark.one_database


def prorate(**question: object) -> dict[str, Any]:
    return answer_line(json.dumps({"id": "p", **question}).encode(), calculate_proration)


def periods(**question: object) -> dict[str, Any]:
    return answer_line(json.dumps({"id": "p", **question}).encode(), calculate_boundary)


AMOUNTS = {"currency": "USD", "old_amount": "30", "new_amount": "60"}
JUNE = {"period_start": "2026-06-01", "period_end": "2026-07-01"}
JUNE_UTC = {"period_start": "2026-06-01T00:00:00Z", "period_end": "2026-07-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("question", "credit", "charge"),
    [
        (JUNE | {"change_at": "2026-06-16", "basis": "days"}, "15.00", "30.00"),
        (JUNE | {"change_at": "2026-06-01", "basis": "days"}, "30.00", "60.00"),
        (JUNE | {"change_at": "2026-05-01", "basis": "days"}, "30.00", "60.00"),
        (JUNE | {"change_at": "2027-01-01", "basis": "days"}, "0.00", "0.00"),
        # 14 days and 1 hour of 30 are left: 30 x 337/720 = 14.041666
        (JUNE_UTC | {"change_at": "2026-06-17T01:00:00+02:00", "basis": "seconds"}, "14.04", "28.08"),
        # half a cent goes away from zero: 30 x 1/4000 of 30 days is 648 s
        (JUNE_UTC | {"change_at": "2026-06-30T23:52:48Z", "basis": "seconds"}, "0.01", "0.01"),
    ],
)
def test_a_change_in_mid_period(question: dict[str, str], credit: str, charge: str) -> None:
    answer = prorate(**AMOUNTS, **question)
    assert answer == {"id": "p", "credit": credit, "charge": charge}


def test_a_change_to_the_same_price_nets_to_zero_in_a_period_with_a_change_of_clocks() -> None:
    # March in Berlin has 31 days less an hour; seconds are UTC seconds.
    march = {"period_start": "2026-03-01T00:00:00+01:00", "period_end": "2026-04-01T00:00:00+02:00"}
    question = {"currency": "JPY", "old_amount": "743", "new_amount": "743", "basis": "seconds", **march}
    answer = prorate(change_at="2026-03-29T12:00:00+02:00", **question)
    # 60 of 743 hours
    assert answer == {"id": "p", "credit": "60", "charge": "60"}


@pytest.mark.parametrize(
    ("decimals", "quantity"), [(8, "63.33333333"), (0, "63"), (1, "63.3"), (30, "63." + "3" * 30)]
)
def test_a_quantity_is_prorated_to_its_decimals(decimals: int, quantity: str) -> None:
    answer = prorate(quantity="100", change_at="2026-06-12", decimals=decimals, **JUNE)
    assert answer == {"id": "p", "quantity": quantity}


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (AMOUNTS | JUNE, "change_at: missing"),
        (AMOUNTS | JUNE | {"change_at": "2026-06-31"}, "change_at: no date"),
        (
            AMOUNTS | JUNE | {"change_at": "2026-06-12", "basis": "weeks"},
            "basis: 'weeks' is none of its values",
        ),
        (AMOUNTS | JUNE | {"change_at": "2026-06-12", "basis": "seconds"}, "period_start: no instant"),
        (AMOUNTS | JUNE_UTC | {"change_at": "2026-06-12T00:00:00"}, "change_at: no instant"),
        (AMOUNTS | JUNE | {"period_end": "2026-06-01", "change_at": "2026-06-12"}, "period_end: not after"),
        (AMOUNTS | JUNE | {"change_at": "2026-06-12", "old_amount": "-1"}, "old_amount: -1 is below zero"),
        (AMOUNTS | JUNE | {"change_at": "2026-06-12", "currency": "XXX"}, "currency: 'XXX' is no currency"),
        (JUNE | {"change_at": "2026-06-12"}, "currency: missing"),
        (
            JUNE | {"change_at": "2026-06-12", "quantity": "1", "decimals": "8"},
            "decimals: '8', where a whole",
        ),
        (JUNE | {"change_at": "2026-06-12", "quantity": "1", "decimals": 31}, "decimals: 31 is out of range"),
        (JUNE | {"change_at": "2026-06-12", "quantity": "1", "old_amount": "1"}, "old_amount: unknown field"),
    ],
)
def test_a_faulty_proration_is_answered_with_its_fault(question: dict[str, str], error: str) -> None:
    assert error in prorate(**question)["error"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"interval": "month", "anchor": "2026-01-31", "after": "2026-01-31"}, "2026-02-28"),
        ({"interval": "month", "anchor": "2026-01-31", "after": "2026-02-28"}, "2026-03-31"),
        ({"interval": "month", "anchor": "2024-01-31", "after": "2024-02-01"}, "2024-02-29"),
        ({"interval": "month", "anchor": "2026-01-31", "after": "2026-04-29"}, "2026-04-30"),
        ({"interval": "month", "anchor": "2026-01-31", "after": "2019-01-01"}, "2019-01-31"),
        ({"interval": "quarter", "anchor": "2025-11-30", "after": "2026-01-01"}, "2026-02-28"),
        ({"interval": "year", "anchor": "2024-02-29", "after": "2024-02-29"}, "2025-02-28"),
        ({"interval": "year", "anchor": "2024-02-29", "after": "2027-03-01"}, "2028-02-29"),
        ({"interval": "week", "anchor": "2026-01-01", "after": "2026-01-07"}, "2026-01-08"),
        ({"interval": "day", "anchor": "2026-01-01", "after": "2025-12-31"}, "2026-01-01"),
        (
            {"interval": "month", "anchor": "2026-01-31T00:00:00Z", "after": "2026-02-01T00:00:00Z"},
            "2026-02-28T00:00:00Z",
        ),
        # local midnights on both sides of the change of clocks
        (
            {
                "interval": "month",
                "anchor": "2026-01-31",
                "timezone": "Europe/Berlin",
                "after": "2026-03-01T00:00:00Z",
            },
            "2026-03-30T22:00:00Z",
        ),
        (
            {
                "interval": "month",
                "anchor": "2026-01-31T00:00:00+01:00",
                "timezone": "Europe/Berlin",
                "after": "2026-03-01T00:00:00+01:00",
            },
            "2026-03-31T00:00:00+02:00",
        ),
        # a midnight that São Paulo's clocks skipped: the first instant after the gap
        (
            {
                "interval": "day",
                "anchor": "2018-10-01",
                "timezone": "America/Sao_Paulo",
                "after": "2018-11-03T12:00:00Z",
            },
            "2018-11-04T03:00:00Z",
        ),
    ],
)
def test_the_next_boundary(question: dict[str, str], expected: str) -> None:
    assert periods(**question) == {"id": "p", "next": expected}


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ({}, "interval: missing"),
        ({"interval": "decade", "anchor": "2026-01-31", "after": "2026-01-31"}, "interval: 'decade'"),
        ({"interval": "month", "anchor": "2026-01-31"}, "after: missing"),
        ({"interval": "month", "after": "2026-01-31"}, "anchor: missing"),
        ({"interval": "month", "anchor": "31.1.2026", "after": "2026-01-31"}, "anchor: no date"),
        ({"interval": "month", "anchor": "2026-01-31T00:00:00Z", "after": "2026-01-31"}, "anchor: no date"),
        ({"interval": "month", "anchor": "2026-01-31", "after": "2026-01-31T24:00:00Z"}, "after: no instant"),
        ({"interval": "month", "anchor": "2026-01-31", "after": "2026-01-31T00:00:00"}, "after: no instant"),
        ({"interval": "day", "anchor": "2026-01-31", "after": "9999-12-31"}, "after: the next"),
        (
            {"interval": "day", "anchor": "2026-01-31", "after": "2026-01-31", "timezone": "Mars/Base"},
            "timezone: 'Mars/Base' is no time zone",
        ),
        ({"interval": "day", "anchor": "2026-01-31", "after": "2026-01-31", "zone": "UTC"}, "zone: unknown"),
    ],
)
def test_a_faulty_question_is_answered_with_its_fault(question: dict[str, str], error: str) -> None:
    assert error in periods(**question)["error"]
