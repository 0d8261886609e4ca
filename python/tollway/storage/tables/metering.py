"""Tables of metering, in the usage database.

Identifiers of usage records are 16 raw bytes (`hex(customer)` shows one): this is the largest table there
is, and the key is most of it. It begins with the bucket, so what is written now lies together.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from tollway.storage.database import USAGE
from tollway.storage.types import BigInt, UtcTimestamp

__all__ = [
    "ACTIVITY",
    "CURSOR",
    "EXTERNAL_EVENT",
    "LOG_FAULT",
    "NODE",
    "NODE_ACT",
    "PARKED",
    "POSITION",
    "QUEUE_STATE",
    "RECORD",
]

RECORD = Table(
    "usage_record",
    USAGE,
    Column("bucket", BigInt, primary_key=True, autoincrement=False),
    Column("customer", LargeBinary(16), primary_key=True),
    Column("consumer", LargeBinary(16), primary_key=True),
    Column("phase", LargeBinary(16), primary_key=True),
    Column("meter", LargeBinary(16), primary_key=True),
    Column("test_mode", Boolean, primary_key=True),
    Column("dimensions", String(1024), primary_key=True),
    Column("quantity", BigInt, nullable=False),
    Column("events", BigInt, nullable=False),
    # SQLite turns a sum above 63 bits into a float, quietly.
    CheckConstraint("typeof(quantity) = 'integer'", name="whole").ddl_if(dialect="sqlite"),
    sqlite_with_rowid=False,
)
Index("ix_usage_record_customer", RECORD.c.customer, RECORD.c.bucket)
Index("ix_usage_record_consumer", RECORD.c.consumer, RECORD.c.bucket)

ACTIVITY = Table(
    "usage_activity",
    USAGE,
    Column("hour", BigInt, primary_key=True, autoincrement=False),
    Column("customer", LargeBinary(16), primary_key=True),
    Column("consumer", LargeBinary(16), primary_key=True),
    Column("credential", LargeBinary(16), primary_key=True),
    Column("route", LargeBinary(16), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    Column("test_mode", Boolean, primary_key=True),
    Column("endpoint", String(255), primary_key=True),
    Column("requests", BigInt, nullable=False),
    Column("units", BigInt, nullable=False),
    Column("bytes_out", BigInt, nullable=False),
    Column("last", BigInt, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_usage_activity_customer", ACTIVITY.c.customer, ACTIVITY.c.hour)
Index("ix_usage_activity_consumer", ACTIVITY.c.consumer, ACTIVITY.c.hour)

CURSOR = Table(
    "usage_cursor",
    USAGE,
    Column("node", String(32), primary_key=True),
    Column("epoch", BigInt, primary_key=True, autoincrement=False),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInt, nullable=False),
)

NODE = Table(
    "usage_node",
    USAGE,
    Column("node", String(32), primary_key=True),
    Column("watermark", UtcTimestamp),
    Column("registered_at", UtcTimestamp, nullable=False),
    Column("retired_at", UtcTimestamp),
)

NODE_ACT = Table(
    "usage_node_act",
    USAGE,
    Column("id", BigInt, primary_key=True),
    Column("node", String(32), nullable=False),
    Column("act", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("at", UtcTimestamp, nullable=False),
)

LOG_FAULT = Table(
    "usage_log_fault",
    USAGE,
    Column("node", String(32), primary_key=True),
    Column("epoch", BigInt, primary_key=True, autoincrement=False),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("start", BigInt, primary_key=True, autoincrement=False),
    Column("end", BigInt, nullable=False),
    Column("noticed_at", UtcTimestamp, nullable=False),
)

EXTERNAL_EVENT = Table(
    "external_event",
    USAGE,
    Column("position", BigInt, primary_key=True, autoincrement=False),
    # Zero for the seller; a customer's key can't take ids away from others.
    Column("reporter", LargeBinary(16), nullable=False),
    Column("source", String(255), nullable=False),
    Column("event_id", String(255)),
    Column("received_at", UtcTimestamp, nullable=False),
    Column("time", BigInt, nullable=False),
    Column("customer", LargeBinary(16), nullable=False),
    Column("consumer", LargeBinary(16), nullable=False),
    Column("phase", LargeBinary(16), nullable=False),
    Column("test_mode", Boolean, nullable=False),
    Column("endpoint", String(255), nullable=False),
    Column("units", BigInt, nullable=False),
    # Without an id there is no identity: nulls are never equal.
    UniqueConstraint("reporter", "source", "event_id"),
)
Index("ix_external_event_customer", EXTERNAL_EVENT.c.customer, EXTERNAL_EVENT.c.time)
Index("ix_external_event_consumer", EXTERNAL_EVENT.c.consumer, EXTERNAL_EVENT.c.time)

PARKED = Table(
    "external_parked",
    USAGE,
    Column("position", BigInt, primary_key=True, autoincrement=False),
    Column("queue", String(255), nullable=False),
    Column("subject", String(255), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    Column("source", String(255), nullable=False),
    Column("event_id", String(255)),
    Column("received_at", UtcTimestamp, nullable=False),
)

POSITION = Table(
    "external_position",
    USAGE,
    Column("name", String(16), primary_key=True),
    Column("position", BigInt, nullable=False),
)

QUEUE_STATE = Table(
    "external_queue",
    USAGE,
    Column("queue", String(255), primary_key=True),
    Column("in_flight", LargeBinary, nullable=False),
    Column("pending", LargeBinary, nullable=False),
)
