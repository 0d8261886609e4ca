"""What the gateway is told of the traffic that it takes: whom to believe, what to wait for and to take."""

from __future__ import annotations

from typing import Any

from tollway.app.settings import Settings

__all__ = ["traffic_options"]


def traffic_options(settings: Settings) -> dict[str, Any]:
    """Return the options by which `settings` say it; see docs/maintainer/gateway-process.md."""
    return {
        "trust": {
            "ips": [block for block in settings.trusted_ips.split(",") if block],
            "real_ip_header": settings.real_ip_header,
            "real_ip_recursive": settings.real_ip_recursive,
        },
    }
