from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.unit.metering.fakes import NOON, event, meter
from tollway.kernel.errors import InvalidInput
from tollway.metering.counting import Counter, cuts_of
from tollway.metering.meters import Aggregation, CompletionRule, Dimension, MeterFilter, SummedField
from tollway.metering.models import UsageEvent

BYTES = {"aggregation": Aggregation.SUM, "summed": SummedField.BYTES_OUT}


def _quantity(one: UsageEvent, **facts: Any) -> int:
    records = Counter([meter(**facts)]).records_of([one])
    assert Counter([meter(**facts)]).takes(one) == bool(records)
    return sum(record.quantity for record in records)


@pytest.mark.parametrize(
    ("answer", "wanted", "quantity"),
    [
        ({"status": 200}, MeterFilter(), 1),
        ({"status": 503}, MeterFilter(), 1),  # the upstream's own answer is a complete one
        ({"status": 204}, MeterFilter(statuses=frozenset({"2xx", "3xx"})), 1),
        ({"status": 404}, MeterFilter(statuses=frozenset({"2xx", "3xx"})), 0),
        ({"status": 404}, MeterFilter(statuses=frozenset({"2xx", "404"})), 1),
        ({"method": "POST"}, MeterFilter(methods=frozenset({"POST"})), 1),
        ({"method": "GET"}, MeterFilter(methods=frozenset({"POST"})), 0),
        ({}, MeterFilter(routes=frozenset({UUID(int=40)})), 1),
        ({}, MeterFilter(routes=frozenset({UUID(int=41)})), 0),
        ({}, MeterFilter(routes=frozenset()), 0),
        ({"route": None}, MeterFilter(routes=frozenset({UUID(int=40)})), 0),
        ({}, MeterFilter(services=frozenset({UUID(int=51)})), 0),
        ({"source": "cache"}, MeterFilter(), 1),
        ({"source": "cache"}, MeterFilter(sources=frozenset({"upstream"})), 0),
        ({"completion": "client_abort"}, MeterFilter(), 0),
        ({"completion": "upstream_abort"}, MeterFilter(), 0),
        ({"completion": "client_abort"}, MeterFilter(completion=CompletionRule.ANY), 1),
        ({"grpc_status": 0}, MeterFilter(), 1),
        ({"grpc_status": 13}, MeterFilter(completion=CompletionRule.ANY), 0),
        ({"part": 1, "last": True}, MeterFilter(), 0),
    ],
)
def test_what_a_count_takes(answer: dict[str, Any], wanted: MeterFilter, quantity: int) -> None:
    assert _quantity(event(**answer), filter=wanted) == quantity


@pytest.mark.parametrize(
    ("answer", "wanted", "quantity"),
    [
        ({}, MeterFilter(), 11),
        ({"part": 1}, MeterFilter(), 11),  # each part carries its own bytes
        ({"completion": "client_abort"}, MeterFilter(), 11),  # what was delivered
        ({"completion": "client_abort"}, MeterFilter(completion=CompletionRule.COMPLETE), 0),
        ({"grpc_status": 2}, MeterFilter(), 0),
    ],
)
def test_what_a_sum_adds_up(answer: dict[str, Any], wanted: MeterFilter, quantity: int) -> None:
    assert _quantity(event(**answer), filter=wanted, **BYTES) == quantity


@pytest.mark.parametrize(
    ("after", "until", "quantity"),
    [
        (timedelta(0), None, 1),
        (timedelta(microseconds=1), None, 0),
        (timedelta(days=-1), timedelta(0), 0),
        (timedelta(days=-1), timedelta(microseconds=1), 1),
    ],
)
def test_a_meter_is_in_effect_from_one_instant_to_another(
    after: timedelta, until: timedelta | None, quantity: int
) -> None:
    ends = None if until is None else NOON + until
    assert _quantity(event(NOON), effective_from=NOON + after, effective_until=ends) == quantity


def test_cuts_are_where_meters_begin_and_end() -> None:
    later = NOON + timedelta(days=1)
    meters = [meter(effective_from=later), meter(effective_from=NOON, effective_until=later)]
    assert cuts_of(meters) == [NOON, later]


def test_what_no_meter_tells_apart_is_one_record() -> None:
    events = [event(NOON), event(NOON + timedelta(minutes=14, seconds=59), status=201)]
    (record,) = Counter([meter()]).records_of(events)
    assert (record.quantity, record.events, record.dimensions) == (2, 2, "{}")


def test_records_end_with_the_quarter_of_an_hour() -> None:
    events = [event(NOON + timedelta(minutes=15, microseconds=-1)), event(NOON + timedelta(minutes=15))]
    assert len(Counter([meter()]).records_of(events)) == 2


def test_dimensions_are_kept_apart_in_the_order_of_their_names() -> None:
    by = meter(dimensions=(Dimension.STATUS, Dimension.METHOD))
    records = Counter([by]).records_of([event(), event(status=201), event(status=201)])
    assert {record.dimensions: record.quantity for record in records} == {
        '{"method":"GET","status":"200"}': 1,
        '{"method":"GET","status":"201"}': 2,
    }


@pytest.mark.parametrize("status", ["", "2x", "abc", "600", "20", "2xxx", "٢xx"])
def test_a_faulty_status_names_the_field_and_the_fix(status: str) -> None:
    with pytest.raises(InvalidInput, match=r"filter\.status: .* is no status; write a class"):
        MeterFilter(statuses=frozenset({status}))


def test_a_faulty_meter_names_the_field_and_the_fix() -> None:
    with pytest.raises(InvalidInput, match=r"filter\.methods: 'get' is no method; write 'GET'"):
        MeterFilter(methods=frozenset({"get"}))
    with pytest.raises(InvalidInput, match=r"meters\[api_calls\]\.sum: a sum needs a field"):
        meter(aggregation=Aggregation.SUM)
    with pytest.raises(InvalidInput, match=r"name one of units, bytes_in, bytes_out"):
        meter(summed=SummedField.UNITS)
