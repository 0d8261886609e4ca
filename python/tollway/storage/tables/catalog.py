"""Tables of the catalog: meters, plans and add-ons, each version immutable."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from tollway.storage.database import MAIN
from tollway.storage.types import Identifier, UtcTimestamp

__all__ = ["ADDON", "ADDON_VERSION", "METER", "METER_ROUTE", "PLAN", "PLAN_VERSION"]

METER = Table(
    "meter",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False),
    # Canonical JSON. A change of what a meter counts is another row, in force from where this one ends.
    Column("content", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("effective_from", UtcTimestamp, nullable=False),
    Column("effective_until", UtcTimestamp),
)
Index(
    "uq_meter_name_in_force",
    METER.c.name,
    unique=True,
    sqlite_where=text("effective_until IS NULL"),
    postgresql_where=text("effective_until IS NULL"),
)

METER_ROUTE = Table(
    "meter_route",
    MAIN,
    # The routes that a meter's filter means: those that had a name it gives while it was in force. No foreign
    # key to the route: one that is renamed or deleted still explains what was counted.
    Column("meter_id", Identifier, ForeignKey("meter.id"), primary_key=True),
    Column("route_id", Identifier, primary_key=True),
)

PLAN = Table(
    "plan",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("current_version", Integer, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

PLAN_VERSION = Table(
    "plan_version",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("plan_id", Identifier, ForeignKey("plan.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    # Canonical JSON as text: the hash can be checked byte for byte.
    Column("content", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    UniqueConstraint("plan_id", "version"),
    UniqueConstraint("plan_id", "content_hash"),
)

ADDON = Table(
    "addon",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("current_version", Integer, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("updated_at", UtcTimestamp, nullable=False),
)

ADDON_VERSION = Table(
    "addon_version",
    MAIN,
    Column("id", Identifier, primary_key=True),
    Column("addon_id", Identifier, ForeignKey("addon.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("content", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    UniqueConstraint("addon_id", "version"),
    UniqueConstraint("addon_id", "content_hash"),
)
