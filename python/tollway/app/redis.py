"""`TOLLWAY_REDIS_URL`: where the rate limits of plans are counted, and how gateways come to its password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from tollway.app.settings import Settings

__all__ = ["counting", "gateway_environment"]

_PASSWORD = "TOLLWAY_REDIS_PASSWORD"  # noqa: S105  # a variable's name
# The configuration, which is stored and shown, names the variable; each gateway has it from its own settings.
_REFERENCE = "{vault://env/tollway-redis-password}"
# Beyond it a caller would rather pass uncounted than wait.
_TIMEOUT_MS = 500


def counting(settings: Settings) -> Mapping[str, Any]:
    """Return the part of rate-limiting's configuration that says where a plan's limit is counted."""
    if settings.redis_url is None:
        return {"policy": "local"}
    parts = urlsplit(settings.redis_url)
    redis: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or 6379,
        "database": int(parts.path.removeprefix("/") or 0),
        "timeout": _TIMEOUT_MS,
    }
    if parts.password:
        redis["password"] = _REFERENCE
        if parts.username:
            redis["username"] = unquote(parts.username)
    return {"policy": "redis", "redis": redis}


def gateway_environment(settings: Settings) -> dict[str, str]:
    """Return what a gateway's process needs beside its options."""
    password = urlsplit(settings.redis_url or "").password
    return {_PASSWORD: unquote(password)} if password else {}
