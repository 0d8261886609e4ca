"""What the gateway is told of the traffic that it takes: whom to believe, what to wait for and to take."""

from __future__ import annotations

from typing import Any

from tollway.app.settings import Settings

__all__ = ["traffic_options"]


def traffic_options(settings: Settings) -> dict[str, Any]:
    """Return the options by which `settings` say it; see docs/maintainer/gateway-process.md."""
    whole = settings.request_timeout_seconds
    return {
        "trust": {
            "ips": [block for block in settings.trusted_ips.split(",") if block],
            "real_ip_header": settings.real_ip_header,
            "real_ip_recursive": settings.real_ip_recursive,
        },
        "timeouts": {
            "client_header_ms": _ms(settings.head_timeout_seconds),
            "client_body_ms": _ms(settings.body_timeout_seconds),
            "client_send_ms": _ms(settings.send_timeout_seconds),
            "client_idle_ms": _ms(settings.idle_timeout_seconds),
            "upstream_idle_ms": _ms(settings.upstream_idle_seconds),
            "upstream_age_ms": _ms(settings.upstream_age_seconds),
            "request_ms": None if whole is None else _ms(whole),
        },
        "limits": {
            "request_line_bytes": settings.max_request_line_bytes,
            "head_bytes": settings.max_head_bytes,
            "header_count": settings.max_headers,
            "body_bytes": settings.max_body_bytes,
            "requests_per_connection": settings.connection_requests,
            "connections_per_worker": settings.connections_per_worker,
            "http2_streams": settings.http2_streams,
            "http2_bytes_per_worker": settings.http2_mib_per_worker << 20,
            "retry_percent": settings.retry_percent,
        },
        "names": {"servers": [server for server in settings.dns_resolver.split(",") if server]},
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
