"""`tollway usage` and `tollway node` over a real log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from tests.support.databases import database_settings
from tests.support.metered import NODE
from tollway import _native
from tollway.cli.main import app
from tollway.kernel.errors import TollwayError
from tollway.kernel.instants import format_instant

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx"]}}
  - {name: egress, aggregation: sum, sum: bytes_out}
"""
ALICE, BOB = uuid4(), uuid4()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLWAY_DATA_DIR", str(tmp_path))
    for name, value in database_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    run("catalog", "apply", str(tmp_path / "catalog.yaml"))
    (tmp_path / "usage-log").mkdir(exist_ok=True)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def serve(folder: Path) -> list[str]:
    """Serve four requests of Alice and one of Bob; return their ids."""
    writer = _native.UsageWriter(str(folder / "usage-log"), NODE)
    identifiers = [os.urandom(16) for _ in range(5)]
    for number, identifier in enumerate(identifiers):
        consumer = BOB if number == 4 else ALICE
        status = 404 if number == 3 else 200
        writer.append(request_id=identifier, consumer=consumer.bytes, status=status, bytes_out=100)
    writer.close()
    return [identifier.hex() for identifier in identifiers]


def quantities(rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {(row["consumer"], row["meter"]): row["quantity"] for row in rows}


def test_usage_is_what_was_served_a_moment_ago(folder: Path) -> None:
    assert json.loads(run("usage", "--output", "json")) == []
    before = format_instant(datetime.now(UTC))
    identifiers = serve(folder)
    rows = json.loads(run("usage", "--output", "json"))
    expected = {
        (str(ALICE), "api_calls"): "3",
        (str(ALICE), "egress"): "400",
        (str(BOB), "api_calls"): "1",
        (str(BOB), "egress"): "100",
    }
    assert quantities(rows) == expected
    assert set(rows[0]) == {"consumer", "meter", "quantity", "from", "to"}
    since = json.loads(run("usage", "--from", before, "--consumer", str(BOB), "--output", "json"))
    assert quantities(since) == {key: value for key, value in expected.items() if key[0] == str(BOB)}
    assert {row["from"] for row in since} == {before}
    assert json.loads(run("usage", "--to", before, "--output", "json")) == []

    events = [json.loads(line) for line in run("usage", "events", "--output", "json").splitlines()]
    assert [event["request_id"] for event in events] == identifiers
    lines = run("usage", "events", "--consumer", str(ALICE), "--meter", "api_calls", "--output", "json")
    assert [json.loads(line)["request_id"] for line in lines.splitlines()] == identifiers[:3]


def test_a_table_is_for_people(folder: Path) -> None:
    serve(folder)
    assert "api_calls" in run("usage", "--output", "table")
    assert "404" in run("usage", "events", "--output", "table")
    assert "complete until" in run("node", "list", "--output", "table")


def test_what_metering_has_to_say_is_not_in_the_answer(folder: Path) -> None:
    serve(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tollway", "usage"], capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)) == 4
    assert "a gateway node was met" in done.stderr


def test_a_node_is_retired_once(folder: Path) -> None:
    serve(folder)
    (node,) = json.loads(run("node", "list", "--output", "json"))
    assert node["node"] == NODE
    assert node["retired"] is None
    assert node["faults"] is None
    assert datetime.fromisoformat(node["complete_until"]) > datetime.now(UTC) - timedelta(minutes=1)
    retired = json.loads(run("node", "retire", NODE[:4], "--reason", "disk lost", "--output", "json"))
    assert retired["reason"] == "disk lost"
    assert json.loads(run("node", "list", "--output", "json"))[0]["retired"] == retired["retired"]
    with pytest.raises(TollwayError, match="retired already"):
        run("node", "retire", NODE, "--reason", "again")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("usage", "--from", "soon"), "--from: 'soon' is not an instant; write RFC 3339"),
        (("usage", "events", "--to", "soon"), "--to: 'soon' is not an instant"),
        (("usage", "--consumer", "nobody"), "no consumer named 'nobody'; give a username"),
        (("usage", "events", "--meter", "nothing"), "no meter named 'nothing'"),
        (("node", "retire", "ffff", "--reason", "gone"), "no node named 'ffff'; tollway node list"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_fault_is_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(TollwayError, match=message):
        run(*arguments)
