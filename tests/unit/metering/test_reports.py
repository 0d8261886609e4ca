"""What the queue's message may look like, and what is refused with its field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.metering.fakes import NOON
from tollway.catalog.models import BUILT_IN_METER
from tollway.kernel.errors import InvalidInput
from tollway.metering.external import UNITS, UsageReport
from tollway.metering.reports import LONGEST_BODY, MOST_UNITS, read_message

NOW = NOON


def message(**changed: Any) -> bytes:
    fields = {"consumer_id": "c1", "api_endpoint": "/v1/x", "timestamp": 1_700_000_000, "usage_units": 3}
    wanted = {name: value for name, value in {**fields, **changed}.items() if value is not ...}
    return json.dumps(wanted).encode()


def read(body: bytes) -> UsageReport:
    return read_message(body, source="queue", message_id=None, now=NOW)


def test_catalog_and_metering_mean_the_same_meter() -> None:
    assert BUILT_IN_METER == UNITS


@pytest.mark.parametrize(
    ("given", "time", "whole"),
    [
        ("1760000000", "2025-10-09T08:53:20+00:00", True),
        ("1760000000.25", "2025-10-09T08:53:20.250000+00:00", False),
        # Through a binary float it would be .299999952.
        ("1760000000.3000001", "2025-10-09T08:53:20.300000+00:00", False),
        ("1.76e9", "2025-10-09T08:53:20+00:00", False),
        ('"1760000000"', "2025-10-09T08:53:20+00:00", False),
        ('"2025-10-09T10:53:20+02:00"', "2025-10-09T08:53:20+00:00", True),
        ('"2025-10-09T08:53:20.000001Z"', "2025-10-09T08:53:20.000001+00:00", False),
    ],
)
def test_times(given: str, time: str, *, whole: bool) -> None:
    body = message(timestamp="T").replace(b'"T"', given.encode())
    report = read(body)
    assert (report.time.isoformat(), report.whole_second) == (time, whole)


@pytest.mark.parametrize("units", ["5", '"5"', "5.0", "5e0", '"5.00"'])
def test_units_are_whole_however_written(units: str) -> None:
    assert read(message(usage_units="U").replace(b'"U"', units.encode())).units == 5


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (b"", "body"),
        (b"\xff{}", "body"),
        (b"[" * 50_000, "body"),
        (b'{"a":' * 10_000, "body"),
        (b" " * (LONGEST_BODY + 1), "body"),
        (b"[]", "body"),
        (b"3", "body"),
        (message(consumer_id=...), "consumer_id"),
        (message(consumer_id=""), "consumer_id"),
        (message(consumer_id=True), "consumer_id"),
        (message(consumer_id="a" * 256), "consumer_id"),
        (message(consumer_id="a\0"), "consumer_id"),
        (message(api_endpoint=...), "api_endpoint"),
        (message(api_endpoint="\ud800"), "api_endpoint"),
        (message(api_endpoint=7), "api_endpoint"),
        (message(timestamp=...), "timestamp"),
        (message(timestamp=None), "timestamp"),
        (message(timestamp="yesterday"), "timestamp"),
        (message(timestamp=1_760_000_000_000), "timestamp"),
        (message(timestamp=-1), "timestamp"),
        (message(timestamp="T").replace(b'"T"', b"1e999999999"), "timestamp"),
        (message(timestamp="T").replace(b'"T"', b"9" * 5000), "body"),
        (message(timestamp=(NOW + timedelta(days=2)).isoformat()), "timestamp"),
        (message(timestamp="2025-02-30T00:00:00Z"), "timestamp"),
        (message(usage_units=...), "usage_units"),
        (message(usage_units=0), "usage_units"),
        (message(usage_units=-1), "usage_units"),
        (message(usage_units="0.5"), "usage_units"),
        (message(usage_units=True), "usage_units"),
        (message(usage_units=[1]), "usage_units"),
        (message(usage_units=MOST_UNITS + 1), "usage_units"),
        (message(usage_units="U").replace(b'"U"', b"NaN"), "body"),
    ],
)
def test_what_is_refused_names_its_field(body: bytes, location: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(body)
    assert caught.value.location == location


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(repr).map(str.encode)
)
def test_no_bytes_do_harm(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)


def test_a_number_for_a_consumer_and_fields_of_its_own_are_fine() -> None:
    report = read(message(consumer_id=17, note="x"))
    assert (report.subject, report.time) == ("17", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
