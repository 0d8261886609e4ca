"""Clients that cost as much as they can: each is ended in its time, and memory stays within the limits."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks.processes import pss_mib
from tests.e2e.gateway.test_gateway_process import base, tables
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually

KIB, MIB = 1 << 10, 1 << 20
HEAD = 32 * KIB
CONNECTIONS = 400
# What a connection may take beside the head that it sends: a read buffer, a desk, socket and task.
BESIDE = 48 * KIB
# What the process may take up meanwhile for reasons of its own: spare buffers, the allocator's rest.
SLACK = 12 * MIB


class Endless(BaseHTTPRequestHandler):
    """Answers with 64 MiB, as fast as they are taken."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """Read the body, and answer then."""
        if len(self.rfile.read(int(self.headers["Content-Length"]))) < int(self.headers["Content-Length"]):
            self.close_connection = True
            return
        self.do_GET()

    def do_GET(self) -> None:
        """Serve a request."""
        long = self.path.endswith("/long")
        self.send_response(200)
        self.send_header("Content-Length", str(64 * MIB if long else 2))
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(64 if long else 0):
                self.wfile.write(bytes(MIB))
            if not long:
                self.wfile.write(b"ok")


class Server(ThreadingHTTPServer):
    """Many may knock at once."""

    request_queue_size = 256
    daemon_threads = True


@pytest.fixture
def upstream() -> Iterator[int]:
    """Serve, on the port that is yielded."""
    server = Server(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def gateway_to(folder: Path, port: int, **options: object) -> Iterator[GatewayProcess]:
    """Run a gateway of one worker in front of `port`, with short timeouts."""
    timeouts = dict.fromkeys(("client_header_ms", "client_body_ms", "client_send_ms"), 1500)
    control = ControlStub(folder / "control.sock", base(port, 1_000_000), tables())
    try:
        with GatewayProcess(folder, workers=1, timeouts=timeouts, **options) as gateway:
            gateway.ready()
            assert gateway.get("/open").status == 200
            yield gateway
    finally:
        control.close()


@contextmanager
def clients(
    gateway: GatewayProcess, count: int, *, receive: int | None = None
) -> Iterator[list[socket.socket]]:
    """Connect so many times."""
    sockets = []
    try:
        for _ in range(count):
            client = socket.socket()
            if receive is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            client.settimeout(20)
            client.connect(("127.0.0.1", gateway.port))
            sockets.append(client)
        yield sockets
    finally:
        for client in sockets:
            client.close()


def memory(gateway: GatewayProcess) -> float:
    return pss_mib([gateway.process.pid]) * MIB


def grown(gateway: GatewayProcess, before: float) -> int:
    return int(memory(gateway) - before)


def rest_of(client: socket.socket) -> bytes:
    """Read until the gateway ends it."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            answer += data
    return answer


def metric(gateway: GatewayProcess, name: str) -> str:
    lines = gateway.status("/metrics").body.decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(name))


def test_heads_that_never_end(tmp_path: Path, upstream: int) -> None:
    """Slowloris with as much head as is allowed: 408 in time for each, and a head's room for each, once."""
    with gateway_to(tmp_path, upstream) as gateway:
        before = memory(gateway)
        for _ in range(2):
            with clients(gateway, CONNECTIONS) as sockets:
                for client in sockets:
                    client.sendall(b"GET /open HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (HEAD - 2 * KIB))
                assert grown(gateway, before) <= CONNECTIONS * (HEAD + BESIDE) + SLACK
                for client in sockets[:20]:
                    with contextlib.suppress(OSError):
                        client.sendall(b"y")  # a trickle buys no time
                assert gateway.get("/open").status == 200, "others are served meanwhile"
                for client in sockets:
                    assert rest_of(client).startswith(b"HTTP/1.1 408 ")
        # What was freed is used again: the second flood finds the first one's room.
        assert grown(gateway, before) <= CONNECTIONS * HEAD + SLACK


def test_connections_that_say_nothing(tmp_path: Path, upstream: int) -> None:
    """An idle connection costs a socket and a task, no buffer; it is closed without a word."""
    with gateway_to(tmp_path, upstream) as gateway:
        before = memory(gateway)
        with clients(gateway, CONNECTIONS) as sockets:
            eventually(lambda: int(metric(gateway, "tollway_client_connections_open")) >= CONNECTIONS)
            assert grown(gateway, before) <= CONNECTIONS * 8 * KIB + SLACK // 4
            assert gateway.get("/open").status == 200
            assert all(rest_of(client) == b"" for client in sockets)


def test_bodies_that_never_end(tmp_path: Path, upstream: int) -> None:
    """A body announced and not sent: 408, and the upstream's connection ends with it."""
    with gateway_to(tmp_path, upstream) as gateway:
        before = memory(gateway)
        with clients(gateway, 60) as sockets:
            for client in sockets:
                client.sendall(
                    b"POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * KIB
                )
            time.sleep(0.5)
            assert grown(gateway, before) <= 60 * 2 * BESIDE + SLACK
            assert gateway.get("/open").status == 200
            for client in sockets:
                assert rest_of(client).startswith(b"HTTP/1.1 408 ")


def test_clients_that_do_not_read(tmp_path: Path, upstream: int) -> None:
    """64 MiB on their way to each of many who take none: a buffer for each, until it is dropped."""
    with gateway_to(tmp_path, upstream) as gateway:
        before = memory(gateway)
        with clients(gateway, 60, receive=4096) as sockets:
            for client in sockets:
                client.sendall(b"GET /open/long HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.7)
            assert grown(gateway, before) <= 60 * 4 * BESIDE + SLACK
            assert gateway.get("/open").status == 200
            eventually(lambda: int(metric(gateway, "tollway_client_connections_open")) <= 2, seconds=20)


def test_more_connections_than_allowed_wait(tmp_path: Path, upstream: int) -> None:
    """Beyond its limit a worker accepts nobody; who waits in the queue is served when others have gone."""
    limits = {"connections_per_worker": 50}
    with gateway_to(tmp_path, upstream, limits=limits) as gateway:
        before = memory(gateway)
        with clients(gateway, 120) as sockets:
            eventually(lambda: int(metric(gateway, "tollway_client_connections_open")) == 50)
            sockets[-1].sendall(b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert grown(gateway, before) <= SLACK
            assert rest_of(sockets[-1]).startswith(b"HTTP/1.1 200 "), "after the idle before it were closed"
