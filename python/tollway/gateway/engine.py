"""The engine's own judgement of a configuration, before control commits it."""

from __future__ import annotations

from tollway import _native
from tollway.kernel.errors import InvalidInput

__all__ = ["NativeEngineCheck"]


class NativeEngineCheck:
    """`tollway.gateway.ports.EngineCheck` by the very code that gateways run."""

    def base(self, document: bytes) -> None:
        """Compile a base; `InvalidInput` where a gateway would refuse it."""
        try:
            _native.check_base(document.decode())
        except _native.ConfigError as error:
            raise InvalidInput(error.location, error.problem, error.fix) from error

    def rows(self, table: str, rows: bytes) -> None:
        """Compile rows of a keyed table; `InvalidInput` where a gateway would refuse one."""
        try:
            _native.check_rows(table, rows.decode())
        except _native.ConfigError as error:
            raise InvalidInput(error.location, error.problem, error.fix) from error
