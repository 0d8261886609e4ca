"""Stripe's wire: requests as Stripe reads them, idempotency keys, and connections that break.

What answers is a subclass: our own fake, or a shim before an emulator. Cards that break the connection do so
here, so that they do it in either.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Check", "Refusal", "StripeServer", "Thing", "page"]

_DAY = 24 * 3600
Check = Callable[[str, str, bytes], None]
Thing = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, type_: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": type_, "message": message, **fields}}


class _Silence(Exception):
    """No answer: the connection is closed."""


class StripeServer:
    """A server while `running`. `check` sees every request that comes in, before it is answered."""

    WEBHOOK_SECRET = "whsec_of_the_fake"
    KEY = "sk_test_of_the_fake"

    def __init__(self, check: Check | None = None) -> None:
        self.requests: list[tuple[str, str]] = []
        self.ahead = timedelta(0)
        self.fail_next: str | None = None
        """The connection breaks at the next request that makes something at a path that matches this."""
        self.lose: str | None = None
        """Requests that make something at a path that matches this are carried out and not answered."""
        self.down = False
        """No request is answered."""
        self.arrived: Callable[[str], None] = lambda _path: None
        """Called when a request that makes something has arrived, before it is answered; with its path."""
        self.lock = threading.RLock()
        self.url = ""
        self._answers: dict[str, tuple[float, str, int, Thing]] = {}
        self._tried: set[str] = set()
        self._check = check

    def route(self, method: str, path: str, data: Thing) -> Thing:
        """Answer a request; raises `Refusal`."""
        raise NotImplementedError

    def behaviour(self, data: Thing) -> str | None:
        """Return how the card behaves that a request is about."""
        raise NotImplementedError

    def now(self) -> float:
        """Stripe's clock: ours, or `ahead` of it."""
        return time.time() + self.ahead.total_seconds()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve on a free port of loopback."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Thing]:
        """Answer one request."""
        if self.down:
            raise _Silence
        parts = urlsplit(target)
        if self._check is not None:
            self._check(method, target, body)
        with self.lock:
            self.requests.append((method, parts.path))
            if headers.get("authorization") != f"Bearer {self.KEY}":
                raise Refusal(401, "invalid_request_error", "Invalid API Key provided: sk_test_****fake")
            data = _tree(parse_qsl((body or parts.query.encode()).decode(), keep_blank_values=True))
            if method != "POST":
                return 200, self.route(method, parts.path, data)
            self.arrived(parts.path)
            return self._once(parts.path, data, headers["idempotency-key"], body)

    def _once(self, path: str, data: Thing, key: str, body: bytes) -> tuple[int, Thing]:
        sent = f"{path} {body.decode()}"
        known = self._answers.get(key)
        if known is not None and self.now() - known[0] < _DAY:
            if known[1] != sent:
                raise Refusal(
                    400,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same parameters",
                )
            return known[2], known[3]
        try:
            silent = self._disturbed(path, data, key)
            answer = 200, json.loads(json.dumps(self.route("POST", path, data)))
        except Refusal as refusal:
            if refusal.status == 429:
                raise
            # As Stripe does: an answer of 500 is kept under the key as any other is.
            silent, answer = False, (refusal.status, refusal.body)
        self._answers[key] = (self.now(), sent, *answer)
        if silent:
            raise _Silence
        return answer

    def _disturbed(self, path: str, data: Thing, key: str) -> bool:
        """Do what the card does to the connection; True if there is to be no answer."""
        behaviour = self.behaviour(data)
        if self.fail_next is not None and re.search(self.fail_next, path):
            self.fail_next = None
            raise _Silence
        if behaviour == "timeout_after" or (self.lose is not None and re.search(self.lose, path)):
            return True
        if behaviour in {"timeout_before", "busy", "breaks"} and key not in self._tried:
            self._tried.add(key)
            if behaviour == "busy":
                raise Refusal(429, "invalid_request_error", "Too many requests", code="rate_limit")
            if behaviour == "breaks":
                raise Refusal(500, "api_error", "Something went wrong")
            raise _Silence
        return False


def page(found: list[Thing], data: Thing, url: str) -> Thing:
    """Part of a list, the newest first; two at a time, so that whoever asks has to turn the page."""
    newest = found[::-1]
    after = data.get("starting_after")
    if after is not None:
        newest = newest[[one["id"] for one in newest].index(after) + 1 :]
    limit = min(int(data.get("limit", 10)), 2)
    return {"object": "list", "url": url, "has_more": len(newest) > limit, "data": newest[:limit]}


def _tree(pairs: list[tuple[str, str]]) -> Thing:
    """Read `a[b][0]=c` as `{"a": {"b": ["c"]}}`."""
    tree: Thing = {}
    for name, value in pairs:
        steps = re.findall(r"[^\[\]]+", name)
        here = tree
        for step in steps[:-1]:
            here = here.setdefault(step, {})
        here[steps[-1]] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    return list(inner.values()) if all(name.isdigit() for name in inner) else inner


def _handler(server: StripeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, answer = server.handle(self.command, self.path, headers, body)
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
            except _Silence:
                self.close_connection = True
                return
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
