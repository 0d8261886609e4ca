"""TLS as a seller sets it up: certificates by the Admin API, changed live, asked for by curl."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx2

from tests.e2e.gateway.test_gateway_process import Upstream
from tests.support.certificates import make
from tests.support.gateway_process import eventually
from tests.support.ports import free_port
from tests.support.stack import Stack


class Curl:
    """Asks for `name`, which is this machine, trusting one certificate and no other."""

    def __init__(self, port: int, trusted: Path) -> None:
        self._port, self._trusted = port, trusted

    def __call__(self, name: str, *options: str) -> tuple[int, str, dict[str, str]]:
        """Return curl's exit code, the version of HTTP, and the headers that the upstream saw."""
        command = ["curl", "-sS", "--noproxy", "*", "--resolve", f"{name}:{self._port}:127.0.0.1"]
        command += ["--cacert", str(self._trusted), "-w", "\n%{http_version}", *options]
        done = subprocess.run(
            [*command, f"https://{name}:{self._port}/api/x"], check=False, capture_output=True, timeout=30
        )
        body, _, version = done.stdout.decode().rpartition("\n")
        return done.returncode, version, json.loads(body)["headers"] if body.startswith("{") else {}


def test_certificates_of_the_admin_api_are_shown_live(tmp_path: Path, upstream: Upstream) -> None:
    port = free_port()
    first, key = make("api.example.com")
    second, second_key = make("api.example.com", days=90)
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(first)
    stack = Stack(tmp_path, TOLLWAY_PROXY_TLS_LISTEN=f"127.0.0.1:{port}")
    with stack.running():
        curl = Curl(port, trusted)
        stack.admin("/services", name="api", url=f"http://127.0.0.1:{upstream.server_port}")
        stack.admin("/services/api/routes", name="api", paths=["/api"], protocols=["https"])
        # Nothing of the seller's yet: what the gateway made for itself is nobody's to trust.
        assert curl("api.example.com")[0] == 60
        made = stack.admin("/certificates", cert=first, key=key, snis=["api.example.com"])
        eventually(lambda: curl("api.example.com")[0] == 0)
        for options, version in (
            (("--http1.0",), "1.1"),
            (("--http1.1", "--tlsv1.2", "--tls-max", "1.2"), "1.1"),
            (("--http1.1", "--tlsv1.3"), "1.1"),
            (("--http2",), "2"),
        ):
            exit_code, spoken, headers = curl("api.example.com", *options)
            assert (exit_code, spoken) == (0, version), options
            assert headers["x-forwarded-proto"] == "https"
            assert headers["x-forwarded-port"] == str(port)
        assert curl("other.example.com")[0] == 60  # a name that it isn't for
        assert curl("api.example.com", "--tls-max", "1.1")[0] == 35
        # A plain call to the route is sent to TLS, and one to the TLS port is told.
        assert httpx2.get(stack.url("proxy") + "/api/x").status_code == 426
        assert httpx2.get(f"http://127.0.0.1:{port}/api/x").status_code == 400
        # Exchanged live.
        path = f"{stack.url('admin')}/certificates/{made['id']}"
        changed = httpx2.patch(path, json={"cert": second, "key": second_key}, timeout=10)
        assert changed.status_code == 200, changed.text
        eventually(lambda: curl("api.example.com")[0] == 60)
        trusted.write_text(second)
        assert curl("api.example.com")[0] == 0
