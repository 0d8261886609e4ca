"""Fields that several entities have."""

from __future__ import annotations

from tollway.gateway.schema import checks
from tollway.gateway.schema.fields import Array, Field, Integer, String

__all__ = ["HTTP_PROTOCOLS", "NOT_SUPPORTED", "PROTOCOLS", "identity", "name", "tags", "timeout"]

PROTOCOLS = ("grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp")
HTTP_PROTOCOLS = ("grpc", "grpcs", "http", "https")
NOT_SUPPORTED = "not supported by this gateway; leave it out"

# 9999-12-31: what a datetime can hold.
_LAST_SECOND = 253_402_300_799


def identity(*, updated: bool = True) -> dict[str, Field]:
    """The fields that Tollway fills in."""
    instant = Integer(auto=True, timestamp=True, between=(0, _LAST_SECOND))
    fields: dict[str, Field] = {"id": String(auto=True, uuid=True), "created_at": instant}
    return fields | ({"updated_at": instant} if updated else {})


def name(*, required: bool = False) -> String:
    """A unique name that may stand for the id in a path."""
    return String(unique=True, required=required, len_max=128, check=checks.name)


def tags() -> Array:
    """Labels to filter by."""
    return Array(elements=String(len_max=128, check=checks.tag), unique_elements=True)


def timeout() -> Integer:
    """Milliseconds."""
    return Integer(default=60_000, between=(1, 2**31 - 2))
