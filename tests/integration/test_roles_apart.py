"""Control, worker and two gateways as processes of their own: own folders, own addresses, one PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support import postgres
from tests.support.ports import free_port
from tests.support.stack import Role, wait_ready
from tests.support.traffic import Upstream

KEY = "a-key-that-every-gateway-knows"
_PATIENCE = 90.0


class Apart:
    """Each role has a data folder and an address of its own; what they share is named in `shared`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = {
            "TOLLWAY_DATABASE_URL": postgres.new_database(),
            "TOLLWAY_SECRET_KEY": "the secret that all roles have",
            "TOLLWAY_CONTROL_SOCKET": str(folder / "run" / "control.sock"),
            "TOLLWAY_USAGE_LOG_DIR": str(folder / "usage-log"),
        }
        self.admin = self._address("127.0.0.2")
        listen = {
            "TOLLWAY_ADMIN_LISTEN": self.admin,
            "TOLLWAY_CONSOLE_LISTEN": "off",
            "TOLLWAY_PORTAL_LISTEN": "off",
        }
        self.gateways = [(self._address(host), self._address(host)) for host in ("127.0.0.1", "127.0.0.3")]
        self.roles = [self._role("control", "control", **listen), self._role("worker", "worker")]
        for number, (proxy, status) in enumerate(self.gateways):
            own = {"TOLLWAY_PROXY_LISTEN": proxy, "TOLLWAY_STATUS_LISTEN": status}
            self.roles.append(self._role("gateway", f"gateway-{number}", **own))

    @contextlib.contextmanager
    def running(self) -> Iterator[Apart]:
        """Start every role; end gateways first, so that the worker reads what they wrote."""
        with ExitStack() as ends:
            for role in self.roles:
                ends.callback(role.stop)
                role.start()
            self.wait_ready()
            yield self

    def wait_ready(self) -> None:
        """Return once both gateways serve the newest configuration."""
        for _, status in self.gateways:
            wait_ready(f"http://{status}", self.folder)

    def post(self, path: str, **body: object) -> None:
        """Create something through the Admin API."""
        answer = httpx2.post(f"http://{self.admin}{path}", json=body, timeout=20)
        assert answer.status_code == 201, answer.text

    def events(self) -> list[dict[str, object]]:
        """Return what the worker has metered."""
        command = [sys.executable, "-m", "tollway", "usage", "events", "--output", "json"]
        environment = self._environment("commands")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _role(self, role: str, name: str, **settings: str) -> Role:
        return Role(role, self._environment(name) | settings, self.folder / f"{name}.log")

    def _environment(self, name: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
        return inherited | self.shared | {"TOLLWAY_DATA_DIR": str(self.folder / name)}

    @staticmethod
    def _address(host: str) -> str:
        return f"{host}:{free_port(host)}"


@pytest.mark.timeout(300)
def test_roles_with_folders_and_addresses_of_their_own_are_one_tollway(tmp_path: Path) -> None:
    with Upstream().running() as upstream, Apart(tmp_path).running() as apart:
        apart.post("/services", name="api", url=f"http://127.0.0.1:{upstream.port}")
        apart.post("/services/api/routes", name="all", paths=["/"])
        apart.post("/services/api/plugins", name="key-auth")
        apart.post("/consumers", username="pro_user_123")
        apart.post("/consumers/pro_user_123/key-auth", key=KEY)
        apart.wait_ready()

        for proxy, _ in apart.gateways:
            for _ in range(5):
                answer = httpx2.get(f"http://{proxy}/length", headers={"apikey": KEY}, timeout=20)
                assert answer.status_code == 200, answer.text

        give_up = time.monotonic() + _PATIENCE
        while len(events := apart.events()) < 10:
            assert time.monotonic() < give_up, events
        assert len({event["request_id"] for event in events}) == len(events) == 10
        # Each gateway is a node of its own.
        assert len([path for path in (tmp_path / "usage-log").iterdir() if path.is_dir()]) == 2


def test_a_gateway_that_follows_another_makes_up_no_secret(tmp_path: Path) -> None:
    own = {
        "TOLLWAY_DATA_DIR": str(tmp_path / "second"),
        "TOLLWAY_CONTROL_SOCKET": str(tmp_path / "first" / "control.sock"),
        "TOLLWAY_PROXY_LISTEN": "127.0.0.1:0",
        "TOLLWAY_STATUS_LISTEN": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "tollway", "serve", "--role", "gateway"]
    done = subprocess.run(
        command, env=os.environ | own, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "TOLLWAY_SECRET_KEY" in done.stderr
