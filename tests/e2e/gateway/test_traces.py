"""Traces of a real gateway: what upstreams are told, and what OpenTelemetry's messages make of its spans."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.gateway.test_gateway_process import KEY, Upstream, control
from tests.support.certificates import make
from tests.support.collector import Collector, attributes
from tests.support.gateway_process import GatewayProcess, eventually

__all__ = ["control"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector(503, 429)
    yield server
    server.shutdown()
    server.server_close()


def _gateway(
    folder: Path, endpoint: str, environment: dict[str, str] | None = None, **options: Any
) -> GatewayProcess:
    tracing = {
        "endpoint": endpoint,
        "headers": [["x-collector-key", "K3Y"]],
        "service_name": "shop",
        "version": "1.2.3",
        "sample_per_million": 1_000_000,
        "continue": "trusted",
        **options,
    }
    trust = {"ips": ["127.0.0.1/32"], "real_ip_header": "X-Real-IP", "real_ip_recursive": False}
    return GatewayProcess(folder, environment=environment, tracing=tracing, trust=trust)


@pytest.mark.usefixtures("control")
def test_an_exchange_is_two_spans(tmp_path: Path, collector: Collector, upstream: Upstream) -> None:
    with _gateway(tmp_path, collector.endpoint) as gateway:
        gateway.ready()
        asked = gateway.get(
            f"/api/items?apikey={KEY}&q=1", traceparent=PARENT, tracestate="a=1", user_agent="test"
        )
        told = asked.json()["headers"]
        fresh = gateway.get("/open/x", traceparent=PARENT.upper(), tracestate="a=1")
        replaced = fresh.json()["headers"]
        assert gateway.get("/nowhere").status == 404
        eventually(lambda: len(collector.spans) == 5, 20)
        figures = gateway.status("/metrics").body.decode()
        assert gateway.stop() == (0, "")
    assert "tollway_spans_exported_total 5" in figures
    assert "tollway_spans_dropped_total 0" in figures
    path, headers = collector.requests[0]
    assert (path, headers["x-collector-key"], headers["content-type"]) == (
        "/v1/traces",
        "K3Y",
        "application/json",
    )
    assert len(collector.requests) > 2, "it was asked again after 503 and 429"
    assert collector.resources[0] == {"service.name": "shop", "service.version": "1.2.3"}
    assert not any(KEY in text for text in collector.texts)

    by_parent = {(span.trace_id.hex(), span.parent_span_id.hex()): span for span in collector.spans}
    server = by_parent[TRACE, CALLER]
    client = by_parent[TRACE, server.span_id.hex()]
    assert told["traceparent"] == f"00-{TRACE}-{client.span_id.hex()}-01"
    assert told["tracestate"] == "a=1"
    assert (server.kind, client.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert server.start_time_unix_nano <= client.start_time_unix_nano
    assert client.end_time_unix_nano <= server.end_time_unix_nano
    said = attributes(server)
    assert (said["http.request.method"], said["url.path"], said["url.scheme"]) == (
        "GET",
        "/api/items",
        "http",
    )
    assert (said["url.query"], said["user_agent.original"]) == ("apikey=***&q=1", "test")
    assert (said["http.response.status_code"], said["client.address"]) == (200, "127.0.0.1")
    assert said["tollway.request_id"] == asked.headers["x-kong-request-id"]
    said = attributes(client)
    assert said["url.full"] == f"http://127.0.0.1:{upstream.server_port}/v1/items"
    assert (said["server.address"], said["server.port"]) == ("127.0.0.1", upstream.server_port)
    assert (said["http.response.status_code"], said["network.peer.port"]) == (200, upstream.server_port)

    # What is no traceparent begins a trace, whose id is the request's.
    _, trace, span, flags = replaced["traceparent"].split("-")
    assert (trace, flags) == (fresh.headers["x-kong-request-id"], "01")
    assert "tracestate" not in replaced
    assert span in {span.span_id.hex() for span in collector.spans if span.trace_id.hex() == trace}
    (nowhere,) = (
        span for span in collector.spans if attributes(span).get("http.response.status_code") == 404
    )
    assert nowhere.status.code == Status.STATUS_CODE_UNSET, (
        "a client's fault is no error of the server's span"
    )


@pytest.mark.usefixtures("control")
def test_a_stranger_cannot_have_its_trace_recorded(tmp_path: Path, collector: Collector) -> None:
    with _gateway(tmp_path, collector.endpoint, sample_per_million=0, **{"continue": "never"}) as gateway:
        told = gateway.ready().get("/open/x", traceparent=PARENT).json()["headers"]
        assert TRACE not in told["traceparent"]
        assert told["traceparent"].endswith("-00")
        assert gateway.stop() == (0, "")
    assert collector.requests == []


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("trusted", ["localhost", "other.example"])
def test_a_collector_over_tls_has_to_prove_its_name(tmp_path: Path, trusted: str) -> None:
    made = make("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(made.cert)
    key.write_text(made.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    server = Collector(tls=tls)
    believed = tmp_path / "believed.pem"
    believed.write_text(make(trusted).cert)
    endpoint = f"https://localhost:{server.server_port}/"
    with _gateway(tmp_path, endpoint, {"SSL_CERT_FILE": str(believed)}) as gateway:
        assert gateway.ready().get("/open/x").status == 200
        assert gateway.stop()[0] == 0
    server.shutdown()
    server.server_close()
    assert len(server.spans) == (2 if trusted == "localhost" else 0)


@pytest.mark.usefixtures("control")
def test_without_tracing_the_headers_pass_untouched(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        told = gateway.ready().get("/open/x", traceparent="what-ever", tracestate="a=1").json()["headers"]
    assert (told["traceparent"], told["tracestate"]) == ("what-ever", "a=1")


@pytest.mark.usefixtures("control")
def test_a_collector_that_is_not_there_is_nobodys_problem(tmp_path: Path) -> None:
    with _gateway(tmp_path, "http://127.0.0.1:9/") as gateway:
        gateway.ready()
        assert gateway.get("/open/x").status == 200
        status, _ = gateway.stop()
    assert status == 0
    with _gateway(tmp_path, "http://u:S3CRET@a/") as gateway:
        status, said = gateway.wait()
    assert status != 0
    assert "option tracing.endpoint: user names" in said
    assert "S3CRET" not in said
