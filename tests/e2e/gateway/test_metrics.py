"""`/metrics` as Prometheus' own parser reads it: what is counted, under which labels, and for how long."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.gateway.test_gateway_process import KEY, control
from tests.support.control_stub import ControlStub
from tests.support.gateway_process import GatewayProcess, eventually

__all__ = ["control"]

GROUP = "00000000-0000-4000-8000-0000000000e1"


class Figures:
    """One scrape. A metric is asked for by its name as it is written, and the labels that matter."""

    def __init__(self, gateway: GatewayProcess) -> None:
        text = gateway.status("/metrics").body.decode()
        self.families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Add up what has these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of a label."""
        return {sample.labels[label] for sample in self._samples if sample.name == name}


def _configured(document: dict[str, Any]) -> None:
    document["routes"][0]["name"] = 'the "main" one'
    document["consumer_groups"] = [{"id": GROUP, "name": "pro"}]


def test_requests_are_counted_by_route_and_group(tmp_path: Path, control: ControlStub) -> None:
    _configured(control.base)
    control.tables["consumers"][0]["groups"] = [GROUP]
    with GatewayProcess(tmp_path, version="1.2.3") as gateway:
        gateway.ready()
        for _ in range(3):
            assert gateway.get("/api/items", apikey=KEY).status == 200
        assert gateway.get("/api/items").status == 401
        assert gateway.get("/nowhere").status == 404
        _ask_with_body(gateway)

        figures = Figures(gateway)
        name = "tollway_http_requests_total"
        main = {"service": "api", "route": 'the "main" one'}
        assert figures.sum(name, **main, status="200", source="upstream") == 4
        assert figures.sum(name, **main, status="401", source="gateway") == 1
        assert figures.sum(name, service="", route="", status="404") == 1
        assert figures.sum("tollway_http_body_bytes_total", **main, direction="in") == 5
        assert figures.sum("tollway_http_body_bytes_total", **main, direction="out") > 100
        assert figures.sum("tollway_consumer_group_requests_total", consumer_group="pro") == 4
        for family, count in {"request": 5, "upstream": 4, "gateway": 5}.items():
            histogram = f"tollway_{family}_duration_seconds"
            assert figures.sum(f"{histogram}_count", service="api") == count
            assert figures.sum(f"{histogram}_bucket", service="api", le="+Inf") == count
            assert figures.sum(f"{histogram}_sum", service="api") > 0
        assert figures.sum("tollway_build_info", version="1.2.3") == 1
        for gauge in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
            assert figures.sum(gauge) > 0
        _is_in_good_style(figures)


def _ask_with_body(gateway: GatewayProcess) -> None:
    """Ask in one piece: the upstream doesn't wait for the body, and its answer could come before it."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(
            b"GET /api/items HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"apikey: %s\r\nContent-Length: 5\r\n\r\n12345" % KEY.encode()
        )
        with client.makefile("rb") as answer:
            assert b" 200 " in answer.readline()
            answer.read()


def _is_in_good_style(figures: Figures) -> None:
    """What promtool would say: families are explained once, counters end in _total, units are base units."""
    names = [family.name for family in figures.families]
    assert len(names) == len(set(names))
    for family in figures.families:
        assert family.documentation, family.name
        assert family.name.startswith(("tollway_", "process_")), family.name
        assert not family.name.endswith(("_ms", "_milliseconds", "_kib")), family.name
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples), family.name
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(keys) == len(set(keys)), family.name


def test_what_the_configuration_has_no_more_is_told_no_more(tmp_path: Path, control: ControlStub) -> None:
    with GatewayProcess(tmp_path) as gateway:
        gateway.ready()
        assert gateway.get("/open/x", apikey=KEY).status == 200
        assert len(Figures(gateway).labels("tollway_http_requests_total", "route")) == 1
        control.change(base={**control.base, "routes": control.base["routes"][:1]})
        eventually(lambda: gateway.get("/open/x").status == 404)
        assert Figures(gateway).labels("tollway_http_requests_total", "route") == {""}


def test_who_asks_nothing_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway, ExitStack() as open_for_now:
        for _ in range(100):
            silent = socket.create_connection(("127.0.0.1", gateway.status_port), timeout=20)
            open_for_now.enter_context(silent)
        # More than are looked at together: the first are sent away after five seconds.
        assert gateway.status("/livez").status == 200
