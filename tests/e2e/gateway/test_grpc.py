"""gRPC by a client and a server that nobody here wrote, with the real gateway between them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.e2e.gateway.test_gateway_process import (
    CONSUMER,
    KEY,
    OPEN_ROUTE,
    ROUTE,
    base,
    events,
    route,
    tables,
)
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually
from tollway.app.default_certificate import default_certificate

LARGE = bytes(range(256)) * 4096 * 3  # three MiB: many windows
ACCEPT = {"grpc.max_receive_message_length": len(LARGE) * 2, "grpc.max_send_message_length": len(LARGE) * 2}


class Echo(grpc.GenericRpcHandler):
    """Every kind of method, of messages that are plain bytes."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        kinds: dict[str, grpc.RpcMethodHandler] = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Repeat": grpc.unary_stream_rpc_method_handler(self.repeat),
            "Gather": grpc.stream_unary_rpc_method_handler(lambda sent, _: b"".join(sent)),
            "Chat": grpc.stream_stream_rpc_method_handler(lambda sent, _: sent),
        }
        return kinds.get(handler_call_details.method.rpartition("/")[2])

    def unary(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        if message == b"refuse":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "50 % für alle")
        if message == b"sleep":
            context.add_callback(self.cancelled.set)
            self.cancelled.wait(20)
        sent = dict(context.invocation_metadata())
        context.send_initial_metadata(
            (("x-seen", str(sent.get("x-note"))), ("x-key", str(sent.get("apikey"))))
        )
        context.set_trailing_metadata((("x-bytes-bin", bytes(range(256))),))
        return message

    def repeat(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        times, _, pause = message.partition(b" ")
        for number in range(int(times)):
            yield b"%d" % number
            if pause:
                self.cancelled.wait(float(pause))


@contextmanager
def called(folder: Path, *, tls: bool = False) -> Iterator[tuple[Echo, grpc.Channel, GatewayProcess]]:
    """Serve gRPC behind a gateway: `/keyed.Echo` with keys and a limit, `/echo.Echo` without."""
    echo = Echo()
    server = grpc.server(ThreadPoolExecutor(8), [echo], options=list(ACCEPT.items()))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    configuration = base(port, 3)
    configuration["services"][0] |= {"protocol": "grpc", "path": None}
    configuration["routes"] = [
        route(identity, path) | {"protocols": ["grpc", "grpcs"], "strip_path": False}
        for identity, path in ((ROUTE, "/keyed.Echo"), (OPEN_ROUTE, "/echo.Echo"))
    ]
    control = ControlStub(folder / "control.sock", configuration, tables())
    try:
        with (
            GatewayProcess(folder, tls=tls) as gateway,
            _channel(folder, gateway.ready().port, tls=tls) as channel,
        ):
            yield echo, channel, gateway
    finally:
        control.close()
        server.stop(None).wait()


def _channel(folder: Path, port: int, *, tls: bool) -> grpc.Channel:
    address, options = f"127.0.0.1:{port}", list(ACCEPT.items())
    if not tls:
        return grpc.insecure_channel(address, options)
    # The gateway's own certificate, verified as the authority that it is for itself.
    credentials = grpc.ssl_channel_credentials(default_certificate(folder).cert.encode())
    name = ("grpc.ssl_target_name_override", "localhost")
    return grpc.secure_channel(address, credentials, [*options, name])


def _finished(folder: Path, gateway: GatewayProcess) -> Counter[tuple[int | None, str]]:
    """Wait until all was billed; returns how often a call ended how."""
    eventually(lambda: b"tollway_exchanges_in_flight 0" in gateway.status("/metrics").body)
    assert gateway.stop() == (0, "")
    return Counter((event.grpc_status, event.completion) for event in events(folder) if event.last)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_every_kind_of_call_passes_and_is_billed_once(tmp_path: Path, *, tls: bool) -> None:
    with called(tmp_path, tls=tls) as (_, channel, gateway):
        metadata = (("x-note", "hello"), ("apikey", KEY))
        answer, call = channel.unary_unary("/keyed.Echo/Unary").with_call(b"", metadata=metadata, timeout=20)
        assert answer == b""
        seen = dict(call.initial_metadata())
        assert (seen["x-seen"], seen["x-key"]) == ("hello", "None"), "the key stays with the gateway"
        assert seen["x-ratelimit-remaining-minute"] == "2"
        assert dict(call.trailing_metadata())["x-bytes-bin"] == bytes(range(256))
        assert channel.unary_unary("/echo.Echo/Unary")(LARGE, timeout=20) == LARGE
        assert list(channel.unary_stream("/echo.Echo/Repeat")(b"1000", timeout=20)) == [
            b"%d" % number for number in range(1000)
        ]
        pieces = [b"a" * 1000] * 500
        assert channel.stream_unary("/echo.Echo/Gather")(iter(pieces), timeout=20) == b"".join(pieces)
        _chat(channel)
        ended = _finished(tmp_path, gateway)
    assert ended == {(0, "complete"): 5}
    first = events(tmp_path)[0]
    assert (first.consumer, first.status, first.units) == (bytes.fromhex(CONSUMER.replace("-", "")), 200, 1)


def _chat(channel: grpc.Channel) -> None:
    """Say the next thing only when the one before was answered."""
    answered = threading.Semaphore()

    def say() -> Iterator[bytes]:
        for number in range(100):
            assert answered.acquire(timeout=20)
            yield b"%d" % number

    got = []
    for answer in channel.stream_stream("/echo.Echo/Chat")(say(), timeout=20):
        got.append(answer)
        answered.release()
    assert got == [b"%d" % number for number in range(100)]


def test_a_failed_call_is_told_in_the_upstreams_words_and_not_billed(tmp_path: Path) -> None:
    with called(tmp_path) as (_, channel, gateway):
        refusal = _refusal(lambda: channel.unary_unary("/echo.Echo/Unary")(b"refuse", timeout=20))
        assert refusal == (grpc.StatusCode.FAILED_PRECONDITION, "50 % für alle")
        # What the server doesn't know it refuses with a head that is trailers, too.
        code, _ = _refusal(lambda: channel.unary_unary("/echo.Echo/Nothing")(b"", timeout=20))
        assert code is grpc.StatusCode.UNIMPLEMENTED
        ended = _finished(tmp_path, gateway)
    assert ended == {(9, "complete"): 1, (12, "complete"): 1}


def test_a_deadline_ends_the_call_at_both_ends(tmp_path: Path) -> None:
    with called(tmp_path) as (echo, channel, gateway):
        code, _ = _refusal(lambda: channel.unary_unary("/echo.Echo/Unary")(b"sleep", timeout=0.3))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert echo.cancelled.wait(20)
        echo.cancelled.clear()
        stream = channel.unary_stream("/echo.Echo/Repeat")(b"100 0.5", timeout=20)
        assert next(stream) == b"0"
        stream.cancel()
        assert echo.cancelled.wait(20)
        ended = _finished(tmp_path, gateway)
    # The server knows the deadline too. Where the client was first there is no answer, and nothing to note;
    # else the server has said it, whether or not the client was still there.
    told = {
        how: count for how, count in ended.items() if how[0] != grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    }
    assert told == {(None, "client_abort"): 1}


def test_the_gateways_refusals_are_a_calls(tmp_path: Path) -> None:
    with called(tmp_path) as (_, channel, gateway):
        unary = channel.unary_unary("/keyed.Echo/Unary")
        good = (("apikey", KEY),)
        assert _refusal(lambda: unary(b"", timeout=20)) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "No API key found in request",
        )
        assert _refusal(lambda: unary(b"", metadata=(("apikey", "wrong"),), timeout=20)) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "Unauthorized",
        )
        assert _refusal(lambda: channel.unary_unary("/other.Service/Unary")(b"", timeout=20)) == (
            grpc.StatusCode.NOT_FOUND,
            "no Route matched with those values",
        )
        if 60 - time.time() % 60 < 5:
            time.sleep(5)  # the limit is that of one minute
        for _ in range(3):
            assert unary(b"m", metadata=good, timeout=20) == b"m"
        assert _refusal(lambda: unary(b"", metadata=good, timeout=20)) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "API rate limit exceeded",
        )
        assert gateway.get("/keyed.Echo/Unary").status == 415
        ended = _finished(tmp_path, gateway)
    assert ended == {(0, "complete"): 3}


def _refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error = raised.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details()
