"""The use cases, by entity; `Gateway` has them all over one open transaction."""

from tollway.gateway.service.gateway import LOCAL, Gateway
from tollway.gateway.service.imports import ImportRow, PreparedImport, prepare_import

__all__ = ["LOCAL", "Gateway", "ImportRow", "PreparedImport", "prepare_import"]
