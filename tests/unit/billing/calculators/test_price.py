"""`tollway price`: worked examples, each computed by hand, and every kind of faulty question."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tollway.billing.calculators.answer import answer_line
from tollway.billing.calculators.price import calculate_price

pytestmark = pytest.mark.one_database

USD = {"id": 7, "currency": "USD"}
TIERS = [
    {"up_to": "100", "unit_amount": "1", "flat_amount": "5"},
    {"up_to": "1000", "unit_amount": "0.5", "flat_amount": "20", "tier_cap": "300"},
    {"up_to": None, "unit_amount": "0.1"},
]
GRADUATED = {"model": "graduated", "tiers": TIERS}
VOLUME = {"model": "volume", "tiers": TIERS}
PACKAGE = {"model": "package", "package_size": "1000", "package_amount": "5"}
UNIT = {"model": "per_unit", "unit_amount": "0.002"}
DIVIDE = {"operation": "divide", "factor": "1000"}
UP, DOWN, NEAREST = (DIVIDE | {"quantity_rounding": rounding} for rounding in ("ceil", "floor", "round"))
PERCENT = {"model": "percentage", "rate_percent": "2", "fixed_per_event": "0.10"}
OF_BASE = {
    "model": "graduated_percentage",
    "tiers": [
        {"up_to": "1000", "rate_percent": "2", "flat_amount": "1"},
        {"up_to": None, "rate_percent": "1"},
    ],
}
BOUNDS = {"model": "per_unit", "unit_amount": "1", "percent_discount": "50", "maximum": "40", "minimum": "10"}


def ask(question: object) -> dict[str, Any]:
    return answer_line(json.dumps(question).encode(), calculate_price)


# price, facts, amount, total
EXAMPLES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"model": "flat", "amount": "49.00"}, {}, "49", "49.00"),
    ({"model": "flat", "amount": "49.00"}, {"previous_quantity": "0"}, "0", "0.00"),
    (UNIT, {"quantity": "121"}, "0.242", "0.24"),
    (UNIT, {"quantity": 2500}, "5", "5.00"),
    (UNIT, {"quantity": "2.5"}, "0.005", "0.01"),
    (UNIT | {"free_units": "100"}, {"quantity": "99"}, "0", "0.00"),
    (UNIT | {"free_units": "100"}, {"quantity": "101"}, "0.002", "0.00"),
    # 123,456 / 1,000 = 123.456 units, rounded or not
    (UNIT | {"unit_conversion": DIVIDE}, {"quantity": "123456"}, "0.246912", "0.25"),
    (UNIT | {"unit_conversion": UP}, {"quantity": "123456"}, "0.248", "0.25"),
    (UNIT | {"unit_conversion": DOWN}, {"quantity": "123456"}, "0.246", "0.25"),
    (UNIT | {"unit_conversion": NEAREST}, {"quantity": "500"}, "0.002", "0.00"),
    (UNIT | {"unit_conversion": DIVIDE | {"quantity_rounding": "half_up"}}, {"quantity": "499"}, "0", "0.00"),
    # conversion and its rounding come before the free units: ceil(1.5) - 1 = 1
    (
        UNIT | {"unit_conversion": UP, "free_units": "1"},
        {"quantity": "1500"},
        "0.002",
        "0.00",
    ),
    # a third has no end in decimals: 30 of them are written
    (
        {"model": "per_unit", "unit_amount": "1", "unit_conversion": {"operation": "divide", "factor": "3"}},
        {"quantity": "100"},
        "33.333333333333333333333333333333",
        "33.33",
    ),
    # tier 1's fee is due at zero; a bound belongs to the tier that it ends
    (GRADUATED, {"quantity": "0"}, "5", "5.00"),
    (GRADUATED, {"quantity": "100"}, "105", "105.00"),
    (GRADUATED, {"quantity": "100.5"}, "125.25", "125.25"),
    # tier 2 costs 900 x 0.5 + 20 = 470, capped at 300
    (GRADUATED, {"quantity": "1000"}, "405", "405.00"),
    (GRADUATED, {"quantity": "1010"}, "406", "406.00"),
    # an earlier part was billed: its fee is not due again
    (GRADUATED, {"quantity": "100", "previous_quantity": "0"}, "100", "100.00"),
    (GRADUATED, {"quantity": "110", "previous_quantity": "90"}, "35", "35.00"),
    (GRADUATED, {"quantity": "1010", "previously_billed": "400"}, "6", "6.00"),
    # 0.075 was billed as 0.08; the rounded whole is 0.08, too
    ({"model": "flat", "amount": "0.075"}, {"previously_billed": "0.08"}, "-0.005", "0.00"),
    ({"model": "flat", "amount": "0.075"}, {"previously_billed": "0.0801"}, "-0.0051", "-0.01"),
    (VOLUME, {"quantity": "0"}, "5", "5.00"),
    (VOLUME, {"quantity": "100"}, "105", "105.00"),
    (VOLUME, {"quantity": "100.5"}, "70.25", "70.25"),
    (VOLUME, {"quantity": "1000"}, "300", "300.00"),
    (VOLUME, {"quantity": "1001"}, "100.1", "100.10"),
    # what was billed for 1,000 units is more than 1,001 of them cost: a credit
    (VOLUME, {"quantity": "1001", "previous_quantity": "1000"}, "-199.9", "-199.90"),
    (PACKAGE, {"quantity": "0"}, "0", "0.00"),
    (PACKAGE, {"quantity": "1"}, "5", "5.00"),
    (PACKAGE, {"quantity": "1000"}, "5", "5.00"),
    (PACKAGE, {"quantity": "1000.001"}, "10", "10.00"),
    (PACKAGE | {"package_rounding": "down"}, {"quantity": "1999"}, "5", "5.00"),
    # the package that 900 began already holds these 100
    (PACKAGE, {"quantity": "1000", "previous_quantity": "900"}, "0", "0.00"),
    (PACKAGE | {"free_units": "500"}, {"quantity": "1500"}, "5", "5.00"),
    # each bucket begins a package of its own
    (PACKAGE, {"bucket_quantities": ["1", "1", "1001"]}, "20", "20.00"),
    (PACKAGE, {"bucket_quantities": []}, "0", "0.00"),
    # half off first, then the bounds: 60 -> 30, 100 -> 50 -> 40, 10 -> 5 -> 10
    (BOUNDS, {"quantity": "60"}, "30", "30.00"),
    (BOUNDS, {"quantity": "100"}, "40", "40.00"),
    (BOUNDS, {"quantity": "10"}, "10", "10.00"),
    (BOUNDS, {"quantity": "10", "last": False}, "5", "5.00"),
    (BOUNDS, {"quantity": "10", "previous_quantity": "4"}, "8", "8.00"),
    # the bounds hold for the bill, not for each bucket
    (BOUNDS, {"bucket_quantities": ["60", "60"]}, "40", "40.00"),
    # a minimum above the maximum: the later step has the last word
    (BOUNDS | {"minimum": "45"}, {"quantity": "100"}, "45", "45.00"),
    (PERCENT, {"event_amounts": ["100", "0", "50"]}, "3.3", "3.30"),
    # one event is free; the next crosses nothing and pays in full
    (PERCENT | {"free_events": "1"}, {"event_amounts": ["100", "50"]}, "1.1", "1.10"),
    # 120 are free: the second event pays on 30 and its whole fixed part, the third in full
    (PERCENT | {"free_amount": "120"}, {"event_amounts": ["100", "50", "10"]}, "1", "1.00"),
    # whichever ends first: after one event, though 120 are not used up
    (PERCENT | {"free_amount": "120", "free_events": 1}, {"event_amounts": ["100", "50"]}, "1.1", "1.10"),
    # the allowance is used up to the cent: the zero-amount event after it pays its fixed part
    (PERCENT | {"free_amount": "100"}, {"event_amounts": ["100", "0"]}, "0.1", "0.10"),
    (PERCENT | {"min_per_event": "0.5", "max_per_event": 1}, {"event_amounts": [1, 30, 999]}, "2.2", "2.20"),
    (PERCENT, {"event_amounts": ["100", "50"], "previously_billed": "2.10"}, "1.1", "1.10"),
    (OF_BASE, {"base_amount": "0"}, "1", "1.00"),
    (OF_BASE, {"base_amount": "1500"}, "26", "26.00"),
    (OF_BASE, {"base_amount": "1500", "previous_quantity": "1000"}, "5", "5.00"),
    ({"model": "dynamic"}, {"cost": "12.345"}, "12.345", "12.35"),
    (
        {"model": "dynamic", "multiplier": "1.2", "maximum": "13"},
        {"cost": "12", "previous_cost": "10"},
        "1",
        "1.00",
    ),
]


@pytest.mark.parametrize(("price", "facts", "amount", "total"), EXAMPLES)
def test_worked_example(price: dict[str, Any], facts: dict[str, Any], amount: str, total: str) -> None:
    answer = ask({"id": "x", "currency": "USD", "price": price, **facts})
    assert (answer.get("error"), answer["id"]) == (None, "x")
    assert (answer["amount"], answer["total"]) == (amount, total)
    assert set(answer) == {"id", "amount", "total", "lines"}
    for line in answer["lines"]:
        assert set(line) == {"description", "quantity", "unit_amount", "amount"}
        assert all(isinstance(value, str) for value in line.values())


def test_lines_explain_the_tiers() -> None:
    answer = ask({"id": 1, "currency": "USD", "price": GRADUATED, "quantity": "12345"})
    assert [(line["description"], line["amount"]) for line in answer["lines"]] == [
        ("First 100 units: 100 at 1 USD", "100"),
        ("First 100 units: flat fee", "5"),
        ("Units 101 to 1,000: 900 at 0.5 USD", "450"),
        ("Units 101 to 1,000: flat fee", "20"),
        ("Units 101 to 1,000: capped at 300 USD", "-170"),
        ("Units over 1,000: 11,345 at 0.1 USD", "1134.5"),
    ]


def test_lines_of_a_later_part_say_only_what_is_new() -> None:
    answer = ask(
        {"id": 1, "currency": "USD", "price": GRADUATED, "quantity": "1010", "previous_quantity": "1000"}
    )
    assert [(line["description"], line["amount"]) for line in answer["lines"]] == [
        ("Units over 1,000: 10 at 0.1 USD", "1")
    ]
    answer = ask(
        {"id": 1, "currency": "USD", "price": VOLUME, "quantity": "1001", "previous_quantity": "100"}
    )
    assert [(line["description"], line["amount"]) for line in answer["lines"]] == [
        ("1,001 units at 0.1 USD (volume tier 3: units over 1,000)", "100.1"),
        ("Billed earlier: 100 units at 1 USD (volume tier 1: first 100 units)", "-100"),
        ("Billed earlier: Volume tier 1: flat fee", "-5"),
    ]


def test_written_lines_sum_to_the_written_amount_even_without_an_end_in_decimals() -> None:
    third = {"operation": "divide", "factor": "3"}
    price = GRADUATED | {"unit_conversion": third, "percent_discount": "7"}
    answer = ask({"id": 1, "currency": "BHD", "price": price, "quantity": "1000", "previous_quantity": "100"})
    assert sum(Decimal(line["amount"]) for line in answer["lines"]) == Decimal(answer["amount"])


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "12"), ("USD", "12.35"), ("BHD", "12.345"), ("CLF", "12.3450")]
)
def test_the_total_has_the_currencys_decimals(currency: str, total: str) -> None:
    assert (
        ask({"id": 1, "currency": currency, "price": {"model": "flat", "amount": "12.345"}})["total"] == total
    )


FAULTS: list[tuple[str | dict[str, Any], str]] = [
    ("", "line: not JSON"),
    ("[]", "line: a list, where fields are needed"),
    ("[" * 100000, "line: nested too deep"),
    ('{"id": 7, "quantity": NaN}', "line: NaN is no JSON"),
    ('{"id": 7, "id": 8}', "line: 'id' is written twice"),
    ('{"id": 7, "quantity": ' + "9" * 5000 + "}", "line: "),
    ({"id": 1.5}, "id: "),
    ({"id": 7}, "currency: missing"),
    (USD, "price: missing"),
    (USD | {"price": None}, "price: missing"),
    (USD | {"price": []}, "price: a list, where fields are needed"),
    (USD | {"price": {}}, "price.model: missing"),
    (USD | {"price": {"model": "free"}}, "price.model: 'free' is none of its values"),
    (USD | {"price": {"model": ["flat"]}}, "price.model: "),
    (USD | {"price": UNIT}, "quantity: a price by quantity needs it"),
    (USD | {"price": UNIT, "quantity": 1.5}, 'quantity: 1.5 is not in quotes; write "1.5"'),
    (USD | {"price": UNIT, "quantity": "-1"}, "quantity: -1 is below zero"),
    (USD | {"price": UNIT, "quantity": True}, "quantity: true is no number"),
    (USD | {"price": UNIT, "quantity": "1", "quantitty": "1"}, "quantitty: unknown field; did you mean"),
    (USD | {"price": UNIT, "quantity": "1", "last": "false"}, "last: 'false', where true or false is needed"),
    (USD | {"price": UNIT, "quantity": "1", "cost": "1"}, "cost: a price of this model does not take it"),
    (USD | {"price": UNIT, "quantity": "1", "bucket_quantities": ["1"]}, "quantity: "),
    (USD | {"price": UNIT, "bucket_quantities": ["1", "x"]}, "bucket_quantities[1]: 'x' is no number"),
    (USD | {"price": UNIT, "bucket_quantities": "1"}, "bucket_quantities: '1', where a list is needed"),
    (USD | {"price": UNIT, "bucket_quantities": ["1"], "previous_quantity": "1"}, "previous_quantity: "),
    (USD | {"price": UNIT | {"unit_amount": "-1"}, "quantity": "1"}, "price.unit_amount: -1 is below zero"),
    (USD | {"price": UNIT | {"meter": "calls"}, "quantity": "1"}, "price.meter: unknown field"),
    (USD | {"price": UNIT | {"percent_discount": "101"}, "quantity": "1"}, "price.percent_discount: "),
    (
        USD | {"price": UNIT | {"unit_conversion": {"factor": "0"}}, "quantity": "1"},
        "conversion.factor: zero",
    ),
    (USD | {"price": PACKAGE | {"package_size": "0"}, "quantity": "1"}, "price.package_size: zero"),
    (USD | {"price": {"model": "graduated"}, "quantity": "1"}, "price.tiers: missing"),
    (USD | {"price": {"model": "graduated", "tiers": []}, "quantity": "1"}, "price.tiers: empty"),
    (USD | {"price": {"model": "volume", "tiers": TIERS[:2]}}, "tiers[1].up_to: the last tier"),
    (USD | {"price": {"model": "volume", "tiers": TIERS[::-1]}}, "tiers[0].up_to: null in a"),
    (
        USD | {"price": {"model": "volume", "tiers": [TIERS[1], TIERS[0], TIERS[2]]}, "quantity": "1"},
        "price.tiers[1].up_to: 100 is not above the tier before it",
    ),
    (USD | {"price": PERCENT, "event_amounts": ["1"], "previous_quantity": "1"}, "previous_quantity: "),
    (USD | {"price": PERCENT | {"min_per_event": "2", "max_per_event": "1"}}, "price.min_per_event"),
    (USD | {"price": {"model": "dynamic"}, "cost": "1", "previous_quantity": "1"}, "previous_quantity: "),
    (USD | {"price": OF_BASE, "quantity": "1"}, "base_amount: a graduated percentage price needs it"),
]


@pytest.mark.parametrize(("question", "error"), FAULTS, ids=lambda value: str(value)[:50])
def test_a_faulty_question_is_answered_with_field_and_fix(question: str | dict[str, Any], error: str) -> None:
    line = question if isinstance(question, str) else json.dumps(question)
    answer = answer_line(line.encode(), calculate_price)
    assert set(answer) == {"id", "error"}
    assert error in answer["error"]
    assert answer["id"] == (
        question.get("id") if isinstance(question, dict) and question["id"] == 7 else None
    )
    assert "\n" not in answer["error"]


def test_all_faults_of_a_question_are_told() -> None:
    answer = ask({"id": 1, "currency": "USD", "price": UNIT | {"free_units": "x"}, "quantity": "y"})
    assert answer["error"].count(" | ") == 1
