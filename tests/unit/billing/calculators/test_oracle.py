"""The calculators give to the last digit what an independent oracle gives, whatever the question."""

from __future__ import annotations

import json
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from tests.support import oracle
from tests.unit.billing.calculators import questions
from tollway.billing.calculators.answer import Calculator, answer_line
from tollway.billing.calculators.grants import calculate_grants
from tollway.billing.calculators.periods import calculate_boundary
from tollway.billing.calculators.price import calculate_price
from tollway.billing.calculators.prorate import calculate_proration
from tollway.kernel.exact import to_text

pytestmark = pytest.mark.one_database


def answer(question: questions.Question, calculate: Calculator) -> dict[str, Any]:
    given = answer_line(json.dumps(question).encode(), calculate)
    assert "error" not in given
    return given


@given(questions.PRICES)
def test_price(question: questions.Question) -> None:
    given = answer(question, calculate_price)
    amount, total = oracle.price(question)
    assert given["amount"] == to_text(amount)
    assert Fraction(given["total"]) == total
    assert sum((Fraction(line["amount"]) for line in given["lines"]), Fraction(0)) == Fraction(
        given["amount"]
    )


@given(questions.prorations())
def test_proration(question: questions.Question) -> None:
    given = answer(question, calculate_proration)
    names = ("quantity",) if "quantity" in question else ("credit", "charge")
    assert tuple(Fraction(given[name]) for name in names) == oracle.prorate(question)


@given(questions.PERIODS)
def test_periods(question: questions.Question) -> None:
    expected = oracle.next_boundary(question)
    found = answer(question, calculate_boundary)["next"]
    assert (datetime if "T" in found else date).fromisoformat(found) == expected


@given(questions.grants())
def test_grants(question: questions.Question) -> None:
    given = answer(question, calculate_grants)
    balances, overage = oracle.grants(question)
    assert {name: Fraction(left) for name, left in given["balances"].items()} == balances
    assert Fraction(given["overage"]) == overage
