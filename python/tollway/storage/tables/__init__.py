"""Every table there is, one module per domain; importing this package fills the metadata."""

from tollway.storage.tables import gateway

__all__ = ["gateway"]
