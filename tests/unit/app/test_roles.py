"""Roles as commands of their own, in real processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

_ANYWHERE = ("TOLLWAY_PROXY_LISTEN", "TOLLWAY_ADMIN_LISTEN", "TOLLWAY_STATUS_LISTEN")


def _eventually(process: subprocess.Popen[bytes], path: Path) -> None:
    for _ in range(400):
        if path.exists():
            return
        assert process.poll() is None, f"ended with {process.returncode}"
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def test_a_gateway_runs_alone_and_keeps_its_files_to_its_user(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)  # somebody made it before, open to all
    environment = os.environ | dict.fromkeys(_ANYWHERE, "127.0.0.1:0") | {"TOLLWAY_DATA_DIR": str(data)}
    command = (sys.executable, "-m", "tollway", "serve", "--role", "gateway")
    with subprocess.Popen(command, env=environment) as gateway:
        try:
            _eventually(gateway, data / "counters" / "table")
            run = json.loads((data / "run.json").read_text())
            assert run["processes"] == {"gateway": gateway.pid}
        finally:
            gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(20) == 0
    files = [path for path in data.rglob("*") if path.is_file()]
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
