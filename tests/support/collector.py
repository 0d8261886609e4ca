"""A collector of traces: what comes is read by OpenTelemetry's own messages, which are strict."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collector", "attributes"]


class Collector(ThreadingHTTPServer):
    """Takes spans at any path, after it has answered with `refusals`."""

    daemon_threads = True

    def __init__(self, *refusals: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.refusals = list(refusals)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Span] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def take(self, text: str) -> None:
        self.texts.append(text)
        document = json.loads(text)
        for resource in document["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    # OTLP's JSON has ids in hex, where protobuf's has bytes in base64.
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in span:
                            span[name] = _base64(span[name])
        message = json_format.ParseDict(document, ExportTraceServiceRequest())
        for told in message.resource_spans:
            self.resources.append(attributes(told.resource))
            for group in told.scope_spans:
                self.spans.extend(group.spans)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.refusals.pop(0) if self.server.refusals else 200
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if status == 200:
            self.server.take(body.decode())
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def attributes(message: Any) -> dict[str, Any]:
    """Return a message's attributes by name."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in message.attributes}


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()
