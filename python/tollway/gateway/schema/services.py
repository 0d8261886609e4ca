"""The schema of a service, an upstream API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tollway.gateway.schema import checks, common
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.fields import Array, Boolean, Foreign, Integer, Record, Shorthand, String
from tollway.gateway.schema.violation import Violation

__all__ = ["SERVICES"]

_TLS = ("https", "grpcs", "tls")
_PATH = r"/([A-Za-z0-9._~!$&'()*+,;=:@/\-]|%[0-9A-Fa-f]{2})*"


def _path(value: str) -> str | None:
    if not value.startswith("/"):
        return "should start with: /"
    if "//" in value:
        return "must not have empty segments"
    problem = "invalid path: '{}' (characters outside of the reserved list of RFC 3986 found)"
    return checks.pattern(_PATH, problem)(value)


def _unix_url(value: str) -> Mapping[str, Any]:
    """What a URL of a socket stands for: `http://unix:/run/api.sock:/path`, as nginx writes it."""
    protocol, _, rest = value.partition("://")
    socket, _, path = rest.removeprefix("unix:").partition(":")
    if not socket.startswith("/"):
        raise Violation("missing socket in url; write a URL such as http://unix:/run/api.sock:/path")
    return {
        "protocol": protocol,
        "host": f"unix:{socket}",
        "port": 443 if protocol in _TLS else 80,
        "path": path or None,
    }


def _url(value: str) -> Mapping[str, Any]:
    """What `url` stands for. Kong lets a wrong one pass as a missing host; we say what is wrong."""
    if "://unix:" in value:
        return _unix_url(value)
    example = "write a URL such as http://example.com:8080/path"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise Violation(f"invalid url: {example}") from error
    if not url.scheme or not url.hostname:
        raise Violation(f"missing host in url; {example}")
    if url.username is not None or url.query or url.fragment:
        raise Violation(f"may have no user, query or fragment; {example}")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    default = 443 if url.scheme in _TLS else 80
    return {
        "protocol": url.scheme,
        "host": host,
        "port": default if port is None else port,
        "path": url.path or None,
    }


SERVICES = EntitySchema(
    name="services",
    key="name",
    record=Record(
        fields={
            **common.identity(),
            "name": common.name(),
            "retries": Integer(default=5, between=(0, 32_767)),
            "protocol": String(default="http", required=True, one_of=common.PROTOCOLS),
            "host": String(required=True, len_max=255, check=checks.service_host),
            "port": Integer(default=80, required=True, between=(0, 65_535)),
            "path": String(len_max=2048, check=_path),
            "connect_timeout": common.timeout(),
            "write_timeout": common.timeout(),
            "read_timeout": common.timeout(),
            "tags": common.tags(),
            "client_certificate": Foreign(reference="certificates", key=None),
            "tls_verify": Boolean(),
            "tls_verify_depth": Integer(between=(0, 64)),
            "ca_certificates": Array(elements=String(uuid=True)),
            "enabled": Boolean(default=True, required=True),
        },
        shorthands={"url": Shorthand(String(), _url)},
    ),
    checks=(
        checks.only_when("protocol", ("http", "https"), "path"),
        checks.only_when("protocol", _TLS, "client_certificate"),
        checks.only_when("protocol", _TLS, "tls_verify"),
        checks.only_when("protocol", _TLS, "tls_verify_depth"),
        checks.only_when("protocol", _TLS, "ca_certificates"),
    ),
)
