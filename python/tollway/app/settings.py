"""Settings: flag over environment over file over default; docs/seller/settings.md lists them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Durability", "Listener", "Role", "Settings"]


class Role(StrEnum):
    """Which part of Tollway a process runs."""

    ALL = "all"
    GATEWAY = "gateway"
    CONTROL = "control"
    WORKER = "worker"


class Durability(StrEnum):
    """What a crash may cost; the bounds are stated in docs/seller/usage-log.md."""

    STRICT = "strict"
    GROUP = "group"
    RELAXED = "relaxed"


def _listener(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("write host:port, e.g. 127.0.0.1:8001 (or [::1]:8001)")
    return value


Listener = Annotated[str, BeforeValidator(_listener)]
"""`host:port`; port 0 lets the system choose."""


class Settings(BaseSettings):
    """What a process needs to know before it reads any database."""

    model_config = SettingsConfigDict(env_prefix="TOLLWAY_", extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Path("tollway-data")
    database_url: str | None = None
    secret_key: str | None = Field(default=None, repr=False)
    admin_token: str | None = Field(default=None, repr=False)
    proxy_listen: Listener = "0.0.0.0:8000"
    admin_listen: Listener = "127.0.0.1:8001"
    status_listen: Listener = "127.0.0.1:8100"
    proxy_url: str | None = None
    usage_log_level: Durability = Durability.GROUP
    gateway_workers: int | None = Field(default=None, ge=1, le=256)

    @property
    def main_url(self) -> str:
        """The main database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'tollway.db'}"

    @property
    def usage_url(self) -> str:
        """The usage database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'usage.db'}"

    @property
    def usage_log_dir(self) -> Path:
        """Where gateways append usage events."""
        return self.data_dir / "usage-log"

    @property
    def control_socket(self) -> Path:
        """The Unix socket on which control serves the configuration to gateways."""
        return self.data_dir / "control.sock"
