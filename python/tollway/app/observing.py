"""What the gateway is told of telling others about the traffic: the access log."""

from __future__ import annotations

from typing import Any

from tollway.app.settings import Settings

__all__ = ["observing_options"]


def observing_options(settings: Settings) -> dict[str, Any]:
    """Return the options by which `settings` say it; see docs/maintainer/gateway-process.md."""
    return {"access_log": _access_log(settings)}


def _access_log(settings: Settings) -> dict[str, Any] | None:
    if settings.access_log == "off":
        return None
    names = settings.secret_parameters
    return {
        "path": None if settings.access_log == "stdout" else settings.access_log,
        "format": settings.access_log_format.value,
        "secret_parameters": [name for name in names.split(",") if name],
    }
