"""What holds of grants whatever is granted, used and reset: nothing is lost, and input order is no matter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.billing.calculators import questions
from tollway.billing.calculators.answer import answer_line
from tollway.billing.calculators.grants import calculate_grants
from tollway.billing.grants.burning import Usage, burn_down
from tollway.billing.grants.models import Grant, Recurrence

pytestmark = pytest.mark.one_database

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 24 * 60).map(lambda hours: START + timedelta(hours=hours))
QUANTITIES = st.decimals(min_value=0, max_value=200, places=1)
GRANTS = st.lists(
    st.builds(
        Grant,
        id=st.sampled_from("abcdef"),
        amount=QUANTITIES,
        effective_at=INSTANTS,
        priority=st.integers(0, 2),
        expires_at=st.none() | INSTANTS,
        voided_at=st.none() | INSTANTS,
        recurrence=st.none() | st.sampled_from(Recurrence),
        min_rollover=QUANTITIES,
        max_rollover=QUANTITIES,
    ),
    unique_by=lambda grant: grant.id,
    max_size=5,
)
USAGE = st.lists(st.builds(Usage, INSTANTS, QUANTITIES), max_size=8)
RESETS = st.lists(INSTANTS, max_size=3)
ZERO = Fraction(0)


@given(GRANTS, USAGE, RESETS, INSTANTS, st.booleans())
def test_what_was_granted_is_consumed_left_or_lapsed(
    grants: list[Grant],
    usage: list[Usage],
    resets: list[datetime],
    until: datetime,
    preserve: bool,  # noqa: FBT001
) -> None:
    result = burn_down(
        grants, start=START, until=until, usage=usage, resets=resets, preserve_overage=preserve
    )
    for grant in grants:
        name = grant.id
        parts = (result.balances[name], result.consumed[name], result.lapsed[name])
        assert all(part >= 0 for part in parts)
        assert sum(parts) == result.granted[name]
        assert grant.in_force(until) or not result.balances[name]
    counted = sum((Fraction(used.quantity) for used in usage if used.at <= until), ZERO)
    assert counted == sum(result.consumed.values(), ZERO) + result.overage + result.forgiven
    assert not result.overage or not any(result.balances.values())
    assert not (preserve and result.forgiven)


@given(questions.grants(), st.data())
def test_the_order_of_the_input_says_nothing(question: questions.Question, data: st.DataObject) -> None:
    lists = ("grants", "usage", "resets")
    shuffled = question | {name: data.draw(st.permutations(question.get(name, []))) for name in lists}
    one, other = (answer_line(json.dumps(q).encode(), calculate_grants) for q in (question, shuffled))
    assert one == other
    assert "error" not in one


@given(GRANTS, USAGE, RESETS, INSTANTS, INSTANTS)
def test_going_on_from_where_one_stopped_comes_to_the_same(
    grants: list[Grant], usage: list[Usage], resets: list[datetime], one: datetime, other: datetime
) -> None:
    stop, until = sorted((one, other))
    usage = [used for used in usage if used.at != stop]
    first = burn_down(grants, start=START, until=stop, usage=usage, resets=resets)
    left = {
        name: Decimal(balance.numerator) / balance.denominator for name, balance in first.balances.items()
    }
    # What is owed at the stop is owed from there on: as usage of that instant.
    owed = Usage(stop, Decimal(first.overage.numerator) / first.overage.denominator)
    rest = burn_down(grants, start=stop, until=until, opening=left, usage=[owed, *usage], resets=resets)
    whole = burn_down(grants, start=START, until=until, usage=usage, resets=resets)
    assert (rest.balances, rest.overage) == (whole.balances, whole.overage)
