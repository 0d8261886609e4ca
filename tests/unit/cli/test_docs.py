"""The examples in the seller's pages give what the pages say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tollway.billing.calculators.answer import Calculator, answer_line
from tollway.billing.calculators.grants import calculate_grants
from tollway.billing.calculators.periods import calculate_boundary
from tollway.billing.calculators.price import calculate_price
from tollway.billing.calculators.prorate import calculate_proration
from tollway.catalog.parse import parse_catalog

SELLER = Path(__file__).parents[3] / "docs" / "seller"
CALCULATORS: dict[str, Calculator] = {
    "price": calculate_price,
    "prorate": calculate_proration,
    "periods": calculate_boundary,
    "grants": calculate_grants,
}
EXAMPLE = re.compile(r"\$ tollway (price|prorate|periods|grants) <<'END'\n(.*?)END\n(.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall((SELLER / "pricing.md").read_text())


@pytest.mark.parametrize(("command", "questions", "answers"), EXAMPLES)
def test_the_calculators_answer_as_the_page_says(command: str, questions: str, answers: str) -> None:
    given = [answer_line(line.encode(), CALCULATORS[command]) for line in questions.splitlines()]
    assert [json.dumps(answer) for answer in given] == answers.splitlines()


def test_each_calculator_has_an_example() -> None:
    assert {command for command, _, _ in EXAMPLES} == set(CALCULATORS)


def test_the_catalog_on_the_page_is_one() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", (SELLER / "catalog.md").read_text(), re.DOTALL)
    assert [plan.name for plan in parse_catalog(text.encode(), "catalog.md").plans] == ["pro"]
