"""The replay keeps each consumer's order and the log's pace; its book takes nothing for granted."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from demo.mapping import Call
from demo.replay import Planned, plan_replay, replay
from demo.tally import Answer, Tally
from demo.traffic import Line

START = datetime(2015, 5, 17, 10, 5, tzinfo=UTC)


def test_time_is_compressed_evenly() -> None:
    lines = [Line(START + timedelta(seconds=s), "a", "GET", "/", 200) for s in (0, 30, 120)]
    planned = plan_replay(lines, [Call("GET", "/v1", 200)] * 3, 4.0)
    assert [item.at for item in planned] == [0.0, 1.0, 4.0]
    assert plan_replay([], [], 4.0) == []


def test_a_consumers_calls_arrive_in_order_and_others_overlap() -> None:
    slow = _SlowServer()
    tally = asyncio.run(_run(slow, ("a", "b", "c")))
    assert slow.seen == {c: [f"/{c}/{n}" for n in range(5)] for c in ("a", "b", "c")}
    assert 1 < slow.most_open <= 3, "different consumers' calls overlap, one consumer's don't"
    assert not tally.faults
    assert sorted(tally.served()) == sorted((c, f"{c}-{n}") for c in slow.seen for n in range(5))


class _SlowServer:
    """Answers one request at a time a connection, and notes what it saw."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = defaultdict(list)
        self.open = 0
        self.most_open = 0
        self.connections: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._one(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _one(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        url = head.split()[1].decode()
        consumer, number = url.strip("/").split("/")
        assert f"apikey: key-of-{consumer}".encode() in head
        self.seen[consumer].append(url)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.01)
        self.open -= 1
        identity = f"x-kong-request-id: {consumer}-{number}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + identity + b"\r\n\r\n")


async def _run(slow: _SlowServer, consumers: Sequence[str]) -> Tally:
    server = await asyncio.start_server(slow.connected, "127.0.0.1", 0)
    planned = [Planned(0.0, c, Call("GET", f"/{c}/{n}", 200)) for n in range(5) for c in consumers]
    tally = Tally()
    async with server:
        await replay(
            planned,
            proxy_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            keys={c: f"key-of-{c}" for c in consumers},
            etags={},
            tally=tally,
            on_answer=lambda: None,
        )
        await asyncio.gather(*slow.connections)
    return tally


def test_an_answer_is_compared_with_what_was_earned() -> None:
    tally = Tally(may_be_limited=frozenset({"small"}))
    call = Call("GET", "/v1", 200)
    tally.record(call, Answer("small", "1", 200, 0.1))
    tally.record(call, Answer("small", "2", 429, 0.2))
    assert not tally.faults
    tally.record(call, Answer("large", "3", 429, 0.3))
    tally.record(call, Answer("large", "4", 500, 0.4))
    tally.record(call, Answer("large", "", 200, 0.5))
    assert tally.faults == [
        "large GET /v1: 429 where 200 was earned",
        "large GET /v1: 500 where 200 was earned",
        "large GET /v1: an answer without X-Kong-Request-Id",
    ]
    assert tally.limited == 2
    assert tally.served() == [("small", "1"), ("large", "")]
    assert (tally.percentile(0.5), tally.percentile(0.99)) == (0.3, 0.5)


def test_a_call_without_an_answer_is_a_fault_and_is_not_repeated() -> None:
    tally = Tally()
    planned = [Planned(0.0, "a", Call("GET", "/v1", 200))]
    asyncio.run(
        replay(
            planned,
            proxy_url="http://127.0.0.1:9",
            keys={"a": "k"},
            etags={},
            tally=tally,
            on_answer=lambda: None,
        )
    )
    assert len(tally.faults) == 1
    assert "ConnectError" in tally.faults[0]
    assert not tally.answers
