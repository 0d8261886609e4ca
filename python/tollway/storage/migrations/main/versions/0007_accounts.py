"""Accounts: organisations, users, operators, sessions, what proves an address; and the outbox of mails."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tollway.storage.types import Identifier, UtcTimestamp

revision = "0007_accounts"
down_revision = "0006_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "account_attempt",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("until", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_account_attempt")),
    )
    op.create_index(op.f("ix_account_attempt_until"), "account_attempt", ["until"], unique=False)
    op.create_table(
        "account_session",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("realm", sa.String(length=16), nullable=False),
        sa.Column("subject_id", Identifier, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("last_seen_at", UtcTimestamp, nullable=False),
        sa.Column("expires_at", UtcTimestamp, nullable=False),
        sa.CheckConstraint("realm IN ('portal', 'console')", name=op.f("ck_account_session_realm")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_account_session_token_hash")),
    )
    op.create_index(op.f("ix_account_session_expires_at"), "account_session", ["expires_at"], unique=False)
    op.create_index(
        "ix_account_session_realm_subject_id", "account_session", ["realm", "subject_id"], unique=False
    )
    op.create_table(
        "operator",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator")),
        sa.UniqueConstraint("email_key", name=op.f("uq_operator_email_key")),
    )
    op.create_table(
        "outbox_mail",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("due_at", UtcTimestamp, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", UtcTimestamp, nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_mail")),
    )
    op.create_index("ix_outbox_mail_due_at", "outbox_mail", ["due_at"], unique=False)
    op.create_table(
        "portal_user",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("confirmed_at", UtcTimestamp, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_user")),
        sa.UniqueConstraint("email_key", name=op.f("uq_portal_user_email_key")),
    )
    op.create_table(
        "sign_up",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("organisation_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.Column("expires_at", UtcTimestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_up_token_hash")),
    )
    op.create_index(op.f("ix_sign_up_email_key"), "sign_up", ["email_key"], unique=False)
    op.create_index(op.f("ix_sign_up_expires_at"), "sign_up", ["expires_at"], unique=False)
    op.create_table(
        "key_label",
        sa.Column("credential_id", Identifier, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_by", Identifier, nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["portal_user.id"], name=op.f("fk_key_label_created_by")),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_key_label")),
    )
    op.create_table(
        "organisation",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("customer_id", Identifier, nullable=True),
        sa.Column("consumer_id", Identifier, nullable=True),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_organisation_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("consumer_id", name=op.f("uq_organisation_consumer_id")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_organisation_customer_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_organisation_slug")),
    )
    op.create_table(
        "password_reset",
        sa.Column("id", Identifier, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", Identifier, nullable=False),
        sa.Column("expires_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_password_reset_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_reset")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_reset_token_hash")),
    )
    op.create_index(op.f("ix_password_reset_expires_at"), "password_reset", ["expires_at"], unique=False)
    op.create_index(op.f("ix_password_reset_user_id"), "password_reset", ["user_id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("organisation_id", Identifier, nullable=False),
        sa.Column("user_id", Identifier, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTimestamp, nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_membership_organisation_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_membership_user_id")),
        sa.CheckConstraint("role IN ('owner')", name=op.f("ck_membership_role")),
        sa.PrimaryKeyConstraint("organisation_id", "user_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_user_id"), "membership", ["user_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_membership_user_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(op.f("ix_password_reset_user_id"), table_name="password_reset")
    op.drop_index(op.f("ix_password_reset_expires_at"), table_name="password_reset")
    op.drop_table("password_reset")
    op.drop_table("organisation")
    op.drop_table("key_label")
    op.drop_index(op.f("ix_sign_up_expires_at"), table_name="sign_up")
    op.drop_index(op.f("ix_sign_up_email_key"), table_name="sign_up")
    op.drop_table("sign_up")
    op.drop_table("portal_user")
    op.drop_index("ix_outbox_mail_due_at", table_name="outbox_mail")
    op.drop_table("outbox_mail")
    op.drop_table("operator")
    op.drop_index("ix_account_session_realm_subject_id", table_name="account_session")
    op.drop_index(op.f("ix_account_session_expires_at"), table_name="account_session")
    op.drop_table("account_session")
    op.drop_index(op.f("ix_account_attempt_until"), table_name="account_attempt")
    op.drop_table("account_attempt")
