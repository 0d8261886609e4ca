"""What the gateway is told of telling others about the traffic: access log and OpenTelemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from typing import Any
from urllib.parse import unquote

from tollway.app.settings import Settings
from tollway.kernel.errors import InvalidInput

__all__ = ["observing_options"]

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_DEFAULT_ENDPOINT = "http://localhost:4318"
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_SERVICE_NAME = "OTEL_SERVICE_NAME"
_DEFAULT_SERVICE_NAME = "tollway-gateway"


def observing_options(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the options by which `settings` say it; see docs/maintainer/gateway-process.md.

    `environment` has OpenTelemetry's own settings, under the names that its specification gives them.

    Raises:
        InvalidInput: one of them can't be read.
    """
    secret = [name for name in settings.secret_parameters.split(",") if name]
    return {
        "access_log": _access_log(settings, secret),
        "tracing": _tracing(settings, secret, environment),
    }


def _access_log(settings: Settings, secret: list[str]) -> dict[str, Any] | None:
    if settings.access_log == "off":
        return None
    return {
        "path": None if settings.access_log == "stdout" else settings.access_log,
        "format": settings.access_log_format.value,
        "secret_parameters": secret,
    }


def _tracing(settings: Settings, secret: list[str], environment: Mapping[str, str]) -> dict[str, Any] | None:
    if not settings.trace_sample:
        return None
    return {
        "endpoint": _endpoint(environment),
        "headers": _headers(environment),
        "service_name": environment.get(_SERVICE_NAME) or _DEFAULT_SERVICE_NAME,
        "version": metadata.version("tollway"),
        "sample_per_million": max(1, round(settings.trace_sample * 1_000_000)),
        "continue": settings.trace_continue.value,
        "secret_parameters": secret,
    }


def _endpoint(environment: Mapping[str, str]) -> str:
    """Return where traces are posted: said as it is, or by the base of all signals."""
    if said := environment.get(_TRACES_ENDPOINT):
        return said
    base = environment.get(_ENDPOINT) or _DEFAULT_ENDPOINT
    return base.rstrip("/") + "/v1/traces"


def _headers(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    name = next((name for name in _HEADERS if environment.get(name)), _HEADERS[-1])
    pairs = [pair for pair in environment.get(name, "").split(",") if pair.strip()]
    if not all("=" in pair for pair in pairs):
        raise InvalidInput(name, "a part without =", "write name=value, several with commas between")
    split = (pair.partition("=") for pair in pairs)
    return [(key.strip(), unquote(value.strip())) for key, _, value in split]
