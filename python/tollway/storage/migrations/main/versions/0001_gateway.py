"""The gateway's entities and the journal by which configuration travels."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import BigInt, Bytes, Identifier, Json, UtcTimestamp

revision = "0001_gateway"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; the configuration starts empty."""
    op.create_table(
        "config_change",
        sa.Column("id", BigInt, autoincrement=True, nullable=False),
        sa.Column("version", BigInt, nullable=False),
        sa.Column("table", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_config_change"),
    )
    op.create_index("ix_config_change_version", "config_change", ["version"], unique=False)
    op.create_table(
        "config_version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", BigInt, nullable=False),
        sa.Column("pruned_to", BigInt, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_config_version_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_config_version"),
    )
    op.create_table(
        "consumer",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("username", sa.String(length=255), nullable=True),
        sa.Column("custom_id", sa.String(length=255), nullable=True),
        sa.Column("tags", Json, nullable=True),
        sa.Column("customer_id", Identifier, nullable=True),
        sa.Column("phase_id", Identifier, nullable=True),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("ck_consumer_mode")),
        sa.CheckConstraint("username IS NOT NULL OR custom_id IS NOT NULL", name=op.f("ck_consumer_named")),
        sa.PrimaryKeyConstraint("id", name="pk_consumer"),
        sa.UniqueConstraint("custom_id", name="uq_consumer_custom_id"),
        sa.UniqueConstraint("username", name="uq_consumer_username"),
    )
    op.create_index("ix_consumer_customer_id", "consumer", ["customer_id"], unique=False)
    op.create_table(
        "consumer_group",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("tags", Json, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consumer_group"),
        sa.UniqueConstraint("name", name="uq_consumer_group_name"),
    )
    op.create_table(
        "service",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=True),
        sa.Column("protocol", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=2048), nullable=True),
        sa.Column("connect_timeout", BigInt, nullable=False),
        sa.Column("write_timeout", BigInt, nullable=False),
        sa.Column("read_timeout", BigInt, nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("tags", Json, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint("name", name="uq_service_name"),
    )
    op.create_table(
        "acl",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("consumer_id", Identifier, nullable=False),
        sa.Column("group", sa.String(length=255), nullable=False),
        sa.Column("tags", Json, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.id"], name="fk_acl_consumer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_acl"),
        sa.UniqueConstraint("consumer_id", "group", name="uq_acl_consumer_id_group"),
    )
    op.create_table(
        "consumer_group_member",
        sa.Column("consumer_group_id", Identifier, nullable=False),
        sa.Column("consumer_id", Identifier, nullable=False),
        sa.ForeignKeyConstraint(
            ["consumer_group_id"], ["consumer_group.id"], name="fk_consumer_group_member_consumer_group_id"
        ),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["consumer.id"], name="fk_consumer_group_member_consumer_id"
        ),
        sa.PrimaryKeyConstraint("consumer_group_id", "consumer_id", name="pk_consumer_group_member"),
    )
    op.create_index(
        "ix_consumer_group_member_consumer_id", "consumer_group_member", ["consumer_id"], unique=False
    )
    op.create_table(
        "key_auth_credential",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("consumer_id", Identifier, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("pepper_id", sa.String(length=16), nullable=False),
        sa.Column("last_four", sa.String(length=4), nullable=False),
        sa.Column("encrypted", Bytes, nullable=True),
        sa.Column("tags", Json, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.id"], name="fk_key_auth_credential_consumer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_key_auth_credential"),
        sa.UniqueConstraint("hash", name="uq_key_auth_credential_hash"),
    )
    op.create_index(
        "ix_key_auth_credential_consumer_id", "key_auth_credential", ["consumer_id"], unique=False
    )
    op.create_table(
        "route",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=True),
        sa.Column("protocols", Json, nullable=False),
        sa.Column("methods", Json, nullable=True),
        sa.Column("hosts", Json, nullable=True),
        sa.Column("paths", Json, nullable=True),
        sa.Column("headers", Json, nullable=True),
        sa.Column("https_redirect_status_code", sa.Integer(), nullable=False),
        sa.Column("regex_priority", BigInt, nullable=False),
        sa.Column("strip_path", sa.Boolean(), nullable=False),
        sa.Column("path_handling", sa.String(length=8), nullable=False),
        sa.Column("preserve_host", sa.Boolean(), nullable=False),
        sa.Column("request_buffering", sa.Boolean(), nullable=False),
        sa.Column("response_buffering", sa.Boolean(), nullable=False),
        sa.Column("tags", Json, nullable=True),
        sa.Column("service_id", Identifier, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_route_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_route"),
        sa.UniqueConstraint("name", name="uq_route_name"),
    )
    op.create_index("ix_route_service_id", "route", ["service_id"], unique=False)
    op.create_table(
        "plugin",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("instance_name", sa.String(length=128), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("config", Json, nullable=False),
        sa.Column("protocols", Json, nullable=False),
        sa.Column("tags", Json, nullable=True),
        sa.Column("service_id", Identifier, nullable=True),
        sa.Column("route_id", Identifier, nullable=True),
        sa.Column("consumer_id", Identifier, nullable=True),
        sa.Column("consumer_group_id", Identifier, nullable=True),
        sa.Column("scope", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(
            ["consumer_group_id"], ["consumer_group.id"], name="fk_plugin_consumer_group_id"
        ),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.id"], name="fk_plugin_consumer_id"),
        sa.ForeignKeyConstraint(["route_id"], ["route.id"], name="fk_plugin_route_id"),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_plugin_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plugin"),
        sa.UniqueConstraint("instance_name", name="uq_plugin_instance_name"),
        sa.UniqueConstraint("scope", name="uq_plugin_scope"),
    )
    op.create_index("ix_plugin_consumer_group_id", "plugin", ["consumer_group_id"], unique=False)
    op.create_index("ix_plugin_consumer_id", "plugin", ["consumer_id"], unique=False)
    op.create_index("ix_plugin_route_id", "plugin", ["route_id"], unique=False)
    op.create_index("ix_plugin_service_id", "plugin", ["service_id"], unique=False)
    # Versions start at the milliseconds of the database's birth and grow by one a write, so a database made
    # anew is ahead of everything that a gateway may remember of its predecessor: the gateway gets a full
    # resync, never a delta onto another database's configuration.
    birth = time.time_ns() // 1_000_000
    version = sa.table("config_version", sa.column("id"), sa.column("version"), sa.column("pruned_to"))
    op.bulk_insert(version, [{"id": 1, "version": birth, "pruned_to": birth}])


def downgrade() -> None:
    """Drop the tables, children first."""
    op.drop_table("plugin")
    op.drop_table("route")
    op.drop_table("key_auth_credential")
    op.drop_table("consumer_group_member")
    op.drop_table("acl")
    op.drop_table("service")
    op.drop_table("consumer_group")
    op.drop_table("consumer")
    op.drop_table("config_version")
    op.drop_table("config_change")
