"""Every table there is, one module per domain; importing this package fills the metadata."""

from tollway.storage.tables import (
    accounts,
    billing,
    catalog,
    gateway,
    idempotency,
    ledger,
    metering,
    outbox,
    payments,
    support,
)

__all__ = [
    "accounts",
    "billing",
    "catalog",
    "gateway",
    "idempotency",
    "ledger",
    "metering",
    "outbox",
    "payments",
    "support",
]
