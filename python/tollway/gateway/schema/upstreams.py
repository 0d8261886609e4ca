"""The schemas of upstreams, several addresses behind one name, and of their targets."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from tollway.gateway.schema import checks, common
from tollway.gateway.schema.entity import EntityCheck, EntitySchema
from tollway.gateway.schema.fields import Array, Boolean, Field, Foreign, Integer, Map, Number, Record, String
from tollway.gateway.schema.violation import Problem, Violation

__all__ = ["DEFAULT_TARGET_PORT", "TARGETS", "UPSTREAMS"]

DEFAULT_TARGET_PORT = 8000
"""Of a target that names none."""

_HASH_ON = ("none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture")
_NEEDS = {
    "header": ("hash_on_header", "hash_fallback_header"),
    "cookie": ("hash_on_cookie", "hash_on_cookie"),
    "query_arg": ("hash_on_query_arg", "hash_fallback_query_arg"),
    "uri_capture": ("hash_on_uri_capture", "hash_fallback_uri_capture"),
}
_COUNT = (0, 255)


def _name(value: str) -> str | None:
    """A name that services give as their host: an address would never be asked for."""
    if ":" in value.removeprefix("[") and not _is_address(value):
        return "Invalid name; no port allowed"
    if _is_address(value):
        return "Invalid name; no ip addresses allowed"
    return None if checks.host(value) is None else "Invalid name; must be a valid hostname"


def _is_address(value: str) -> bool:
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return False
    return True


def _path(value: str) -> str | None:
    if not value.startswith("/"):
        return "should start with: /"
    return None if "//" not in value else "must not have empty segments"


class _Target(String):
    """`host:port`, as it is compared and shown: the port filled in, an IPv6 address in brackets."""

    def _typed(self, value: Any) -> str:
        text = super()._typed(value)
        host, port = _split(text)
        if checks.host(host) is not None or not 1 <= port <= 65_535:
            raise Violation(f"Invalid target ('{text}'); not a valid hostname or ip address")
        return f"{host}:{port}"


def _split(text: str) -> tuple[str, int]:
    """Return host and port; the port is 0 where what stands in its place is none."""
    if _is_address(text):
        bare = text.removeprefix("[").removesuffix("]")
        return (f"[{bare}]" if ":" in bare else bare), DEFAULT_TARGET_PORT
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, DEFAULT_TARGET_PORT
    return host, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0


def _host_header(value: str) -> str | None:
    host, colon, port = value.rpartition(":")
    if not colon or value.endswith("]"):
        host, port = value, "80"
    if checks.host(host) is not None or not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
        return f"invalid hostname: {value}"
    return None


def _cookie_name(value: str) -> str | None:
    allowed = set("!#$%&'*+-.^_`|~")
    if all(letter.isascii() and (letter.isalnum() or letter in allowed) for letter in value):
        return None
    return f"Invalid cookie name '{value}', allowed characters are those of a token of RFC 9110"


def _statuses(*default: int) -> Array:
    return Array(elements=Integer(between=(100, 999)), default=list(default))


def _failures(statuses: Array) -> dict[str, Field]:
    return {
        "http_statuses": statuses,
        "tcp_failures": Integer(default=0, between=_COUNT),
        "timeouts": Integer(default=0, between=_COUNT),
        "http_failures": Integer(default=0, between=_COUNT),
    }


def _seconds(default: int) -> Number:
    return Number(default=default, between=(0, 65_535))


def _kind() -> String:
    return String(default="http", one_of=("tcp", "http", "https", "grpc", "grpcs"))


_ACTIVE = Record(
    required=True,
    fields={
        "type": _kind(),
        "timeout": _seconds(1),
        "concurrency": Integer(default=10, between=(1, 2**31)),
        "http_path": String(default="/", len_max=2048, check=_path),
        "https_sni": String(len_max=255, check=checks.host),
        "https_verify_certificate": Boolean(default=True, required=True),
        "headers": Map(keys=String(len_max=128, check=checks.header_name), values=Array(elements=String())),
        "healthy": Record(
            required=True,
            fields={
                "interval": _seconds(0),
                "http_statuses": _statuses(200, 302),
                "successes": Integer(default=0, between=_COUNT),
            },
        ),
        "unhealthy": Record(
            required=True,
            fields={
                "interval": _seconds(0),
                **_failures(_statuses(429, 404, 500, 501, 502, 503, 504, 505)),
            },
        ),
    },
)
_PASSIVE = Record(
    required=True,
    fields={
        "type": _kind(),
        "healthy": Record(
            required=True,
            fields={
                "http_statuses": _statuses(*range(200, 209), 226, *range(300, 309)),
                "successes": Integer(default=0, between=_COUNT),
            },
        ),
        "unhealthy": Record(required=True, fields=_failures(_statuses(429, 500, 503))),
    },
)


def _other_fallback(kind: str, allowed: tuple[str, ...]) -> EntityCheck:
    """What may stand in for `kind` where it gives nothing to hash."""

    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        if document["hash_on"] != kind or document["hash_fallback"] in allowed:
            return None
        return {
            "@entity": ["failed conditional validation given value of field 'hash_on'"],
            "hash_fallback": "expected one of: " + ", ".join(allowed),
        }

    description = {
        "if_field": "hash_on",
        "if_match": {"match": f"^{kind}$"},
        "then_field": "hash_fallback",
        "then_match": {"one_of": list(allowed)},
    }
    return EntityCheck({"conditional": description}, test)


def _distinct(first: str, second: str) -> EntityCheck:
    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        if document[first] is None or document[first] != document[second]:
            return None
        return {"@entity": [f"values of these fields must be distinct: '{first}', '{second}'"]}

    return EntityCheck({"distinct": [first, second]}, test)


UPSTREAMS = EntitySchema(
    name="upstreams",
    key="name",
    record=Record(
        fields={
            **common.identity(),
            "name": String(required=True, unique=True, len_max=255, check=_name),
            "algorithm": String(
                default="round-robin",
                one_of=("consistent-hashing", "least-connections", "round-robin", "latency"),
            ),
            "hash_on": String(default="none", one_of=_HASH_ON),
            "hash_fallback": String(default="none", one_of=_HASH_ON),
            "hash_on_header": String(len_max=128, check=checks.header_name),
            "hash_fallback_header": String(len_max=128, check=checks.header_name),
            "hash_on_cookie": String(len_max=255, check=_cookie_name),
            "hash_on_cookie_path": String(default="/", len_max=2048, check=_path),
            "hash_on_query_arg": String(len_max=255),
            "hash_fallback_query_arg": String(len_max=255),
            "hash_on_uri_capture": String(len_max=255),
            "hash_fallback_uri_capture": String(len_max=255),
            "slots": Integer(default=10_000, between=(10, 2**16)),
            "healthchecks": Record(
                required=True,
                fields={
                    "active": _ACTIVE,
                    "passive": _PASSIVE,
                    "threshold": Number(default=0, between=(0, 100)),
                },
            ),
            "tags": common.tags(),
            "host_header": String(len_max=300, check=_host_header),
            "client_certificate": Foreign(reference="certificates", key=None),
            "use_srv_name": Boolean(default=False),
        }
    ),
    checks=(
        *(checks.required_if("hash_on", kind, first) for kind, (first, _) in _NEEDS.items()),
        *(checks.required_if("hash_fallback", kind, second) for kind, (_, second) in _NEEDS.items()),
        # Nothing hashed, nothing to fall back from; and a cookie is made where there is none.
        _other_fallback("none", ("none",)),
        _other_fallback("cookie", ("none",)),
        *(
            _other_fallback(kind, tuple(other for other in _HASH_ON if other != kind))
            for kind in ("consumer", "ip", "path")
        ),
        _distinct("hash_on_header", "hash_fallback_header"),
        _distinct("hash_on_query_arg", "hash_fallback_query_arg"),
        _distinct("hash_on_uri_capture", "hash_fallback_uri_capture"),
    ),
)

TARGETS = EntitySchema(
    name="targets",
    key="target",
    record=Record(
        fields={
            **common.identity(),
            "upstream": Foreign(reference="upstreams", required=True),
            "target": _Target(required=True, len_max=300),
            "weight": Integer(default=100, between=(0, 65_535)),
            "tags": common.tags(),
        }
    ),
)
