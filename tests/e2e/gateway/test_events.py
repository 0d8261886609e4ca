"""Which exchanges make an event, and what stands in it: the rows of the design's table, in the real gateway.

Upgrades and events as they come: test_long_lived.py; streams beyond ten seconds: failures.rs of the engine.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway.test_gateway_process import KEY, base, events, tables
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually
from tests.support.ports import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """An upstream that does what the path says, request after request on each connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            return

    def _serve(self, connection: socket.socket) -> None:
        served = 0
        with connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                while lines.readline() != b"\r\n":
                    pass
                if not self._answer(connection, line.split()[1].decode(), served):
                    return
                served += 1

    def _answer(self, connection: socket.socket, path: str, served: int) -> bool:
        if path.endswith("/cut"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345")
            return False
        if path.endswith("/drip"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345")
            connection.recv(1)
            return False
        if path.endswith("/once") and served > 0:
            return False  # as servers do that let go of an idle connection just when a request comes
        if path.endswith("/nothing"):
            return False
        if path.endswith("/busy"):
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
            return True
        connection.sendall(OK)
        return True

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def upstream() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


def _base(port: int) -> dict[str, Any]:
    document = base(port, 3)
    dead = {**document["services"][0], "id": "00000000-0000-4000-8000-000000000011", "name": "dead"}
    dead |= {"port": free_port(), "retries": 0}
    missing = {**document["routes"][1], "id": "00000000-0000-4000-8000-000000000012", "paths": ["/dead"]}
    missing |= {"service": {"id": dead["id"]}}
    document["services"].append(dead)
    document["routes"].append(missing)
    return document


def test_every_exchange_is_on_record_as_the_design_says(tmp_path: Path, upstream: Scripted) -> None:
    control = ControlStub(tmp_path / "control.sock", _base(upstream.port), tables())
    with GatewayProcess(tmp_path, workers=1) as gateway:
        gateway.ready()
        # A complete answer, whatever its status.
        assert gateway.get("/api/whole", apikey=KEY).status == 200
        assert gateway.get("/open/busy").status == 503
        # A kept connection that had closed: one event, two attempts.
        assert gateway.get("/open/once").status == 200
        # The upstream breaks off within its answer.
        with pytest.raises(Exception, match="5 bytes read"):
            gateway.get("/open/cut")
        # The client does.
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall(b"GET /open/drip HTTP/1.1\r\nHost: a\r\n\r\n")
            came = b""
            while not came.endswith(b"12345"):
                came += client.recv(4096)
        # The gateway's own answers: nothing of them is billed, and none is on record.
        own = {
            "/nowhere": 404,
            "/api/no-key": 401,
            "/dead/nobody": 502,
            "/open/nothing": 502,
        }
        for path, status in own.items():
            assert gateway.get(path).status == status, path
        assert gateway.get("/api/preflight", method="OPTIONS").status == 401
        for status in (200, 200, 429):
            assert gateway.get("/api/limited", apikey=KEY).status == status
        eventually(lambda: b"tollway_exchanges_in_flight 0" in gateway.status("/metrics").body)
        metrics = gateway.status("/metrics").body.decode()
        assert gateway.stop() == (0, "")
    control.close()
    found = [(e.path, e.status, e.completion, e.attempts, e.bytes_out, e.units) for e in events(tmp_path)]
    assert sorted(found) == [
        ("/api/limited", 200, "complete", 1, 2, 1),
        ("/api/limited", 200, "complete", 1, 2, 1),
        ("/api/whole", 200, "complete", 1, 2, 1),
        ("/open/busy", 503, "complete", 1, 4, 1),
        ("/open/cut", 200, "upstream_abort", 1, 5, 1),
        ("/open/drip", 200, "client_abort", 1, 5, 1),
        ("/open/once", 200, "complete", 2, 2, 1),
    ]
    for reason, count in {
        "no_route": 1,
        "no_key": 2,
        "rate_limited": 1,
        "upstream_invalid": 2,
    }.items():
        assert f'tollway_requests_answered_total{{reason="{reason}",' in metrics
        (line,) = [line for line in metrics.splitlines() if f'reason="{reason}"' in line]
        assert line.endswith(f" {count}"), line
