"""The configuration stream's frames, version 1: what control and gateways say to each other.

docs/maintainer/formats.md, section 1, tells the meaning; `schemas/configuration-1.json` is made from here.
Parts written by control are plain typed dictionaries: a full resync writes hundreds of thousands of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from tollway.contracts.entitlement import EntitlementView, Offer

__all__ = [
    "FRAME_LIMIT",
    "PROTOCOL",
    "AddressHealth",
    "Applied",
    "Base",
    "CaCertificatePart",
    "CertificatePart",
    "ConsumerRow",
    "ControlFrame",
    "Delta",
    "FullBegin",
    "FullEnd",
    "GatewayFrame",
    "GatewaySaid",
    "GroupPart",
    "Health",
    "HealthWord",
    "Hello",
    "KeyAuthRow",
    "Ping",
    "PluginPart",
    "Reference",
    "Rejected",
    "RoutePart",
    "Rows",
    "ServicePart",
    "SetHealth",
    "Table",
    "TargetHealth",
    "TargetPart",
    "UpstreamHealth",
    "UpstreamPart",
    "control_frames",
    "gateway_frames",
]

PROTOCOL = 1
FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes of JSON in one frame."""

Table: TypeAlias = Literal["consumers", "key_auth"]
HealthWord: TypeAlias = Literal["HEALTHY", "UNHEALTHY", "HEALTHCHECKS_OFF", "DNS_ERROR"]
"""Kong's words; only a target can have the last."""


class Reference(TypedDict):
    """Another entity."""

    id: str


class ServicePart(TypedDict):
    """An upstream API; timeouts in milliseconds."""

    id: str
    name: str | None
    protocol: str
    host: str
    port: int
    path: str | None
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    enabled: bool
    tags: list[str] | None
    tls_verify: bool | None
    tls_verify_depth: int | None
    ca_certificates: list[str] | None
    client_certificate: Reference | None


class RoutePart(TypedDict):
    """A match rule."""

    id: str
    name: str | None
    protocols: list[str]
    methods: list[str] | None
    hosts: list[str] | None
    paths: list[str] | None
    headers: dict[str, list[str]] | None
    snis: list[str] | None
    regex_priority: int
    strip_path: bool
    preserve_host: bool
    path_handling: str
    https_redirect_status_code: int
    request_buffering: bool
    response_buffering: bool
    service: Reference | None
    created_at: int


class GroupPart(TypedDict):
    """A consumer group."""

    id: str
    name: str


class PluginPart(TypedDict):
    """A plugin; one that is scoped to a consumer stands in that consumer's row."""

    id: str
    name: str
    enabled: bool
    config: dict[str, Any]
    route: Reference | None
    service: Reference | None
    consumer_group: Reference | None


class TargetPart(TypedDict):
    """An address of an upstream, `host:port`."""

    id: str
    target: str
    weight: int
    tags: list[str] | None


class UpstreamPart(TypedDict):
    """Several addresses behind one name; `healthchecks` as Kong has them, every default filled in."""

    id: str
    name: str
    algorithm: str
    hash_on: str
    hash_fallback: str
    hash_on_header: str | None
    hash_fallback_header: str | None
    hash_on_cookie: str | None
    hash_on_cookie_path: str
    hash_on_query_arg: str | None
    hash_fallback_query_arg: str | None
    hash_on_uri_capture: str | None
    hash_fallback_uri_capture: str | None
    slots: int
    healthchecks: dict[str, Any]
    host_header: str | None
    client_certificate: Reference | None
    use_srv_name: bool
    tags: list[str] | None
    targets: list[TargetPart]


class CertificatePart(TypedDict):
    """A certificate with its private key, both PEM; `snis` in lower case."""

    id: str
    cert: str
    key: str
    cert_alt: str | None
    key_alt: str | None
    snis: list[str]
    tags: list[str] | None


class CaCertificatePart(TypedDict):
    """An authority, PEM."""

    id: str
    cert: str
    tags: list[str] | None


class Base(TypedDict):
    """The small, complete part. Routes stand in the order of their creation.

    `offers` are ordered by feature; `portal_url` is the portal's origin, without a slash at its end.
    """

    services: list[ServicePart]
    routes: list[RoutePart]
    consumer_groups: list[GroupPart]
    plugins: list[PluginPart]
    upstreams: list[UpstreamPart]
    certificates: list[CertificatePart]
    ca_certificates: list[CaCertificatePart]
    offers: list[Offer]
    portal_url: str | None


class ConsumerRow(TypedDict):
    """A row of `consumers`; its key is `id`."""

    id: str
    username: str | None
    custom_id: str | None
    groups: list[str]
    acls: list[str]
    plugins: list[PluginPart]
    customer: str | None
    phase: str | None
    mode: Literal["live", "test"]
    entitlement: EntitlementView | None


class KeyAuthRow(TypedDict):
    """A row of `key_auth`; its key is `hash`."""

    id: str
    hash: str
    consumer: str
    expires_at: int | None
    """µs since 1970: from then on the key opens nothing."""


class Put(TypedDict, total=False):
    """Rows to put, by table."""

    consumers: list[ConsumerRow]
    key_auth: list[KeyAuthRow]


class Delete(TypedDict, total=False):
    """Keys of rows to delete, by table."""

    consumers: list[str]
    key_auth: list[str]


# `from` is no name for an attribute, so this one is written in the other form.
Delta = TypedDict(
    "Delta",
    {
        "type": Literal["delta"],
        "from": int,
        "version": int,
        "base": Base | None,
        "put": Put,
        "delete": Delete,
    },
)
"""Everything that changed between two versions."""


class FullBegin(TypedDict):
    """A full resync begins."""

    type: Literal["full_begin"]
    version: int
    base: Base


class Rows(TypedDict):
    """Up to 1,000 rows of a full resync."""

    type: Literal["rows"]
    table: Table
    rows: list[ConsumerRow] | list[KeyAuthRow]


class FullEnd(TypedDict):
    """A full resync is complete."""

    type: Literal["full_end"]
    version: int


class Ping(TypedDict):
    """The newest version there is."""

    type: Literal["ping"]
    version: int


class SetHealth(TypedDict):
    """An operator's word on a target, until checks say otherwise; `address` is `ip:port`, None all of its."""

    type: Literal["set_health"]
    upstream: str
    target: str
    address: str | None
    healthy: bool


ControlFrame: TypeAlias = Delta | FullBegin | Rows | FullEnd | Ping | SetHealth


class _GatewayFrame(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Hello(_GatewayFrame):
    """A gateway's first frame; `version` is the configuration that it holds."""

    type: Literal["hello"]
    protocol: int
    node: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    epoch: Annotated[int, Field(ge=0)]
    version: int | None


class Applied(_GatewayFrame):
    """The gateway judges requests by this version from now on."""

    type: Literal["applied"]
    version: int


class Rejected(_GatewayFrame):
    """The gateway can't run this version and keeps the one before."""

    type: Literal["rejected"]
    version: int
    location: str
    problem: str
    fix: str


class AddressHealth(_GatewayFrame):
    """One address of a target."""

    ip: str
    port: int
    weight: int
    health: HealthWord


class TargetHealth(_GatewayFrame):
    """One target, with what its name stands for now."""

    id: UUID
    health: HealthWord
    addresses: tuple[AddressHealth, ...]


class UpstreamHealth(_GatewayFrame):
    """One upstream."""

    id: UUID
    health: HealthWord
    targets: tuple[TargetHealth, ...]


class Health(_GatewayFrame):
    """How all upstreams are, as this gateway finds them."""

    type: Literal["health"]
    upstreams: tuple[UpstreamHealth, ...]


GatewaySaid: TypeAlias = Hello | Applied | Rejected | Health
GatewayFrame: TypeAlias = Annotated[GatewaySaid, Field(discriminator="type")]

gateway_frames: TypeAdapter[GatewaySaid] = TypeAdapter(GatewayFrame)
control_frames: TypeAdapter[Any] = TypeAdapter(ControlFrame)
