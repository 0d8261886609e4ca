"""Every table there is, one module per domain; importing this package fills the metadata."""

from tollway.storage.tables import billing, catalog, gateway, idempotency, ledger, metering, payments, support

__all__ = ["billing", "catalog", "gateway", "idempotency", "ledger", "metering", "payments", "support"]
