"""The real gateway in its own process, under a stub of control: what clients, upstreams and the log see."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.control_stub import ControlStub
from tests.support.gateway_process import PEPPER, Answer, GatewayProcess, eventually
from tollway import _native

SERVICE, ROUTE, OPEN_ROUTE, CONSUMER, KEY_ID, CUSTOMER, PHASE = (
    f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(1, 8)
)
KEY = "tollway_test_key"


class Upstream(ThreadingHTTPServer):
    """Answers with what it was asked; `/slow` takes half a second, `/drip` stops within its answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A gateway that goes away is the test's business."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(self.headers["X-Kong-Request-Id"])
        if self.path.endswith("/slow"):
            time.sleep(0.5)
        if self.path.endswith("/drip"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"12345")
            time.sleep(2)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"path": self.path, "headers": headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def plugin(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "00000000-0000-4000-8000-0000000000a" + str(len(name) % 10),
        "name": name,
        "enabled": True,
        "config": config,
        "route": {"id": ROUTE},
        "service": None,
        "consumer_group": None,
    }


def route(route_id: str, path: str) -> dict[str, Any]:
    return {
        "id": route_id,
        "name": None,
        "protocols": ["http"],
        "methods": None,
        "hosts": None,
        "paths": [path],
        "headers": None,
        "regex_priority": 0,
        "strip_path": True,
        "preserve_host": False,
        "path_handling": "v0",
        "https_redirect_status_code": 426,
        "request_buffering": True,
        "response_buffering": True,
        "service": {"id": SERVICE},
        "created_at": 1,
    }


def base(port: int, minute: int) -> dict[str, Any]:
    service = {
        "id": SERVICE,
        "name": "api",
        "protocol": "http",
        "host": "127.0.0.1",
        "port": port,
        "path": "/v1",
        "connect_timeout": 1000,
        "write_timeout": 5000,
        "read_timeout": 5000,
        "retries": 1,
        "enabled": True,
        "tags": None,
    }
    key_auth = {
        "key_names": ["apikey"],
        "hide_credentials": True,
        "anonymous": None,
        "key_in_header": True,
        "key_in_query": True,
        "key_in_body": False,
        "run_on_preflight": True,
        "realm": None,
    }
    rate_limiting = {
        **dict.fromkeys(("second", "hour", "day", "month", "year", "header_name", "path")),
        "minute": minute,
        "limit_by": "consumer",
        "policy": "local",
        "fault_tolerant": True,
        "hide_client_headers": False,
        "error_code": 429,
        "error_message": "API rate limit exceeded",
        "sync_rate": -1,
        "redis": {"host": None, "port": 6379},
    }
    return {
        "services": [service],
        "routes": [route(ROUTE, "/api"), route(OPEN_ROUTE, "/open")],
        "consumer_groups": [],
        "upstreams": [],
        "certificates": [],
        "ca_certificates": [],
        "offers": [],
        "portal_url": None,
        "plugins": [plugin("key-auth", key_auth), plugin("rate-limiting", rate_limiting)],
    }


def tables() -> dict[str, list[dict[str, Any]]]:
    consumer = {
        "id": CONSUMER,
        "username": "bob",
        "custom_id": "bob-1",
        "groups": [],
        "acls": [],
        "plugins": [],
        "customer": CUSTOMER,
        "phase": PHASE,
        "mode": "live",
    }
    return {"consumers": [consumer], "key_auth": [key(KEY)]}


def key(text: str) -> dict[str, Any]:
    digest = hmac.new(PEPPER, text.encode(), hashlib.sha256).hexdigest()
    return {"id": KEY_ID, "hash": digest, "consumer": CONSUMER}


@pytest.fixture
def control(tmp_path: Path, upstream: Upstream) -> Iterator[ControlStub]:
    stub = ControlStub(tmp_path / "control.sock", base(upstream.server_port, 1000), tables())
    yield stub
    stub.close()


def events(folder: Path) -> list[_native.LogEvent]:
    reader = _native.UsageReader(str(folder / "usage-log"))
    reader.recover()
    view = reader.view()
    end = [(shard.node, shard.epoch, shard.shard, shard.readable) for shard in view.shards]
    return list(reader.events([], end))


def test_route_to_upstream_and_back(tmp_path: Path, control: ControlStub, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path) as gateway:
        control.wait_heard(type="applied", version=1)
        answer = gateway.ready().get("/api/items?q=1", apikey=KEY, X_Consumer_Username="forged")
        assert answer.status == 200
        seen = answer.json()
        assert seen["path"] == "/v1/items?q=1"
        assert seen["headers"]["x-consumer-username"] == "bob"
        assert seen["headers"]["x-forwarded-path"] == "/api/items"
        assert seen["headers"]["x-forwarded-prefix"] == "/api"
        assert seen["headers"]["host"] == f"127.0.0.1:{upstream.server_port}"
        assert "apikey" not in seen["headers"]
        assert seen["headers"]["x-kong-request-id"] == answer.headers["x-kong-request-id"]
        assert answer.headers["x-ratelimit-remaining-minute"] == "999"
        assert {"via", "x-kong-proxy-latency", "x-kong-upstream-latency"} <= answer.headers.keys()
        assert gateway.stop() == (0, "")
        (event,) = events(tmp_path)
        assert event.request_id == answer.headers["x-kong-request-id"]
        assert (event.status, event.method, event.path) == (200, "GET", "/api/items")
        assert (event.bytes_out, event.attempts, event.completion) == (len(answer.body), 1, "complete")
        assert (event.customer, event.phase) == (UUID(CUSTOMER).bytes, UUID(PHASE).bytes)


def _is_error(answer: Answer, status: int, message: str) -> None:
    assert answer.status == status
    body = answer.json()
    # A refusal may say more than Kong's does: the plan, the limit, where to go.
    assert (body["message"], body["request_id"]) == (message, answer.headers["x-kong-request-id"])
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert "date" in answer.headers


def test_refusals_have_kongs_words_and_are_not_billed(tmp_path: Path, control: ControlStub) -> None:
    control.base["plugins"][1]["config"]["minute"] = 2
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        _is_error(gateway.get("/nowhere"), 404, "no Route matched with those values")
        unknown = gateway.get("/api")
        _is_error(unknown, 401, "No API key found in request")
        assert unknown.headers["www-authenticate"] == "Key"
        _is_error(gateway.get("/api", apikey="wrong"), 401, "Unauthorized")
        for _ in range(2):
            assert gateway.get("/api", apikey=KEY).status == 200
        limited = gateway.get("/api", apikey=KEY)
        _is_error(limited, 429, "API rate limit exceeded")
        assert limited.headers["x-ratelimit-remaining-minute"] == "0"
        assert 0 < int(limited.headers["retry-after"]) <= 60
        head = gateway.get("/nowhere", method="HEAD")
        assert (head.status, head.body) == (404, b"")
        metrics = gateway.status("/metrics").body.decode()
        assert 'tollway_requests_answered_total{reason="rate_limited",class="4xx"} 1' in metrics
        assert 'tollway_requests_forwarded_total{status="200",class="2xx"} 2' in metrics
        assert 'tollway_usage_events_total{completion="complete"} 2' in metrics
        assert gateway.stop() == (0, "")
    assert Counter(event.status for event in events(tmp_path)) == {200: 2}


def test_changes_are_live_at_once(tmp_path: Path, control: ControlStub) -> None:
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        assert gateway.get("/api", apikey="new").status == 401
        for text, status in (("new", 200), ("newer", 200)):
            began = time.monotonic()
            version = control.change(put={"key_auth": [key(text)]})
            control.wait_heard(type="applied", version=version)
            assert gateway.get("/api", apikey=text).status == status
            assert time.monotonic() - began < 1  # milliseconds, on a machine with nothing else to do
        version = control.change(delete={"key_auth": [key("new")["hash"]]})
        control.wait_heard(type="applied", version=version)
        assert gateway.get("/api", apikey="new").status == 401
        assert gateway.status("/readyz").status == 200


def test_bad_configuration_is_refused_and_the_old_one_serves(tmp_path: Path, control: ControlStub) -> None:
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        bad = json.loads(json.dumps(control.base))
        bad["routes"][0]["paths"] = ["~("]
        version = control.change(base=bad)
        refusal = control.wait_heard(type="rejected", version=version)
        assert refusal["location"].startswith("routes[0].paths[0]")
        assert refusal["fix"]
        assert gateway.get("/api", apikey=KEY).status == 200
        assert gateway.status("/readyz").status == 503
        assert b"tollway_config_rejected_total 1" in gateway.status("/metrics").body


def test_restart_without_control_serves_from_the_copy(tmp_path: Path, control: ControlStub) -> None:
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        version = control.change(put={"key_auth": [key("later")]})
        control.wait_heard(type="applied", version=version)
        gateway.process.kill()
    control.close()
    with GatewayProcess(tmp_path) as gateway:
        assert gateway.ready().get("/api", apikey="later").status == 200
        assert gateway.stop() == (0, "")
    with GatewayProcess(tmp_path, ready_needs_control=True) as gateway:
        eventually(lambda: gateway.get("/open").status == 200)
        answer = gateway.status("/readyz")
        assert (answer.status, answer.body) == (503, b"not ready: control was not reached yet\n")
        assert gateway.status("/livez").status == 200


@pytest.mark.parametrize("way", ["terminate", "interrupt", "ctrl-c", "orphaned"])
@pytest.mark.usefixtures("control")
def test_drain_loses_nothing(tmp_path: Path, upstream: Upstream, way: str) -> None:
    answers: list[Answer] = []
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        idle = socket.create_connection(("127.0.0.1", gateway.port))
        calls = [
            threading.Thread(target=lambda: answers.append(gateway.get("/open/slow"))) for _ in range(20)
        ]
        for call in calls:
            call.start()
        eventually(lambda: len(upstream.seen) == 20)
        if way == "orphaned":
            gateway.let_go()
        else:
            gateway.process.send_signal(signal.SIGTERM if way == "terminate" else signal.SIGINT)
        if way == "ctrl-c":  # the terminal's signal came by itself, and then the supervisor passes its own on
            time.sleep(0.05)
            gateway.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b"", "an idle connection is closed"
        idle.close()
        for call in calls:
            call.join()
        assert gateway.wait() == (0, "")
    assert [answer.status for answer in answers] == [200] * 20
    ids = sorted(event.request_id for event in events(tmp_path))
    assert ids == sorted(answer.headers["x-kong-request-id"] for answer in answers) == sorted(upstream.seen)


@pytest.mark.usefixtures("control")
def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        where = ("127.0.0.1", gateway.port)
        with socket.create_connection(where) as slow, socket.create_connection(where) as drip:
            for client, path in ((slow, b"slow"), (drip, b"drip")):
                client.sendall(b"GET /open/" + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            came = b""
            while not came.endswith(b"12345"):
                came += drip.recv(4096)
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            began = time.monotonic()
            assert gateway.stop() == (0, "")
            assert time.monotonic() - began < 1.5  # the upstream lets go of its answer after 2 s
    # Of the slow one nothing was answered; what was begun is on record, and not as whole.
    (event,) = events(tmp_path)
    assert (event.completion, event.bytes_out, event.path) == ("upstream_abort", 5, "/open/drip")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ('{"listeners": [{"fd": 3}], "colour": 1}', "option colour: unknown field"),
        ("{}", "missing field `listeners`"),
        ("[", "option .: "),
    ],
)
def test_bad_options_are_named(options: str, text: str) -> None:
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        _native.run_gateway(options.encode())


def test_a_descriptor_that_is_not_there_is_named(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, listeners=[{"fd": 250}]) as gateway:
        status, said = gateway.wait()
    assert status == 1
    assert said == "tollway gateway: option listeners: descriptor 250 is not open; pass it on\n"
