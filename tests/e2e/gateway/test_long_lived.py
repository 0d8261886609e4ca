"""Connections that stay: WebSocket by a client and server that nobody here wrote, and server-sent events."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.e2e.gateway.test_gateway_process import CONSUMER, KEY, base, events, tables
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually
from tollway import _native
from tollway.app.default_certificate import default_certificate

MIB = 1 << 20


def _echo(connection: ServerConnection) -> None:
    """Send everything back; do what a few words say."""
    for message in connection:
        if message == "leave":
            connection.close(4001, "as you wish")
            return
        connection.send(message)


@pytest.fixture
def sockets() -> Iterator[int]:
    """Serve WebSocket; yields the port."""
    chat = [Subprotocol("chat")]
    server = serve(_echo, "127.0.0.1", 0, max_size=8 * MIB, subprotocols=chat, compression=None)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.socket.getsockname()[1]
    server.shutdown()
    thread.join()


@contextmanager
def gateway_to(folder: Path, port: int, **options: Any) -> Iterator[GatewayProcess]:
    """Run a gateway in front of `port`: `/api` with keys, `/open` without."""
    control = ControlStub(folder / "control.sock", base(port, 1000), tables())
    try:
        with GatewayProcess(folder, **options) as gateway:
            yield gateway.ready()
    finally:
        control.close()


def websocket(
    gateway: GatewayProcess, path: str, *, authority: str | None = None, **headers: str
) -> AbstractContextManager[ClientConnection]:
    """Connect; over TLS where an authority is given (PEM), which the gateway's certificate must be by."""
    context = None if authority is None else ssl.create_default_context(cadata=authority)
    return connect(
        f"{'ws' if context is None else 'wss'}://127.0.0.1:{gateway.port}{path}",
        ssl=context,
        server_hostname=None if context is None else "localhost",
        additional_headers=headers,
        subprotocols=[Subprotocol("chat")],
        max_size=8 * MIB,
        proxy=None,
    )


def _finished(folder: Path, gateway: GatewayProcess) -> list[_native.LogEvent]:
    """Wait for the bill of a tunnel, and return all that the log holds."""

    def closed() -> bool:
        return b"tollway_exchanges_in_flight 0" in gateway.status("/metrics").body

    eventually(closed)
    assert gateway.stop() == (0, "")
    return events(folder)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_websocket_messages_pass_whole_and_the_bytes_are_billed(
    tmp_path: Path, sockets: int, *, tls: bool
) -> None:
    large = bytes(range(256)) * (3 * MIB // 256)
    access = tmp_path / "access.log"
    log_to = {"path": str(access), "format": "json"}
    with gateway_to(tmp_path, sockets, tls=tls, access_log=log_to) as gateway:
        authority = default_certificate(tmp_path).cert if tls else None
        with websocket(gateway, "/api", authority=authority, apikey=KEY) as client:
            assert client.subprotocol == "chat"
            for message in ("hello", "äöü", b"\x00\xff", large):
                client.send(message)
                assert client.recv(timeout=20) == message
            client.send(iter(["in ", "three ", "pieces"]))
            assert client.recv(timeout=20) == "in three pieces"
            assert client.ping().wait(20), "a ping is answered from the other end"
        assert client.close_code == 1000
        log = _finished(tmp_path, gateway)
    assert {event.request_id for event in log} == {log[0].request_id}
    assert {event.consumer for event in log} == {UUID(CONSUMER).bytes}
    assert [event.part for event in log] == list(range(len(log)))
    assert (log[0].units, log[0].bytes_in, log[0].bytes_out) == (1, 0, 0)
    assert all(event.units == 0 for event in log[1:])
    assert all(event.bytes_in < 2 * MIB and event.bytes_out < 2 * MIB for event in log)
    assert {(event.status, event.completion, event.method) for event in log} == {(101, "complete", "GET")}
    assert [event.last for event in log] == [False] * (len(log) - 1) + [True]
    # A client's frames have a mask, of four bytes each.
    into, out = (sum(getattr(event, name) for event in log) for name in ("bytes_in", "bytes_out"))
    assert 3 * MIB < out < into < 3 * MIB + 1000
    (line,) = map(json.loads, access.read_text().splitlines())
    assert (line["status"], line["ended"], line["path"]) == (101, "complete", "/api")
    assert (line["bytes_in"], line["bytes_out"], line["remote_user"]) == (into, out, "bob")


@pytest.mark.parametrize("leave", ["client", "upstream"])
def test_either_side_may_close_and_the_other_hears_why(tmp_path: Path, sockets: int, leave: str) -> None:
    with gateway_to(tmp_path, sockets) as gateway:
        with websocket(gateway, "/open") as client:
            if leave == "client":
                client.close(4000, "enough")
                assert (client.close_code, client.close_reason) == (4000, "enough")
            else:
                client.send("leave")
                with pytest.raises(ConnectionClosedError):
                    client.recv(timeout=20)
                assert (client.close_code, client.close_reason) == (4001, "as you wish")
        log = _finished(tmp_path, gateway)
    assert [(event.completion, event.last) for event in log] == [("complete", False), ("complete", True)]


def test_a_refused_upgrade_says_why(tmp_path: Path, sockets: int) -> None:
    with gateway_to(tmp_path, sockets) as gateway:
        with pytest.raises(InvalidStatus) as refused, websocket(gateway, "/api"):
            pass
        assert refused.value.response.status_code == 401
        assert gateway.stop() == (0, "")
    assert events(tmp_path) == []


def test_a_drain_gives_tunnels_their_time_and_then_ends_them_on_record(tmp_path: Path, sockets: int) -> None:
    with gateway_to(tmp_path, sockets) as gateway, websocket(gateway, "/open") as client:
        client.send("before")
        assert client.recv(timeout=20) == "before"
        gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: gateway.status("/readyz").status == 503)
        client.send("during")
        assert client.recv(timeout=20) == "during"
        assert gateway.stop() == (0, "")  # the second signal: what is left is dropped
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=20)
    first, last = events(tmp_path)
    assert (first.part, first.units, first.last) == (0, 1, False)
    assert (last.part, last.units, last.last, last.completion) == (1, 0, True, "upstream_abort")
    assert last.bytes_out == len("before") + len("during") + 4


class _Stream(ThreadingHTTPServer):
    """Sends an event each time `go` is released; `left` is set when the reader has gone."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _StreamHandler)
        self.go = threading.Semaphore(0)
        self.left = threading.Event()
        self.hang_up = False
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _StreamHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Stream

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.connection.settimeout(0.02)
        number = 0
        while not self._reader_left():
            if self.server.go.acquire(timeout=0.02):
                if self.server.hang_up:
                    return
                number += 1
                self.wfile.write(f"9\r\ndata: {number}\n\n\r\n".encode())
                self.wfile.flush()
        self.server.left.set()

    def _reader_left(self) -> bool:
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


@pytest.fixture
def stream() -> Iterator[_Stream]:
    server = _Stream()
    yield server
    server.shutdown()
    server.server_close()


def _read_until(client: socket.socket, end: bytes) -> bytes:
    came = b""
    while end not in came:
        piece = client.recv(4096)
        assert piece, came
        came += piece
    return came


def _first_events(client: socket.socket, stream: _Stream) -> None:
    client.settimeout(20)
    client.sendall(b"GET /open/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
    head = _read_until(client, b"\r\n\r\n").lower()
    assert head.startswith(b"http/1.1 200")
    assert b"content-type: text/event-stream" in head
    for number in (1, 2, 3):
        # The next is sent when this one was read: whoever held one back would wait for ever.
        stream.go.release()
        assert _read_until(client, b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number


def _leave(client: socket.socket, stream: _Stream) -> None:
    client.close()
    assert stream.left.wait(10), "the upstream is told that nobody reads any more"


def _hang_up(client: socket.socket, stream: _Stream) -> None:
    stream.hang_up = True
    stream.go.release()
    assert client.recv(1) == b"", "no last chunk: the answer is seen to be cut"


@pytest.mark.parametrize(("end", "completion"), [(_leave, "client_abort"), (_hang_up, "upstream_abort")])
def test_server_sent_events_pass_as_they_come(
    tmp_path: Path, stream: _Stream, end: Callable[[socket.socket, _Stream], None], completion: str
) -> None:
    with gateway_to(tmp_path, stream.server_port) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            _first_events(client, stream)
            end(client, stream)
        (event,) = _finished(tmp_path, gateway)
    assert (event.status, event.completion, event.bytes_out) == (200, completion, 27)
