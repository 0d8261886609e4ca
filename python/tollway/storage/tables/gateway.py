"""The gateway's tables: Kong's entities, and the journal by which configuration travels.

Foreign keys have no cascade: a delete that forgot a child would also have forgotten its change row, and
the gateways would go on serving what the database no longer has. The repositories delete children by name.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tollway.storage.database import MAIN
from tollway.storage.types import BigInt, Bytes, Identifier, Json, UtcTimestamp

__all__ = [
    "ACL",
    "CA_CERTIFICATE",
    "CERTIFICATE",
    "CONFIG_CHANGE",
    "CONFIG_VERSION",
    "CONSUMER",
    "CONSUMER_GROUP",
    "CONSUMER_GROUP_MEMBER",
    "KEY_AUTH",
    "PLUGIN",
    "ROUTE",
    "SERVICE",
    "SHOP",
    "SNI",
    "TARGET",
    "UPSTREAM",
]

CERTIFICATE = Table(
    "certificate",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("cert", Text, nullable=False),
    # Under the at-rest key: the nonce and the ciphertext, as of supplied API keys.
    Column("key_encrypted", Bytes, nullable=False),
    Column("cert_alt", Text),
    Column("key_alt_encrypted", Bytes),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

SNI = Table(
    "sni",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("certificate_id", Identifier, ForeignKey("certificate.id"), nullable=False, index=True),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

CA_CERTIFICATE = Table(
    "ca_certificate",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("cert", Text, nullable=False),
    Column("cert_digest", String(64), nullable=False, unique=True),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

UPSTREAM = Table(
    "upstream",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("algorithm", String(32), nullable=False),
    Column("hash_on", String(16), nullable=False),
    Column("hash_fallback", String(16), nullable=False),
    Column("hash_on_header", String(128)),
    Column("hash_fallback_header", String(128)),
    Column("hash_on_cookie", String(255)),
    Column("hash_on_cookie_path", String(2048), nullable=False),
    Column("hash_on_query_arg", String(255)),
    Column("hash_fallback_query_arg", String(255)),
    Column("hash_on_uri_capture", String(255)),
    Column("hash_fallback_uri_capture", String(255)),
    Column("slots", Integer, nullable=False),
    Column("healthchecks", Json, nullable=False),
    Column("host_header", String(300)),
    Column("client_certificate_id", Identifier, ForeignKey("certificate.id"), index=True),
    Column("use_srv_name", Boolean, nullable=False),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

TARGET = Table(
    "target",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("upstream_id", Identifier, ForeignKey("upstream.id"), nullable=False),
    Column("target", String(300), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
    UniqueConstraint("upstream_id", "target"),
)

SERVICE = Table(
    "service",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), unique=True),
    Column("protocol", String(16), nullable=False),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("path", String(2048)),
    Column("connect_timeout", BigInt, nullable=False),
    Column("write_timeout", BigInt, nullable=False),
    Column("read_timeout", BigInt, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("client_certificate_id", Identifier, ForeignKey("certificate.id"), index=True),
    Column("tls_verify", Boolean),
    Column("tls_verify_depth", Integer),
    Column("ca_certificates", Json),  # ids
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

ROUTE = Table(
    "route",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), unique=True),
    Column("protocols", Json, nullable=False),
    Column("methods", Json),
    Column("hosts", Json),
    Column("paths", Json),
    Column("headers", Json),
    Column("https_redirect_status_code", Integer, nullable=False),
    Column("regex_priority", BigInt, nullable=False),
    Column("strip_path", Boolean, nullable=False),
    Column("path_handling", String(8), nullable=False),
    Column("preserve_host", Boolean, nullable=False),
    Column("request_buffering", Boolean, nullable=False),
    Column("response_buffering", Boolean, nullable=False),
    Column("snis", Json),
    Column("tags", Json),
    Column("service_id", Identifier, ForeignKey("service.id"), index=True),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

CONSUMER = Table(
    "consumer",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("username", String(255), unique=True),
    Column("custom_id", String(255), unique=True),
    Column("tags", Json),
    # Who pays for this consumer's requests, and under which phase of which subscription. Set by
    # orchestration, never through Kong's API. The tables they name belong to another domain.
    Column("customer_id", Identifier, index=True),
    Column("phase_id", Identifier),
    Column("mode", String(4), nullable=False),
    # What its subscription grants now (`contracts/entitlement.py`); NULL without one in force. Set likewise.
    Column("entitlement", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
    CheckConstraint("username IS NOT NULL OR custom_id IS NOT NULL", name="named"),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

KEY_AUTH = Table(
    "key_auth_credential",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("consumer_id", Identifier, ForeignKey("consumer.id"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),  # hex of HMAC-SHA256(pepper, key)
    Column("pepper_id", String(16), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("encrypted", Bytes),  # supplied keys only; a minted key is nowhere
    Column("expires_at", UtcTimestamp, index=True),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
)

ACL = Table(
    "acl",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("consumer_id", Identifier, ForeignKey("consumer.id"), nullable=False),
    Column("group", String(255), nullable=False),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    UniqueConstraint("consumer_id", "group"),
)

CONSUMER_GROUP = Table(
    "consumer_group",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("tags", Json),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

CONSUMER_GROUP_MEMBER = Table(
    "consumer_group_member",
    MAIN,
    Column("consumer_group_id", Identifier, ForeignKey("consumer_group.id"), primary_key=True),
    Column("consumer_id", Identifier, ForeignKey("consumer.id"), primary_key=True, index=True),
)

PLUGIN = Table(
    "plugin",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("instance_name", String(128), unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("config", Json, nullable=False),
    Column("protocols", Json, nullable=False),
    Column("tags", Json),
    Column("service_id", Identifier, ForeignKey("service.id"), index=True),
    Column("route_id", Identifier, ForeignKey("route.id"), index=True),
    Column("consumer_id", Identifier, ForeignKey("consumer.id"), index=True),
    Column("consumer_group_id", Identifier, ForeignKey("consumer_group.id"), index=True),
    # name and the four scopes in one text: a unique constraint over nullable columns would let the same
    # global plugin in twice, since NULLs are distinct.
    Column("scope", String(255), nullable=False, unique=True),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

SHOP = Table(
    "gateway_shop",
    MAIN,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row
    Column("offers", Json, nullable=False),  # of `contracts/entitlement.py`
    Column("portal_url", String(2048)),
    CheckConstraint("id = 1", name="one_row"),
)

CONFIG_VERSION = Table(
    "config_version",
    MAIN,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row
    Column("version", BigInt, nullable=False),
    # Change rows up to this version were pruned: a gateway at an older one needs everything again.
    Column("pruned_to", BigInt, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

CONFIG_CHANGE = Table(
    "config_change",
    MAIN,
    Column("id", BigInt, primary_key=True, autoincrement=True),
    Column("version", BigInt, nullable=False, index=True),
    Column("table", String(16), nullable=False),
    Column("key", String(64), nullable=False),
)
