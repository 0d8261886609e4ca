"""Clients of every temper. Each goes on until cancelled; what it got is counted as right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import websockets.asyncio.client
from websockets.exceptions import WebSocketException

from tests.benchmarks.soak.upstream import LARGE, read_body

__all__ = ["Street", "visitors"]

_DICE = random.Random(4)
_PER_CONNECTION = 200


@dataclass(slots=True)
class Street:
    """Where the visitors go, and what became of it."""

    port: int
    tls_port: int
    keys: list[str]
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    async def connect(self, *, tls: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the gateway."""
        context = None
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = self.tls_port if tls else self.port
        return await asyncio.open_connection("127.0.0.1", port, ssl=context)

    def head(self, path: str, *lines: str, method: str = "GET", key: str | None = None) -> bytes:
        """Return a request's head, with one of the keys."""
        key = key or _DICE.choice(self.keys)
        return "\r\n".join(
            [f"{method} /api{path} HTTP/1.1", "Host: soak", f"apikey: {key}", *lines, "", ""]
        ).encode()

    def note(self, kind: str, got: Any, wanted: Any) -> None:
        """Count what a visitor got."""
        (self.right if got == wanted else self.wrong)[kind if got == wanted else f"{kind}: {got!r:.80}"] += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), await read_body(reader, head)


async def _regular(street: Street, *, tls: bool = False) -> None:
    reader, writer = await street.connect(tls=tls)
    for _ in range(_PER_CONNECTION):
        writer.write(street.head("/small"))
        status, _ = await _answer(reader)
        street.note("regular over TLS" if tls else "regular", status, 200)
        await asyncio.sleep(0.04)
    writer.close()


async def _over_tls(street: Street) -> None:
    await _regular(street, tls=True)


async def _newcomer(street: Street) -> None:
    reader, writer = await street.connect()
    writer.write(street.head("/small", "Connection: close"))
    status, _ = await _answer(reader)
    street.note("newcomer", status, 200)
    writer.close()
    await asyncio.sleep(0.05)


async def _poster(street: Street) -> None:
    body = _DICE.randbytes(_DICE.randrange(1 << 18))
    reader, writer = await street.connect()
    if _DICE.random() < 0.5:
        writer.write(street.head("/echo", f"Content-Length: {len(body)}", method="POST") + body)
    else:
        writer.write(street.head("/echo", "Transfer-Encoding: chunked", method="POST"))
        for start in range(0, len(body), 9000):
            piece = body[start : start + 9000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
    status, echo = await _answer(reader)
    street.note("poster", (status, echo == body), (200, True))
    writer.close()
    await asyncio.sleep(0.2)


async def _quitter(street: Street) -> None:
    """Goes away in the middle of an answer, or of a request."""
    reader, writer = await street.connect()
    if _DICE.random() < 0.5:
        writer.write(street.head("/large"))
        await reader.readexactly(_DICE.randrange(1, len(LARGE) // 2))
    else:
        writer.write(street.head("/echo", "Content-Length: 100000", method="POST") + b"x" * 5000)
        await writer.drain()
    writer.transport.abort()
    street.note("quitter", True, True)
    await asyncio.sleep(0.3)


async def _stranger(street: Street) -> None:
    """Is refused, for four reasons."""
    for wanted, request in (
        (401, street.head("/small", key="nobody's")),
        (404, street.head("/small").replace(b"/api", b"/elsewhere")),
        (431, street.head("/small", "X-Long: " + "y" * 40_000)),
        (400, b"GET /api/small HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ):
        reader, writer = await street.connect()
        writer.write(request)
        street.note("stranger", (await _answer(reader))[0], wanted)
        writer.close()
        await asyncio.sleep(0.2)


async def _listener(street: Street) -> None:
    reader, writer = await street.connect()
    writer.write(street.head("/events"))
    status, body = await _answer(reader)
    street.note("listener", (status, body.count(b"data:") > 40), (200, True))
    writer.close()


async def _talker(street: Street) -> None:
    """Talks over a WebSocket, and now and then leaves without a word."""
    key = _DICE.choice(street.keys)
    url = f"ws://127.0.0.1:{street.port}/sockets"
    async with websockets.asyncio.client.connect(url, additional_headers={"apikey": key}) as connection:
        for _ in range(50):
            message = _DICE.randbytes(_DICE.randrange(20_000))
            await connection.send(message)
            street.note("talker", await connection.recv() == message, True)
            await asyncio.sleep(0.1)
        if _DICE.random() < 0.3:
            connection.transport.abort()


async def _idler(street: Street) -> None:
    """Holds a connection and says nothing, or only half of a request."""
    _, writer = await street.connect()
    if _DICE.random() < 0.5:
        writer.write(street.head("/small")[:20])
    await asyncio.sleep(_DICE.uniform(1, 20))
    writer.transport.abort()
    street.note("idler", True, True)


_KINDS: tuple[tuple[Callable[[Street], Awaitable[None]], int], ...] = (
    (_regular, 8),
    (_over_tls, 4),
    (_newcomer, 4),
    (_poster, 2),
    (_quitter, 2),
    (_stranger, 1),
    (_listener, 4),
    (_talker, 4),
    (_idler, 20),
)


def visitors(street: Street) -> list[Awaitable[None]]:
    """Return every visitor, each of whom goes on for ever."""
    return [_again(kind, street) for kind, count in _KINDS for _ in range(count)]


async def _again(visit: Callable[[Street], Awaitable[None]], street: Street) -> None:
    for _ in itertools.count():
        began = time.monotonic()
        try:
            await asyncio.wait_for(visit(street), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, WebSocketException) as error:
            street.note(visit.__name__.strip("_"), type(error).__name__, None)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(max(0.0, 0.5 - (time.monotonic() - began)))
