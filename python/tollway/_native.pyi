"""The engine (Rust). Every function here releases the GIL while it works."""

from collections.abc import Sequence
from typing import Final, final

__version__: Final[str]
