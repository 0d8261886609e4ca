"""What other billing systems document comes out here to the cent."""

from __future__ import annotations

import json

import pytest

from tests.unit.billing.calculators.documented import EXAMPLES, Example
from tollway.billing.calculators.answer import answer_line
from tollway.billing.calculators.grants import calculate_grants
from tollway.billing.calculators.periods import calculate_boundary
from tollway.billing.calculators.price import calculate_price
from tollway.billing.calculators.prorate import calculate_proration

pytestmark = pytest.mark.one_database

CALCULATORS = {
    "price": calculate_price,
    "prorate": calculate_proration,
    "periods": calculate_boundary,
    "grants": calculate_grants,
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_documented_example(example: Example) -> None:
    answer = answer_line(json.dumps(example.question).encode(), CALCULATORS[example.calculator])
    assert {name: answer.get(name) for name in example.answer} == example.answer, answer


def test_there_are_examples_of_each_system_and_calculator() -> None:
    assert len(EXAMPLES) >= 60
    assert {example.source.split(",")[0] for example in EXAMPLES} == {
        "Stripe",
        "Lago",
        "OpenMeter",
        "Kill Bill",
    }
    assert {example.calculator for example in EXAMPLES} == set(CALCULATORS)
