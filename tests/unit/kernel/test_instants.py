from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.kernel import instants
from tollway.kernel.errors import InvalidInput
from tollway.kernel.instants import format_instant, from_micros, parse_instant, to_micros

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_examples_hold() -> None:
    assert doctest.testmod(instants).failed == 0


@given(INSTANTS)
def test_microseconds_and_text_keep_every_digit(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant
    assert parse_instant(format_instant(instant), "--from") == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-28t01:02:03z", datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)),
        ("2026-02-28 01:02:03.5-05:30", datetime(2026, 2, 28, 6, 32, 3, 500_000, tzinfo=UTC)),
        ("2026-02-28T01:02:03.123456789Z", datetime(2026, 2, 28, 1, 2, 3, 123_456, tzinfo=UTC)),
    ],
)
def test_forms_that_are_read(text: str, instant: datetime) -> None:
    assert parse_instant(text, "--from") == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-02-28T00:00:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "٢٠٢٦-01-01",
    ],
)
def test_a_fault_names_the_field_and_the_fix(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--from: .* is not an instant"):
        parse_instant(text, "--from")
