"""`python -m demo.upstream`: run the Atlas API until it is told to stop."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from demo.upstream.app import create_app
from demo.upstream.dataset import load


def main() -> None:
    """Serve. `ATLAS_STAFF_TOKEN` opens the staff's operation, `ATLAS_REQUEST_LOG` is `--request-log`."""
    parser = argparse.ArgumentParser(prog="python -m demo.upstream", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--request-log", type=Path, default=os.environ.get("ATLAS_REQUEST_LOG"))
    options = parser.parse_args()
    app = create_app(
        load(), staff_token=os.environ.get("ATLAS_STAFF_TOKEN") or None, request_log=options.request_log
    )
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=300,
        lifespan="off",
    )


if __name__ == "__main__":
    main()
