"""Settings: flag over environment over file over default; docs/seller/settings.md lists them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tollway.kernel.errors import InvalidInput

__all__ = ["Durability", "Listener", "Role", "Settings", "load_settings"]


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

    model_config = SettingsConfigDict(
        env_prefix="TOLLWAY_", extra="forbid", hide_input_in_errors=True, toml_file="tollway.toml"
    )

    data_dir: Path = Path("tollway-data")
    secret_key: str | None = Field(default=None, repr=False)
    admin_token: str | None = Field(default=None, repr=False)
    proxy_listen: Listener = "0.0.0.0:8000"
    admin_listen: Listener = "127.0.0.1:8001"
    status_listen: Listener = "127.0.0.1:8100"
    invoice_grace_minutes: int = Field(default=60, ge=0)
    usage_log_level: Durability = Durability.GROUP
    usage_log_budget_mib: int = Field(default=32_768, ge=64)
    gateway_workers: int | None = Field(default=None, ge=1, le=256)

    @property
    def main_url(self) -> str:
        """The main database's URL."""
        return f"sqlite:///{self.data_dir.absolute() / 'tollway.db'}"

    @property
    def usage_url(self) -> str:
        """The usage database's URL."""
        return f"sqlite:///{self.data_dir.absolute() / 'usage.db'}"

    @property
    def usage_log_dir(self) -> Path:
        """Where gateways append usage events."""
        return self.data_dir / "usage-log"

    @property
    def control_socket(self) -> Path:
        """The Unix socket on which control serves the configuration to gateways."""
        return self.data_dir / "control.sock"

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables, for a child process."""
        values = self.model_dump(mode="json", exclude_none=True)
        values["data_dir"] = str(self.data_dir.absolute())
        return {f"TOLLWAY_{name.upper()}": str(value) for name, value in values.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # not a source of ours
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # not a source of ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag over environment over `tollway.toml` in the working directory."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: Any) -> Settings:
    """Read the settings; `flags` that are not None win. Raises `InvalidInput` naming the setting."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "TOLLWAY_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(name, first["msg"].removeprefix("Value error, ")) from None
