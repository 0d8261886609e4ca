"""Each line of the log becomes a call that earns the line's status from the real upstream."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from demo.mapping import Call, Mapper
from demo.plans import choose_plans
from demo.traffic import Line, heaviest, read_log
from demo.upstream.app import create_app
from demo.upstream.dataset import Places


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return read_log()


def test_the_log_is_whole_and_in_time_order(lines: list[Line]) -> None:
    assert len(lines) == 10_000
    assert len({line.address for line in lines}) == 1_753
    assert Counter(line.status for line in lines)[200] == 9_126
    assert all(a.time <= b.time for a, b in itertools.pairwise(lines))


def test_a_faulty_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(b"not a log\n"))
    with pytest.raises(ValueError, match=r"log\.gz:1: not a line"):
        read_log(file)


def test_one_call_of_each_kind_earns_its_status(lines: list[Line], places: Places) -> None:
    mapper = Mapper(places)
    kinds = {
        (line.method, line.status, call.url.split("?")[0].split("/")[1:3][-1]): call
        for line in lines
        for call in [mapper.call(line)]
    }
    assert {status for _, status, _ in kinds} == {200, 206, 301, 304, 403, 404, 416, 500}
    for call, status in asyncio.run(_answers(places, list(kinds.values()))):
        assert status == call.expected, call


async def _answers(places: Places, calls: list[Call]) -> list[tuple[Call, int]]:
    transport = httpx2.ASGITransport(app=create_app(places))
    async with httpx2.AsyncClient(transport=transport, base_url="http://atlas") as client:
        answers = []
        for call in calls:
            headers = dict(call.headers)
            if call.revalidates:
                headers["If-None-Match"] = (await client.head(call.url)).headers["etag"]
            answer = await client.request(call.method, call.url, headers=headers, content=call.content)
            answers.append((call, answer.status_code))
        return answers


def test_mapping_keeps_method_and_status_and_is_deterministic(lines: list[Line], places: Places) -> None:
    first, second = Mapper(places), Mapper(places)
    for line in lines:
        call = first.call(line)
        assert (call.method, call.expected) == (line.method, line.status)
        assert call == second.call(line)


def test_a_status_that_nothing_earns_is_refused(places: Places) -> None:
    line = Line(datetime(2015, 5, 17, tzinfo=UTC), "192.0.2.1", "GET", "/", 418)
    with pytest.raises(ValueError, match="no call earns GET / a 418"):
        Mapper(places).call(line)


def test_plans_follow_size_and_one_customer_outgrew_free(lines: list[Line]) -> None:
    plans, sizes = choose_plans(lines), dict(heaviest(lines))
    assert Counter(plans.values()) == {"free": 1_742, "pro": 9, "enterprise": 2}
    outgrown = [address for address, plan in plans.items() if plan == "free" and sizes[address] > 60]
    assert len(outgrown) == 1
    assert sizes[outgrown[0]] > 120, "two minutes' allowance: limited whenever the replay begins"


def test_a_short_replay_still_has_someone_to_limit() -> None:
    lines = read_log(limit=3_000)
    sizes = dict(heaviest(lines))
    assert any(plan == "free" and sizes[address] > 120 for address, plan in choose_plans(lines).items())
