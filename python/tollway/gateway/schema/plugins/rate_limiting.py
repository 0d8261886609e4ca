"""rate-limiting: so many requests per second, minute, hour, day, month, year."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from tollway.gateway.schema import checks
from tollway.gateway.schema.fields import Boolean, Integer, Number, Record, Shorthand, String
from tollway.gateway.schema.plugins.base import PluginSchema

__all__ = ["RATE_LIMITING", "WINDOWS"]

WINDOWS = ("second", "minute", "hour", "day", "month", "year")
"""From the shortest to the longest."""


def _longer_allows_more(config: Mapping[str, Any]) -> str | None:
    for short, long in combinations(WINDOWS, 2):
        few, many = config[long], config[short]
        if few is not None and many is not None and few < many:
            return f"The limit for {long}({few:.1f}) cannot be lower than the limit for {short}({many:.1f})"
    return None


def _redis(field: str) -> Callable[[Any], Mapping[str, Any]]:
    return lambda value: {"redis": {field: value}}


_REDIS = Record(
    required=True,
    fields={
        "host": String(len_max=255, check=checks.host),
        "port": Integer(default=6379, between=(0, 65_535)),
        "username": String(),
        "password": String(len_min=0),
        "database": Integer(default=0),
        "timeout": Integer(default=2000, between=(0, 2**31 - 2)),
        "ssl": Boolean(required=True, default=False),
        "ssl_verify": Boolean(required=True, default=False),
        "server_name": String(len_max=255, check=checks.host),
    },
)

RATE_LIMITING = PluginSchema(
    name="rate-limiting",
    priority=910,
    config=Record(
        required=True,
        fields={
            **{window: Number(gt=0) for window in WINDOWS},
            "limit_by": String(
                default="consumer",
                one_of=("consumer", "credential", "ip", "service", "header", "path", "consumer-group"),
            ),
            "header_name": String(len_max=128, check=checks.header_name),
            "path": String(len_max=2048, check=checks.pattern("/.*", "should start with: /")),
            "policy": String(default="local", one_of=("local", "cluster", "redis")),
            "fault_tolerant": Boolean(required=True, default=True),
            "redis": _REDIS,
            "hide_client_headers": Boolean(required=True, default=False),
            "error_code": Number(default=429, between=(100, 599)),
            "error_message": String(default="API rate limit exceeded"),
            "sync_rate": Number(required=True, default=-1),
        },
        # The names these had before 3.8.
        shorthands={f"redis_{name}": Shorthand(part, _redis(name)) for name, part in _REDIS.fields.items()},
        whole=_longer_allows_more,
    ),
    checks=(
        checks.at_least_one_of(*(f"config.{window}" for window in WINDOWS)),
        checks.required_if("config.policy", "redis", "config.redis.host"),
        checks.required_if("config.policy", "redis", "config.redis.port"),
        checks.required_if("config.policy", "redis", "config.redis.timeout"),
        checks.required_if("config.limit_by", "header", "config.header_name"),
        checks.required_if("config.limit_by", "path", "config.path"),
    ),
)
