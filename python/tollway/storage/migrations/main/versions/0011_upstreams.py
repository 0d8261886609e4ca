"""Upstreams with their targets, certificates, and what services and routes say about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Bytes, Identifier, Json, UtcTimestamp

revision = "0011_upstreams"
down_revision = "0010_subscription_shown"
branch_labels = None
depends_on = None


def _stamped(*columns: sa.Column[object]) -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", Identifier, nullable=False),
        *columns,
        sa.Column("tags", Json, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("updated_at", UtcTimestamp, nullable=False),
    )


def upgrade() -> None:
    """Make the tables and columns; no service speaks TLS."""
    op.create_table(
        "certificate",
        *_stamped(
            sa.Column("cert", sa.Text(), nullable=False),
            sa.Column("key_encrypted", Bytes, nullable=False),
            sa.Column("cert_alt", sa.Text(), nullable=True),
            sa.Column("key_alt_encrypted", Bytes, nullable=True),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_certificate"),
    )
    op.create_table(
        "sni",
        *_stamped(
            sa.Column("name", sa.String(length=255), nullable=False),
            sa.Column("certificate_id", Identifier, nullable=False),
        ),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name="fk_sni_certificate_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sni"),
        sa.UniqueConstraint("name", name="uq_sni_name"),
    )
    op.create_index("ix_sni_certificate_id", "sni", ["certificate_id"], unique=False)
    op.create_table(
        "ca_certificate",
        *_stamped(
            sa.Column("cert", sa.Text(), nullable=False),
            sa.Column("cert_digest", sa.String(length=64), nullable=False),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ca_certificate"),
        sa.UniqueConstraint("cert_digest", name="uq_ca_certificate_cert_digest"),
    )
    op.create_table(
        "upstream",
        *_stamped(
            sa.Column("name", sa.String(length=255), nullable=False),
            sa.Column("algorithm", sa.String(length=32), nullable=False),
            sa.Column("hash_on", sa.String(length=16), nullable=False),
            sa.Column("hash_fallback", sa.String(length=16), nullable=False),
            sa.Column("hash_on_header", sa.String(length=128), nullable=True),
            sa.Column("hash_fallback_header", sa.String(length=128), nullable=True),
            sa.Column("hash_on_cookie", sa.String(length=255), nullable=True),
            sa.Column("hash_on_cookie_path", sa.String(length=2048), nullable=False),
            sa.Column("hash_on_query_arg", sa.String(length=255), nullable=True),
            sa.Column("hash_fallback_query_arg", sa.String(length=255), nullable=True),
            sa.Column("hash_on_uri_capture", sa.String(length=255), nullable=True),
            sa.Column("hash_fallback_uri_capture", sa.String(length=255), nullable=True),
            sa.Column("slots", sa.Integer(), nullable=False),
            sa.Column("healthchecks", Json, nullable=False),
            sa.Column("host_header", sa.String(length=300), nullable=True),
            sa.Column("client_certificate_id", Identifier, nullable=True),
            sa.Column("use_srv_name", sa.Boolean(), nullable=False),
        ),
        sa.ForeignKeyConstraint(
            ["client_certificate_id"], ["certificate.id"], name="fk_upstream_client_certificate_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_upstream"),
        sa.UniqueConstraint("name", name="uq_upstream_name"),
    )
    op.create_index("ix_upstream_client_certificate_id", "upstream", ["client_certificate_id"], unique=False)
    op.create_table(
        "target",
        *_stamped(
            sa.Column("upstream_id", Identifier, nullable=False),
            sa.Column("target", sa.String(length=300), nullable=False),
            sa.Column("weight", sa.Integer(), nullable=False),
        ),
        sa.ForeignKeyConstraint(["upstream_id"], ["upstream.id"], name="fk_target_upstream_id"),
        sa.PrimaryKeyConstraint("id", name="pk_target"),
        sa.UniqueConstraint("upstream_id", "target", name="uq_target_upstream_id_target"),
    )
    reference = sa.ForeignKey("certificate.id", name="fk_service_client_certificate_id")
    op.add_column(
        "service",
        sa.Column("client_certificate_id", Identifier, reference, nullable=True),
        inline_references=True,  # SQLite adds a constraint with its column or never
    )
    op.create_index("ix_service_client_certificate_id", "service", ["client_certificate_id"], unique=False)
    op.add_column("service", sa.Column("tls_verify", sa.Boolean(), nullable=True))
    op.add_column("service", sa.Column("tls_verify_depth", sa.Integer(), nullable=True))
    op.add_column("service", sa.Column("ca_certificates", Json, nullable=True))
    op.add_column("route", sa.Column("snis", Json, nullable=True))


def downgrade() -> None:
    """Take them away again, children first."""
    op.drop_column("route", "snis")
    op.drop_index("ix_service_client_certificate_id", "service")
    with op.batch_alter_table("service") as service:  # SQLite drops no column that refers to another table
        for name in ("ca_certificates", "tls_verify_depth", "tls_verify", "client_certificate_id"):
            service.drop_column(name)
    for table in ("target", "upstream", "ca_certificate", "sni", "certificate"):
        op.drop_table(table)
