"""The engine (Rust). Every function here releases the GIL while it works."""

from typing import Final

__version__: Final[str]
