"""Settings: flag over environment over file over default; docs/seller/settings.md lists them."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tollway.app.proxy_listeners import ProxyListener, parse_proxy_listeners
from tollway.kernel.errors import InvalidInput

__all__ = ["AccessLogFormat", "Durability", "Listener", "Role", "Settings", "TraceContinue", "load_settings"]


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


class AccessLogFormat(StrEnum):
    """A line of the access log; docs/seller/observability.md shows them."""

    JSON = "json"
    COMBINED = "combined"


class TraceContinue(StrEnum):
    """Whose traces go on at the gateway; requests of others begin one."""

    NEVER = "never"
    TRUSTED = "trusted"
    ALWAYS = "always"


def _listener(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("write host:port, e.g. 127.0.0.1:8001 (or [::1]:8001)")
    return value


def _optional_listener(value: object) -> object:
    return "off" if value in {"", "off"} else _listener(value)


def _proxy_listeners(value: object) -> object:
    if isinstance(value, str):
        parse_proxy_listeners(value)
    return value


def _tls_listeners(value: object) -> object:
    if not isinstance(value, str) or value in {"", "off"}:
        return "off"
    parse_proxy_listeners(value, tls=True)
    return value


def _origin(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    beyond = parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username
    if parts.scheme not in {"http", "https"} or not parts.hostname or beyond:
        raise ValueError("write scheme and host alone, e.g. https://api.example.com")
    return f"{parts.scheme}://{parts.netloc}".lower()


Listener = Annotated[str, BeforeValidator(_listener)]
"""`host:port`; port 0 lets the system choose."""

OptionalListener = Annotated[str, BeforeValidator(_optional_listener)]
"""A listener that `off` switches off."""

ProxyListeners = Annotated[str, BeforeValidator(_proxy_listeners)]
"""`host:port [ssl] [http2] [proxy_protocol] [backlog=N]`, several with commas between."""

TlsListeners = Annotated[str, BeforeValidator(_tls_listeners)]
"""The same with `ssl http2` understood; `off` switches them off."""

Origin = Annotated[str, BeforeValidator(_origin)]
"""How others reach a listener: scheme and host, and a port where it isn't the scheme's own."""


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    scheme, separator, rest = value.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not separator or not rest:
        raise ValueError("write postgresql://user:password@host:5432/database; unset it to use SQLite")
    return f"postgresql+psycopg://{rest}"


DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
"""A PostgreSQL database."""


def _bus_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    scheme, separator, rest = value.partition("://")
    if scheme not in {"amqp", "amqps"} or not separator or not rest:
        raise ValueError("write amqp://user:password@host:5672/%2F (or amqps://…)")
    return value


def _redis_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme == "rediss":
        raise ValueError(
            "TLS towards Redis isn't spoken yet; write redis:// and use a network that you trust"
        )
    database = parts.path.removeprefix("/")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme != "redis" or not parts.hostname or port == 0 or not (database.isdigit() or not database):
        raise ValueError("write redis://[user:password@]host[:6379][/0]")
    return value


RedisUrl = Annotated[str, BeforeValidator(_redis_url)]
"""A Redis or Valkey server, and a database on it."""

BusUrl = Annotated[str, BeforeValidator(_bus_url)]
"""A RabbitMQ broker and a virtual host on it."""


def _trusted_ips(value: object) -> object:
    blocks = value.split(",") if isinstance(value, str) else value
    if not isinstance(blocks, list | tuple):
        return value
    try:
        return ",".join(str(ip_network(str(block).strip(), strict=False)) for block in blocks if block)
    except ValueError as error:
        raise ValueError("write addresses or blocks with commas between, e.g. 10.0.0.0/8,::1") from error


def _header_name(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ValueError("write a header's name, e.g. X-Real-IP or X-Forwarded-For, or proxy_protocol")
    return value


def _dns_servers(value: object) -> object:
    """Give each server its port."""
    if not isinstance(value, str):
        return value
    return ",".join(_dns_server(part.strip()) for part in value.split(",") if part.strip())


def _dns_server(text: str) -> str:
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address = ip_address(host)
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text}: the port is none; use an address such as 10.0.0.2 or [::1]:5353")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _access_log(value: object) -> object:
    if not isinstance(value, str) or value in {"off", "stdout"}:
        return value
    if not value or value.endswith("/"):
        raise ValueError("write off, stdout, or a file, e.g. /var/log/tollway/access.log")
    return str(Path(value).absolute())


def _parameter_names(value: object) -> object:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        return value
    names = [str(name).strip() for name in names]
    if not all(re.fullmatch(r"[\w.~*$-]*", name) for name in names):
        raise ValueError("write names of query parameters with commas between, e.g. voucher,email; or *")
    return ",".join(name for name in names if name)


AccessLog = Annotated[str, BeforeValidator(_access_log)]
"""`off`, `stdout`, or a file's absolute path."""

ParameterNames = Annotated[str, BeforeValidator(_parameter_names)]
"""Names of query parameters, with commas between."""

DnsServers = Annotated[str, BeforeValidator(_dns_servers)]
TrustedIps = Annotated[str, BeforeValidator(_trusted_ips)]
"""Blocks of addresses, with commas between."""

HeaderName = Annotated[str, BeforeValidator(_header_name)]
"""The name of a header line."""


_DEFAULT_PROXY = "0.0.0.0:8000"
_DEFAULT_TLS = "0.0.0.0:8443"


class Settings(BaseSettings):
    """What a process needs to know before it reads any database."""

    model_config = SettingsConfigDict(
        env_prefix="TOLLWAY_", extra="forbid", hide_input_in_errors=True, toml_file="tollway.toml"
    )

    data_dir: Path = Path("tollway-data")
    usage_log_dir: Path = Field(default_factory=lambda known: known["data_dir"] / "usage-log")
    """Where gateways append usage events; several gateways may share one."""
    control_socket: Path = Field(default_factory=lambda known: known["data_dir"] / "control.sock")
    """The Unix socket on which control serves the configuration to gateways."""
    database_url: DatabaseUrl | None = Field(default=None, repr=False)
    redis_url: RedisUrl | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, repr=False)
    admin_token: str | None = Field(default=None, repr=False)
    proxy_listen: ProxyListeners = _DEFAULT_PROXY
    proxy_tls_listen: TlsListeners = Field(
        default_factory=lambda known: _DEFAULT_TLS if known["proxy_listen"] == _DEFAULT_PROXY else "off"
    )
    """Whoever sets `proxy_listen` gets that: a second gateway of a machine doesn't take 8443 unasked."""
    admin_listen: Listener = "127.0.0.1:8001"
    console_listen: OptionalListener = "127.0.0.1:8002"
    portal_listen: OptionalListener = "0.0.0.0:8003"
    status_listen: Listener = "127.0.0.1:8100"
    portal_dir: Path | None = None
    proxy_url: Origin | None = None
    internal_proxy_url: Origin | None = None
    portal_url: Origin | None = None
    console_url: Origin | None = None
    smtp_url: str | None = Field(default=None, repr=False)
    mail_from: str = "Tollway <no-reply@localhost>"
    mrr_goal: Decimal = Field(default=Decimal(10_000), gt=0, max_digits=15, decimal_places=2)
    bus_url: BusUrl | None = Field(default=None, repr=False)
    invoice_grace_minutes: int = Field(default=60, ge=0)
    payment_provider: str = "sandbox"
    payment_timeout_seconds: float = Field(default=30, gt=0, le=300)
    payment_item_mirror: bool = False
    payment_usage_export: bool = False
    stripe_secret_key: str | None = Field(default=None, repr=False)
    stripe_webhook_secret: str | None = Field(default=None, repr=False)
    stripe_api_base: str | None = None
    usage_log_level: Durability = Durability.GROUP
    usage_log_budget_mib: int = Field(default=32_768, ge=64)
    access_log: AccessLog = "off"
    """A line for every exchange; what is billed is in the usage log, whether or not this is on."""
    access_log_format: AccessLogFormat = AccessLogFormat.JSON
    secret_parameters: ParameterNames = ""
    trace_sample: float = Field(default=0, ge=0, le=1)
    """Of the traces that begin here; where spans go is OpenTelemetry's own settings' to say."""
    trace_continue: TraceContinue = TraceContinue.TRUSTED
    upstream_tls_verify: bool = True
    gateway_workers: int | None = Field(default=None, ge=1, le=256)
    trusted_ips: TrustedIps = ""
    """Proxies in front of the gateway that are believed about who calls."""
    real_ip_header: HeaderName = "X-Real-IP"
    real_ip_recursive: bool = False
    head_timeout_seconds: float = Field(default=60, ge=0.001, le=86_400)
    """Timeouts towards clients; those towards an upstream are its service's."""
    body_timeout_seconds: float = Field(default=60, ge=0.001, le=86_400)
    send_timeout_seconds: float = Field(default=60, ge=0.001, le=86_400)
    idle_timeout_seconds: float = Field(default=65, ge=0.001, le=86_400)
    request_timeout_seconds: float | None = Field(default=None, ge=0.001, le=86_400)
    upstream_idle_seconds: float = Field(default=60, ge=0, le=86_400)
    upstream_age_seconds: float = Field(default=3600, ge=1, le=86_400)
    retry_percent: int = Field(default=20, ge=0, le=1000)
    dns_resolver: DnsServers = ""
    connection_requests: int = Field(default=10_000, ge=1)
    connections_per_worker: int = Field(default=16_384, ge=1, le=1 << 20)
    http2_streams: int = Field(default=128, ge=1, le=65_536)
    http2_mib_per_worker: int = Field(default=512, ge=1, le=1 << 20)
    max_request_line_bytes: int = Field(default=8_192, ge=64, le=1 << 20)
    max_head_bytes: int = Field(default=32_768, ge=1_024, le=1 << 20)
    max_headers: int = Field(default=100, ge=8, le=256)
    max_body_bytes: int | None = Field(default=None, ge=1)

    @property
    def main_url(self) -> str:
        """The main database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'tollway.db'}"

    @property
    def usage_url(self) -> str:
        """The usage database's URL: with PostgreSQL, both are one database with tables of other names."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'usage.db'}"

    @property
    def proxy_listeners(self) -> tuple[ProxyListener, ...]:
        """Where API clients are served; first those that anybody can call as it is."""
        listeners = parse_proxy_listeners(self.proxy_listen)
        if self.proxy_tls_listen != "off":
            listeners += parse_proxy_listeners(self.proxy_tls_listen, tls=True)
        return tuple(sorted(listeners, key=lambda listener: (listener.tls, listener.proxy_protocol)))

    @property
    def mail_folder(self) -> Path:
        """Where mails go while no mail server is set."""
        return self.data_dir / "mail"

    @property
    def setup_token_file(self) -> Path:
        """What lets somebody become the first operator, while there is none."""
        return self.data_dir / "setup-token"

    @property
    def portal_origin(self) -> str:
        """What links in mails begin with. Never what a request calls its host: anybody may write that."""
        return self.portal_url or local_origin(self.portal_listen)

    @property
    def console_origin(self) -> str:
        """What links to the console begin with."""
        return self.console_url or local_origin(self.console_listen)

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables, for a child process."""
        values = self.model_dump(mode="json", exclude_none=True)
        for name in ("data_dir", "usage_log_dir", "control_socket", "portal_dir"):
            path: Path | None = getattr(self, name)
            if path is not None:
                values[name] = str(path.absolute())
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


def local_origin(listener: str, scheme: str = "http") -> str:
    """Return how this machine reaches a listener; wildcards and loopback are called localhost."""
    host, _, port = listener.rpartition(":")
    local = host in {"0.0.0.0", "[::]", "127.0.0.1", "[::1]"}  # noqa: S104  # compared, not bound
    return f"{scheme}://{'localhost' if local else host}:{port}"


def load_settings(**flags: Any) -> Settings:
    """Read the settings; `flags` that are not None win. Raises `InvalidInput` naming the setting."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "TOLLWAY_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(name, first["msg"].removeprefix("Value error, ")) from None
