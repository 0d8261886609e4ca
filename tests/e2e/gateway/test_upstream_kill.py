"""A target is killed under load: what fails was on its way to it, and nothing else does."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.gateway.test_gateway_process import OPEN_ROUTE, control
from tests.e2e.gateway.test_metrics import Figures
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually
from tests.support.ports import free_port

__all__ = ["control"]

UPSTREAM = "00000000-0000-4000-8000-0000000000c0"
# Answers every request with its port, after a little work.
TARGET = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(0.01)
        self.send_response(200)
        self.send_header("Content-Length", str(len(sys.argv[1])))
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    do_POST = do_GET

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Asked(NamedTuple):
    """One request: when it began, by which method, and what came of it."""

    began: float
    method: str
    status: int
    body: str


def _start(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", TARGET, str(port)])


def _pool(ports: list[int]) -> dict[str, Any]:
    """Kong's defaults: no health checks at all."""
    unhealthy = {"http_statuses": [503], "tcp_failures": 0, "timeouts": 0, "http_failures": 0}
    names = ("header", "query_arg", "uri_capture")
    return {
        "id": UPSTREAM,
        "name": "pool",
        "algorithm": "round-robin",
        "hash_on": "none",
        "hash_fallback": "none",
        **{f"hash_{place}_{name}": None for place in ("on", "fallback") for name in names},
        "hash_on_cookie": None,
        "hash_on_cookie_path": "/",
        "slots": 100,
        "host_header": None,
        "client_certificate": None,
        "use_srv_name": False,
        "healthchecks": {
            "threshold": 0,
            "active": {
                "type": "tcp",
                "timeout": 1,
                "concurrency": 10,
                "http_path": "/",
                "https_sni": None,
                "https_verify_certificate": True,
                "headers": None,
                "healthy": {"interval": 0, "http_statuses": [200], "successes": 0},
                "unhealthy": {"interval": 0, **unhealthy},
            },
            "passive": {
                "type": "tcp",
                "healthy": {"http_statuses": [200], "successes": 0},
                "unhealthy": unhealthy,
            },
        },
        "tags": None,
        "targets": [
            {"id": f"{UPSTREAM[:-1]}{place}", "target": f"127.0.0.1:{port}", "weight": 100, "tags": None}
            for place, port in enumerate(ports, 1)
        ],
    }


class Load:
    """Clients that ask one request after the other until they are stopped."""

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        self._port = port
        self._stop = threading.Event()
        methods = ["GET", "POST"] * 3
        self._threads = [threading.Thread(target=self._ask, args=(method,)) for method in methods]
        for thread in self._threads:
            thread.start()

    def _ask(self, method: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            began = time.monotonic()
            connection.request(method, "/open", body=b"x" if method == "POST" else None)
            answer = connection.getresponse()
            self.asked.append(Asked(began, method, answer.status, answer.read().decode()))
        connection.close()

    def served_by(self, since: float) -> set[str]:
        return {asked.body for asked in self.asked if asked.began > since and asked.status == 200}

    def stop(self) -> list[Asked]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.asked


def test_only_what_was_on_its_way_to_a_killed_target_fails(tmp_path: Path, control: ControlStub) -> None:
    ports = [free_port() for _ in range(3)]
    targets = [_start(port) for port in ports]
    control.base["upstreams"] = [_pool(ports)]
    service = control.base["services"][0]
    service["host"] = "pool"
    assert any(route["id"] == OPEN_ROUTE for route in control.base["routes"])
    try:
        with GatewayProcess(tmp_path) as gateway:
            gateway.ready()
            eventually(lambda: {gateway.get("/open").body.decode() for _ in range(3)} == set(map(str, ports)))
            load = Load(gateway.port)
            try:
                eventually(lambda: len(load.served_by(0)) == 3)
                targets[0].kill()
                targets[0].wait()
                killed = time.monotonic()
                eventually(lambda: len([asked for asked in load.asked if asked.began > killed]) > 100)
                targets[0] = _start(ports[0])
                eventually(lambda: str(ports[0]) in load.served_by(killed))
            finally:
                asked = load.stop()
            failed = [one for one in asked if one.status != 200]
            # A GET is sent once more elsewhere; each of the POSTs may have been at the target when it died.
            assert all(one.method == "POST" and one.status == 502 for one in failed), failed
            assert len(failed) <= 3, failed
            assert all(one.began < killed + 0.1 for one in failed), (killed, failed)
            name = "tollway_upstream_target_requests_total"
            assert Figures(gateway).labels(name, "target") == {f"127.0.0.1:{port}" for port in ports}
    finally:
        for target in targets:
            target.kill()
            target.wait()
