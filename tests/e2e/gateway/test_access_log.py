"""The access log of a real gateway: a line for every exchange, no secret in any, and who else reads it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.gateway.test_gateway_process import KEY, control
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually
from tollway.metering.access_log.tally import ConsumerField, tally_log

__all__ = ["control"]

GROUP = "00000000-0000-4000-8000-0000000000e1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
NESTED = "/api/x;apikey=S3CRET?next=http%3A%2F%2Fx%3Fapikey%3DS3CRET&apikey=S3CRET"
# In one piece: the upstream doesn't wait for the body, and its answer could come before it.
WITH_BODY = (
    b'GET /api/items HTTP/1.1\r\nHost: a\r\nUser-Agent: a"b\r\n'
    b"apikey: %s\r\nContent-Length: 5\r\n\r\n12345" % KEY.encode()
)
ABSOLUTE = b"GET http://api.example/open?apikey=S3CRET HTTP/1.1\r\nHost: a\r\n\r\n"


def _gateway(folder: Path, form: str) -> GatewayProcess:
    log = {"path": str(folder / "access.log"), "format": form, "secret_parameters": ["voucher"]}
    return GatewayProcess(folder, access_log=log)


def _raw(gateway: GatewayProcess, request: bytes, until: bytes) -> None:
    """Ask, and leave as soon as this was said."""
    said = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(request)
        while until not in said:
            piece = client.recv(65536)
            assert piece, said
            said += piece


def _traffic(gateway: GatewayProcess) -> None:
    """Eight exchanges that end in as many ways."""
    gateway.ready()
    target = f"/api/items?%61pikey={KEY}&voucher=S3CRET&q=1"
    assert gateway.get(target, traceparent=PARENT).status == 200
    assert gateway.get(NESTED).status == 401
    assert gateway.get("/nowhere?token=S3CRET", method="HEAD").status == 404
    _raw(gateway, b"GET / S3CRET\r\n\r\n", until=b"HTTP/1.1 400 ")
    _raw(gateway, ABSOLUTE, until=b"HTTP/1.1 200 ")
    _raw(gateway, b"GET /open/drip HTTP/1.1\r\nHost: a\r\n\r\n", until=b"12345")
    # The upstream leaves the body where the next request would be: nothing more goes there.
    _raw(gateway, WITH_BODY, until=b"HTTP/1.1 200 ")
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary("/echo.Echo/Unary")(b"", timeout=20)


def _lines(folder: Path) -> list[str]:
    text = (folder / "access.log").read_text()
    assert KEY not in text
    assert "S3CRET" not in text
    return text.splitlines()


def test_every_exchange_has_a_line(tmp_path: Path, control: ControlStub) -> None:
    control.base["consumer_groups"] = [{"id": GROUP, "name": "pro"}]
    control.tables["consumers"][0]["groups"] = [GROUP]
    with _gateway(tmp_path, "json") as gateway:
        _traffic(gateway)
        eventually(lambda: len(_lines(tmp_path)) == 8)
        figures = gateway.status("/metrics").body.decode()
        assert gateway.stop() == (0, "")
    assert "tollway_access_log_lines_total 8" in figures
    assert "tollway_access_log_dropped_total 0" in figures
    lines: list[dict[str, Any]] = [json.loads(line) for line in _lines(tmp_path)]
    asked, refused, nowhere, bad, absolute, broken, with_body, call = sorted(
        lines, key=lambda line: line["time"]
    )
    assert asked["remote_addr"] == "127.0.0.1"
    assert (asked["path"], asked["query"]) == ("/api/items", "%61pikey=***&voucher=***&q=1")
    assert (asked["remote_user"], asked["consumer_groups"], asked["service"]) == ("bob", ["pro"], "api")
    assert (asked["status"], asked["ended"], asked["attempts"]) == (200, "complete", 1)
    assert asked["upstream_addr"].startswith("127.0.0.1:")
    assert asked["duration_ms"] >= asked["upstream_ms"] + asked["gateway_ms"]
    assert asked["bytes_out"] > 100
    assert asked["trace_id"] == TRACE
    assert (with_body["bytes_in"], with_body["user_agent"]) == (5, 'a"b')
    assert (refused["status"], refused["reason"]) == (401, "unknown_key")
    assert refused["path"] == "/api/x;apikey=***"
    assert refused["query"] == "next=http%3A%2F%2Fx%3Fapikey%3D***&apikey=***"
    assert (nowhere["request_method"], nowhere["status"], nowhere["bytes_out"]) == ("HEAD", 404, 0)
    assert (bad["status"], bad["reason"], bad["remote_addr"]) == (400, "bad_request", "127.0.0.1")
    assert (absolute["path"], absolute["query"]) == ("/open", "apikey=***")
    assert (broken["ended"], broken["status"], broken["bytes_out"]) == ("client_abort", 200, 5)
    assert (call["protocol"], call["status"], call["grpc_status"]) == ("HTTP/2.0", 200, 5)


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("form", ["json", "combined"])
def test_a_price_can_be_put_on_it(tmp_path: Path, form: str) -> None:
    with _gateway(tmp_path, form) as gateway:
        _traffic(gateway)
        assert gateway.stop() == (0, "")
    assert len(_lines(tmp_path)) == 8
    tally = tally_log(tmp_path / "access.log", ConsumerField.REMOTE_USER)
    assert (tally.lines_read, tally.lines_rejected) == (8, 0)


def test_a_log_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    log = {"path": "/nowhere/access.log", "format": "json"}
    with GatewayProcess(tmp_path, access_log=log) as gateway:
        status, said = gateway.wait()
    assert status != 0
    assert "option access_log.path: /nowhere/access.log can't be written" in said
