"""HTTP/1 by curl, and what the gateway's options say of bodies and proxies, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.gateway.test_gateway_process import base, events, tables
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess

SIZE = 3 << 20


class _Echo(BaseHTTPRequestHandler):
    """Tells what it was sent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(0)

    def do_HEAD(self) -> None:
        self._answer(0)

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        received = len(self.rfile.read(length))
        if self.headers["Transfer-Encoding"]:
            while size := int(self.rfile.readline(), 16):
                received += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        self._answer(received)

    def _answer(self, received: int) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"received": received, "headers": headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlStub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    stub = ControlStub(tmp_path / "control.sock", base(server.server_port, 1000), tables())
    yield stub
    stub.close()
    server.shutdown()
    server.server_close()


def _curl(gateway: GatewayProcess, *options: str | Path) -> str:
    command = ["curl", "-sS", "--max-time", "20", *options, f"http://127.0.0.1:{gateway.port}/open/x"]
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode()


@pytest.mark.usefixtures("control")
def test_curl_sends_bodies_in_every_way_it_knows(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"x" * SIZE)
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        for options in (
            ("-T", file),  # curl waits for 100 Continue
            ("-T", file, "-H", "Expect:"),
            ("-T", file, "-H", "Transfer-Encoding: chunked"),
            ("-T", file, "--http1.0", "-H", "Expect:"),
        ):
            told = json.loads(_curl(gateway, *options))
            assert told["received"] == SIZE, options
            assert "expect" not in told["headers"], options
        head = _curl(gateway, "-I")
        assert head.startswith("HTTP/1.1 200 OK")
        assert "content-length: " in head.lower()
        assert _curl(gateway, "-H", "Expect: a-miracle", "-w", "%{http_code}").endswith("417")
        assert gateway.stop() == (0, "")
    bodies = [event.bytes_in for event in events(tmp_path)]
    assert sorted(bodies) == [0, SIZE, SIZE, SIZE, SIZE]


@pytest.mark.usefixtures("control")
def test_a_body_beyond_the_option_is_413(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"x" * SIZE)
    with GatewayProcess(tmp_path, limits={"body_bytes": SIZE - 1}) as gateway:
        gateway.ready()
        for options in (("-T", file), ("-T", file, "-H", "Transfer-Encoding: chunked")):
            said = _curl(gateway, *options, "-w", "%{http_code}")
            assert said.endswith("413"), said
        assert gateway.stop() == (0, "")
    assert events(tmp_path) == []


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("ips", [["127.0.0.0/8"], []], ids=["trusted", "anybody"])
def test_a_proxy_in_front_is_believed_if_it_is_trusted(tmp_path: Path, ips: list[str]) -> None:
    trust = {"ips": ips, "real_ip_header": "X-Forwarded-For", "real_ip_recursive": True}
    said = ("-H", "X-Forwarded-For: 203.0.113.9, 198.51.100.1", "-H", "X-Forwarded-Proto: https")
    with GatewayProcess(tmp_path, trust=trust) as gateway:
        headers = json.loads(_curl(gateway.ready(), *said))["headers"]
        assert gateway.stop() == (0, "")
    seen = {name: headers[name] for name in ("x-real-ip", "x-forwarded-for", "x-forwarded-proto")}
    assert seen == (
        {
            "x-real-ip": "198.51.100.1",
            "x-forwarded-for": "203.0.113.9, 198.51.100.1, 127.0.0.1",
            "x-forwarded-proto": "https",
        }
        if ips
        else {"x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"}
    )
