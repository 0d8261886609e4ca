"""Roles as commands of their own, in real processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_database

_ANYWHERE = tuple(f"TOLLWAY_{name}_LISTEN" for name in ("PROXY", "ADMIN", "CONSOLE", "PORTAL", "STATUS"))


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


@pytest.mark.timeout(240)
def test_everything_is_announced_with_the_addresses_it_has(tmp_path: Path) -> None:
    settings = dict.fromkeys(_ANYWHERE, "127.0.0.1:0") | {"TOLLWAY_CONSOLE_LISTEN": "off"}
    environment = os.environ | settings | {"TOLLWAY_DATA_DIR": str(tmp_path / "data")}
    command = (sys.executable, "-m", "tollway", "serve")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Tollway is ready"):
                    break
            rows = [process.stdout.readline().split() for _ in range(4)]
            addresses = dict(rows)
            assert list(addresses) == ["proxy", "admin", "portal", "status"]
            with urllib.request.urlopen(f"{addresses['portal']}/sign-up", timeout=30) as answer:
                page = answer.read().decode()
            assert "Get a key" in page
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
