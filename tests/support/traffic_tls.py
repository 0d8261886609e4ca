"""Clients over TLS whose connections outlive a gateway: HTTP/2 with several streams, and WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

__all__ = ["Http2Client", "Talker", "serving_sockets", "trusting"]

_PATIENCE = 20.0
_FRAME_HEAD = 9
_GOAWAY = 7


def trusting(*protocols: str) -> ssl.SSLContext:
    """Return a context that believes any certificate: the gateway's own is self-signed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class _Stream:
    def __init__(self, path: str) -> None:
        self.path = path
        self.status = 0
        self.request_id = ""
        self.is_the_upstreams = False
        self.is_whole = False


class Http2Client:
    """One connection at a time, on which all requests of a batch are streams at once.

    A GOAWAY is obeyed as RFC 9113 6.8 has it: what it leaves out was not served and is asked anew on another
    connection (counted in `moved`); everything else must still be answered whole.
    """

    def __init__(self, port: int, key: str) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self.connections = 0
        self.moved = 0
        self._port = port
        self._key = key
        self._socket: ssl.SSLSocket | None = None
        self._http = h2.connection.H2Connection()
        self._last_served: int | None = None
        self._came = b""

    def get_all(self, paths: list[str]) -> None:
        """Ask for all of them; return when each is answered or has failed."""
        while paths:
            streams: dict[int, _Stream] = {}
            try:
                self._ask(paths, streams)
                self._answers(streams)
            except (OSError, ConnectionError) as error:
                self._note(streams, error)
            paths = self._left_out(streams)
            self.moved += len(paths)
            if self._last_served is not None:
                self.close()

    def close(self) -> None:
        """Close the connection; the next batch opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, paths: list[str], streams: dict[int, _Stream]) -> None:
        own = self._open()
        for path in paths:
            number = self._http.get_next_available_stream_id()
            streams[number] = _Stream(path)
            fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
            self._http.send_headers(number, [*fields, ("apikey", self._key)], end_stream=True)
        own.sendall(self._http.data_to_send())

    def _open(self) -> ssl.SSLSocket:
        if self._socket is None:
            plain = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
            self._socket = trusting("h2").wrap_socket(plain, server_hostname="localhost")
            assert self._socket.selected_alpn_protocol() == "h2"
            self._http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            self._http.initiate_connection()
            self._last_served, self._came = None, b""
            self.connections += 1
        return self._socket

    def _answers(self, streams: dict[int, _Stream]) -> None:
        own = self._open()
        while any(self._is_due(number, stream) for number, stream in streams.items()):
            data = own.recv(65536)
            if not data:
                raise ConnectionError("closed before every answer was whole")
            self._came += data
            for event in self._http.receive_data(self._frames()):
                self._take(event, streams)
            own.sendall(self._http.data_to_send())

    def _frames(self) -> bytes:
        """Take the whole frames that came, and what a GOAWAY says: h2 would refuse every answer after it."""
        others = bytearray()
        while len(self._came) >= _FRAME_HEAD:
            end = _FRAME_HEAD + int.from_bytes(self._came[:3], "big")
            if len(self._came) < end:
                break
            frame, self._came = self._came[:end], self._came[end:]
            if frame[3] != _GOAWAY:
                others += frame
                continue
            last, code = (int.from_bytes(frame[at : at + 4], "big") for at in (9, 13))
            self._last_served = last & 0x7FFF_FFFF
            if code:
                self.failed.append(f"GOAWAY for error {code}")
        return bytes(others)

    def _is_due(self, number: int, stream: _Stream) -> bool:
        return not stream.is_whole and (self._last_served is None or number <= self._last_served)

    def _take(self, event: h2.events.Event, streams: dict[int, _Stream]) -> None:
        match event:
            case h2.events.ResponseReceived():
                stream = streams[event.stream_id]
                fields = {str(name): str(value) for name, value in event.headers}
                stream.status = int(fields[":status"])
                stream.request_id = fields.get("x-kong-request-id", "")
                stream.is_the_upstreams = "x-kong-upstream-latency" in fields
            case h2.events.DataReceived():
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                stream = streams[event.stream_id]
                stream.is_whole = True
                if stream.is_the_upstreams:
                    self.acknowledged.append(stream.request_id)
                if stream.status >= 500:
                    self.failed.append(f"{stream.path}: {stream.status}")
            case h2.events.StreamReset():
                self.failed.append(f"stream {event.stream_id} was reset: {event.error_code}")
                streams[event.stream_id].is_whole = True
            case _:
                pass

    def _left_out(self, streams: dict[int, _Stream]) -> list[str]:
        last = self._last_served
        return [stream.path for number, stream in streams.items() if last is not None and number > last]

    def _note(self, streams: dict[int, _Stream], error: Exception) -> None:
        due = [number for number, stream in streams.items() if self._is_due(number, stream)]
        self.failed.append(f"streams {due} of {len(streams)}: {error!r}")
        self._last_served = self._last_served or (1 << 31) - 1
        self.close()


class Talker:
    """Says something over a WebSocket, hears it again, and connects anew after `messages`, or when cut."""

    def __init__(self, port: int, key: str, *, messages: int) -> None:
        self.acknowledged: list[str] = []
        self.cut = 0
        self.finished = 0
        self.failed: list[str] = []
        self._port = port
        self._key = key
        self._messages = messages

    def talk(self, stop: threading.Event) -> None:
        """Hold one session, to its end.

        In one thread: the library's blocking client reads in a second one, and with two threads on one TLS
        connection a request got lost now and then (one session in 800; none in 12,948 with one thread).
        """
        asyncio.run(self._talk(stop))

    async def _talk(self, stop: threading.Event) -> None:
        began = time.monotonic()
        try:
            client = await connect(
                f"wss://127.0.0.1:{self._port}/sockets",
                ssl=trusting(),
                server_hostname="localhost",
                additional_headers={"apikey": self._key},
                open_timeout=_PATIENCE,
                proxy=None,
            )
        except Exception as error:  # noqa: BLE001  # whatever the library may raise, it is a failure
            took = time.monotonic() - began
            self.failed.append(f"{time.time():.3f} no session, for {took:.3f} s: {error!r}")
            return
        assert client.response is not None
        self.acknowledged.append(client.response.headers["X-Kong-Request-Id"])
        async with client:
            try:
                for number in range(self._messages):
                    await client.send(str(number))
                    heard = await asyncio.wait_for(client.recv(), _PATIENCE)
                    if heard != str(number):
                        self.failed.append(f"said {number}, heard {heard!r}")
                    await asyncio.sleep(0.1)
                    if stop.is_set():
                        break
            except ConnectionClosed:
                self.cut += 1
                return
            except TimeoutError:
                self.failed.append("no echo in time")
                return
        self.finished += 1


@contextlib.contextmanager
def serving_sockets() -> Iterator[int]:
    """Serve WebSocket and send everything back, until the block ends; gives the port."""

    def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                connection.send(message)

    server = serve(echo, "127.0.0.1", 0, compression=None)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join()
