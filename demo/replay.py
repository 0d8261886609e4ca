"""The replay: every call at its time, compressed, over keep-alive connections, several in flight.

A consumer's calls go one after the other, in the log's order; different consumers' overlap.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from demo.mapping import Call
from demo.tally import Answer, Tally
from demo.traffic import Line

__all__ = ["Planned", "fetch_etags", "plan_replay", "replay"]

_IN_FLIGHT = 32
_TIMEOUT = httpx2.Timeout(30.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """A consumer's call and when to send it, in seconds after the replay's start."""

    at: float
    consumer: str
    call: Call


def plan_replay(lines: Sequence[Line], calls: Sequence[Call], seconds: float) -> list[Planned]:
    """Put the calls of `lines` on a clock that runs so fast that the log's span takes `seconds`."""
    if not lines:
        return []
    start = lines[0].time
    span = (lines[-1].time - start).total_seconds() or 1.0
    return [
        Planned((line.time - start).total_seconds() / span * seconds, line.address, call)
        for line, call in zip(lines, calls, strict=True)
    ]


async def fetch_etags(upstream_url: str, calls: Sequence[Call]) -> dict[str, str]:
    """Ask the upstream itself, past the gateway, for what the log's clients had in their caches."""
    etags: dict[str, str] = {}
    async with httpx2.AsyncClient(base_url=upstream_url, timeout=_TIMEOUT) as client:
        for url in sorted({call.url for call in calls if call.revalidates}):
            answer = await client.head(url)
            etags[url] = answer.raise_for_status().headers["etag"]
    return etags


async def replay(
    planned: Sequence[Planned],
    *,
    proxy_url: str,
    keys: Mapping[str, str],
    etags: Mapping[str, str],
    tally: Tally,
    on_answer: Callable[[], None],
) -> None:
    """Send every planned call with its consumer's API key, and note each answer in `tally`."""
    limits = httpx2.Limits(max_connections=_IN_FLIGHT, max_keepalive_connections=_IN_FLIGHT)
    waiting: dict[str, deque[Call]] = {}
    in_flight = asyncio.Semaphore(_IN_FLIGHT)

    async def work_off(consumer: str, client: httpx2.AsyncClient) -> None:
        calls = waiting[consumer]
        while calls:
            call = calls.popleft()
            headers = {"apikey": keys[consumer], **call.headers}
            if call.revalidates:
                headers["If-None-Match"] = etags[call.url]
            async with in_flight:
                await _send(client, consumer, call, headers, tally)
            on_answer()
        del waiting[consumer]

    async with (
        httpx2.AsyncClient(base_url=proxy_url, limits=limits, timeout=_TIMEOUT) as client,
        asyncio.TaskGroup() as group,
    ):
        start = time.monotonic()
        for item in planned:
            ahead = start + item.at - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            if item.consumer in waiting:
                waiting[item.consumer].append(item.call)
            else:
                waiting[item.consumer] = deque([item.call])
                group.create_task(work_off(item.consumer, client))


async def _send(
    client: httpx2.AsyncClient, consumer: str, call: Call, headers: Mapping[str, str], tally: Tally
) -> None:
    sent = time.monotonic()
    try:
        answer = await client.request(call.method, call.url, headers=headers, content=call.content)
    except httpx2.HTTPError as error:
        tally.record_failure(consumer, call, error)
        return
    request_id = answer.headers.get("x-kong-request-id", "")
    tally.record(call, Answer(consumer, request_id, answer.status_code, time.monotonic() - sent))
