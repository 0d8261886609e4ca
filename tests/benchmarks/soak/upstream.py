"""An upstream of every temper: small answers, large ones, echoes, streams of events."""

from __future__ import annotations

import asyncio
import contextlib

import websockets.asyncio.server
from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed

__all__ = ["EVENTS_SECONDS", "LARGE", "serve", "serve_sockets"]

LARGE = b"x" * (1 << 20)
EVENTS_SECONDS = 12
"""Longer than ten seconds, so that the exchange is metered in parts."""

_SMALL = b'{"status":"ok","items":[' + b",".join([b'{"id":1,"name":"small"}'] * 40) + b"]}"


async def serve() -> asyncio.Server:
    """Listen on a free port of this machine."""
    return await asyncio.start_server(_connection, "127.0.0.1", 0)


async def serve_sockets() -> Server:
    """Listen on a free port of this machine for WebSocket, and send everything back."""

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    return await websockets.asyncio.server.serve(echo, "127.0.0.1", 0)


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # Cancelled where the run ends in the middle of a stream.
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await read_body(reader, head)
            path = head.split(b" ", 2)[1]
            if path.endswith(b"/events"):
                await _events(writer)
            elif path.endswith(b"/large"):
                await _answer(writer, LARGE)
            else:
                await _answer(writer, body if path.endswith(b"/echo") else _SMALL)
    writer.close()


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Read what follows a head, by what the head says of it."""
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        whole = bytearray()
        while size := int((await reader.readline()).split(b";")[0], 16):
            whole += await reader.readexactly(size)
            await reader.readexactly(2)
        while (await reader.readline()) not in {b"\r\n", b""}:
            pass
        return bytes(whole)
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))


async def _answer(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()


async def _events(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(EVENTS_SECONDS * 4):
        line = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%b\r\n" % (len(line), line))
        await writer.drain()
        await asyncio.sleep(0.25)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
