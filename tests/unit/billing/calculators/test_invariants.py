"""Invariants of billing that concern every model, asked of the calculators themselves."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.billing.calculators import questions
from tollway.billing.calculators.answer import Calculator, answer_line
from tollway.billing.calculators.price import calculate_price
from tollway.billing.calculators.prorate import calculate_proration
from tollway.kernel.currency import currency
from tollway.kernel.money import Money

pytestmark = pytest.mark.one_database

FACTS = ("quantity", "base_amount", "cost", "event_amounts", "bucket_quantities")
EARLIER = ("previous_quantity", "previous_cost", "previously_billed", "last")


def answer(question: questions.Question, calculate: Calculator = calculate_price) -> dict[str, Any]:
    given = answer_line(json.dumps(question).encode(), calculate)
    assert "error" not in given
    return given


def so_far(question: questions.Question, parts: int) -> list[questions.Question]:
    """The question as it would be asked after each of some parts of the period, the last one whole."""
    [name] = [name for name in FACTS if name in question]
    whole = question[name]
    cumulative: list[object] = []
    for part in range(1, parts + 1):
        if isinstance(whole, list):
            cumulative.append(whole[: len(whole) * part // parts])
        else:
            cumulative.append(whole if part == parts else str(int(Fraction(whole) * part / parts)))
    return [question | {name: value, "last": part == parts} for part, value in enumerate(cumulative, start=1)]


@given(questions.PRICES, st.integers(1, 4))
def test_what_is_charged_for_the_parts_of_a_period_is_what_one_bill_charges(
    question: questions.Question, parts: int
) -> None:
    question = {name: value for name, value in question.items() if name not in EARLIER}
    billed = Fraction(0)
    for part in so_far(question, parts):
        before = Money.rounded(billed, currency(question["currency"])).text
        billed += Fraction(answer(part | {"previously_billed": before})["total"])
    assert billed == Fraction(answer(question)["total"])


@given(questions.PRICES)
def test_each_line_is_its_quantity_times_its_price(question: questions.Question) -> None:
    if question["price"].get("unit_conversion", {}).get("operation") == "divide":
        question["price"].pop("unit_conversion")  # a third has no end in decimals
    if question["price"]["model"] == "package":
        question["price"].pop("unit_conversion", None)
    for line in answer(question)["lines"]:
        assert Fraction(line["quantity"]) * Fraction(line["unit_amount"]) == Fraction(line["amount"])


@given(st.fractions(), st.sampled_from(["JPY", "USD", "BHD", "CLF"]))
def test_negatives_mirror_positives_and_rounding_moves_by_half_a_unit_at_most(
    amount: Fraction, code: str
) -> None:
    unit = currency(code)
    rounded = Money.rounded(amount, unit)
    assert Money.rounded(-amount, unit) == -rounded
    assert abs(Fraction(rounded.amount) - amount) * 10**unit.exponent * 2 <= 1


@given(questions.prorations())
def test_a_prorated_quantity_mirrors_and_a_change_to_the_same_price_nets_to_nothing(
    question: questions.Question,
) -> None:
    if "quantity" in question:
        quantity = question["quantity"]
        mirrored = question | {"quantity": quantity[1:] if quantity.startswith("-") else f"-{quantity}"}
        one, other = (Fraction(answer(q, calculate_proration)["quantity"]) for q in (question, mirrored))
        assert one == -other
        return
    same = answer(question | {"new_amount": question["old_amount"]}, calculate_proration)
    assert same["credit"] == same["charge"]
    whole = Money.rounded(Fraction(question["old_amount"]), currency(question["currency"]))
    assert 0 <= Fraction(same["credit"]) <= Fraction(whole.amount)
