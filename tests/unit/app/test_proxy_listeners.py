"""Kong's `proxy_listen` syntax."""

from __future__ import annotations

import pytest

from tollway.app.proxy_listeners import ProxyListener, parse_proxy_listeners
from tollway.app.settings import Settings

pytestmark = pytest.mark.one_database


def test_addresses_and_flags_are_read_and_written_back() -> None:
    text = "0.0.0.0:8000, 0.0.0.0:8443 ssl http2, [::]:8000 proxy_protocol backlog=64"
    listeners = parse_proxy_listeners(text)
    assert listeners == (
        ProxyListener("0.0.0.0:8000"),
        ProxyListener("0.0.0.0:8443", tls=True, http2=True),
        ProxyListener("[::]:8000", proxy_protocol=True, backlog=64),
    )
    assert ", ".join(map(str, listeners)) == text


def test_what_kongs_own_default_says_is_understood() -> None:
    (listener,) = parse_proxy_listeners("0.0.0.0:8443 http2 ssl reuseport backlog=16384")
    assert (listener.tls, listener.http2, listener.backlog) == (True, True, 16384)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "write host:port"),
        ("0.0.0.0:8000,", "write host:port"),
        ("::1:8000", "write host:port"),
        ("0.0.0.0:8000 tls", "no flag 'tls'"),
        ("0.0.0.0:8000 backlog=many", "no flag 'backlog=many'"),
        ("127.0.0.1:1, 127.0.0.1:1 ssl", "an address twice"),
    ],
)
def test_what_cannot_be_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_proxy_listeners(text)


def test_callers_on_this_machine_take_the_plainest_listener() -> None:
    settings = Settings(
        proxy_listen="127.0.0.1:1 ssl, 127.0.0.1:2 proxy_protocol, 127.0.0.1:3",
        proxy_tls_listen="127.0.0.1:4",
    )
    assert [listener.port for listener in settings.proxy_listeners] == [3, 2, 1, 4]
    assert settings.proxy_listeners[-1] == ProxyListener("127.0.0.1:4", tls=True, http2=True)


def test_a_port_can_be_had_in_both_families() -> None:
    (four,) = (listener.open() for listener in parse_proxy_listeners("127.0.0.1:0"))
    with four.socket:
        (six,) = (listener.open() for listener in parse_proxy_listeners(f"[::]:{four.listener.port}"))
        with six.socket:
            assert six.listener.port == four.listener.port
            assert six.public_address == f"localhost:{four.listener.port}"
            flags = {"tls": False, "http2": False, "proxy_protocol": False}
            assert six.option() == {"fd": six.socket.fileno(), **flags}
