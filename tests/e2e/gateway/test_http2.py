"""HTTP/2 by clients that nobody here wrote: h2spec, which knows what the RFCs ask for, and curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.gateway.test_gateway_process import Upstream, base, events, tables
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess

ROOT = Path(__file__).parents[3]

# Where HTTP/1 is spoken too, what is no preface is no request of HTTP/1 either, and answered 400 in that.
SPOKEN_BOTH = {"Sends invalid connection preface"}


@contextmanager
def running(folder: Path, upstream: Upstream, *, tls: bool) -> Iterator[GatewayProcess]:
    control = ControlStub(folder / "control.sock", base(upstream.server_port, 1000), tables())
    with GatewayProcess(folder, tls=tls) as gateway:
        yield gateway.ready()
    control.close()


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[GatewayProcess]:
    with running(tmp_path, upstream, tls=False) as gateway:
        yield gateway


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_h2spec_finds_no_fault(tmp_path: Path, upstream: Upstream, *, tls: bool) -> None:
    report = tmp_path / "h2spec.xml"
    with running(tmp_path, upstream, tls=tls) as gateway:
        address = ["--host", "127.0.0.1", "--port", str(gateway.port), "--path", "/open/x"]
        address += ["--tls", "--insecure"] if tls else []
        command = [ROOT / ".build/bin/h2spec", *address, "--timeout", "5", "--junit-report", report]
        subprocess.run(command, check=False, capture_output=True, timeout=240)
        assert gateway.process.poll() is None
    cases = list(ET.parse(report).iter("testcase"))
    assert len(cases) >= 145
    faults = {case.get("classname", "") for case in cases if case.find("failure") is not None}
    faults |= {case.get("classname", "") for case in cases if case.find("error") is not None}
    assert faults == SPOKEN_BOTH


@pytest.mark.parametrize(
    ("option", "version"),
    [("--http1.0", "1.1"), ("--http1.1", "1.1"), ("--http2", "1.1"), ("--http2-prior-knowledge", "2")],
)
def test_curl_speaks_every_version(
    tmp_path: Path, gateway: GatewayProcess, option: str, version: str
) -> None:
    url = f"http://127.0.0.1:{gateway.port}/open/x"
    command = ["curl", "-sS", option, "-w", "\n%{http_version}\n", url]
    said = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode().splitlines()
    assert said[1] == version
    assert json.loads(said[0])["headers"]["via"] == {"--http1.0": "1.0 tollway"}.get(
        option, f"{version} tollway"
    )
    assert gateway.stop() == (0, "")
    assert [(event.status, event.completion) for event in events(tmp_path)] == [(200, "complete")]
