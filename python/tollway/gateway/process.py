"""The gateway's process: reads its options on standard input and hands the thread to the engine.

It imports the engine and nothing else, so that the data plane carries no more of Python than the
interpreter itself (ADR 3).
"""

import os
import sys

from tollway import _native

__all__ = ["main"]


def main() -> None:
    """Serve until told to stop. Options are one JSON document on standard input (it holds secrets)."""
    with os.fdopen(0, "rb", closefd=False) as options:
        document = options.read()
    try:
        _native.run_gateway(document)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"tollway gateway: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
