"""Selling on the command line, over real databases and a real usage log."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from tests.support.databases import database_settings
from tollway import _native
from tollway.app.commerce import open_seller
from tollway.app.settings import load_settings
from tollway.cli import main as cli_main
from tollway.cli.main import app
from tollway.kernel.clock import ManualClock
from tollway.kernel.errors import Conflict, InvalidInput, TollwayError
from tollway.kernel.ids import new_id
from tollway.kernel.instants import format_instant

CATALOG = """
_format_version: "1.0"
currency: USD
meters:
  - {name: api_calls, aggregation: count, filter: {status: ["2xx", "3xx"]}}
plans:
  - name: free
    rate_limit: {minute: 60}
    prices:
      - {model: per_unit, meter: api_calls, unit_amount: "0"}
  - name: pro
    rate_limit: {minute: 1000}
    prices:
      - {model: flat, amount: "49.00"}
      - model: graduated
        meter: api_calls
        tiers: [{up_to: "10", unit_amount: "0"}, {up_to: null, unit_amount: "0.002"}]
"""


class Cli:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "catalog.yaml").write_text(CATALOG)

    def run(self, *arguments: str) -> str:
        """Run a command as `main` does; what it refuses is raised."""
        result = CliRunner().invoke(app, ["--data-dir", str(self.folder / "data"), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--output", "json"))

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--output", "json").splitlines()]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("TOLLWAY_DATA_DIR", str(tmp_path / "data"))
    for name, value in database_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    cli = Cli(tmp_path)
    cli.run("catalog", "apply", "catalog.yaml")
    with open_seller(load_settings()) as seller, seller.gateways.write() as gateway:
        for name in ("acme", "hobby"):
            gateway.consumers.create({"username": name})
    return cli


def _serve(folder: Path, calls: list[tuple[dict[str, Any], int]]) -> list[str]:
    """Log calls as a gateway would, and end it; return the request ids of those that count."""
    writer = _native.UsageWriter(str(folder / "data" / "usage-log"), "ab" * 16)
    counted = []
    for subscription, status in calls:
        request = new_id()
        writer.append(
            request_id=request.bytes,
            customer=UUID(subscription["customer"]).bytes,
            phase=UUID(subscription["phase"]).bytes,
            status=status,
            test_mode=subscription["mode"] == "test",
        )
        if status < 400:
            counted.append(request.hex)
    writer.close()
    return counted


def _later(days: int) -> str:
    return format_instant(datetime.now(UTC) + timedelta(days=days))


def test_from_a_catalog_to_the_requests_behind_a_line(cli: Cli) -> None:
    pro = cli.json("subscription", "create", "--consumer", "acme", "--plan", "pro", "--mode", "test")
    assert (pro["plan"], pro["status"], pro["mode"]) == ("pro/1", "active", "test")
    made = _serve(cli.folder, [(pro, 200)] * 24 + [(pro, 404), (pro, 302)])
    preview = cli.json("invoice", "preview", "--consumer", "acme")
    assert (preview["number"], preview["total"]) == (None, "49.00")
    done = cli.json("billing", "run", "--as-of", _later(32))
    assert [(row["number"], row["total"]) for row in done] == [
        ("TEST-INV-000001", "49.00"),
        ("TEST-INV-000002", "49.03"),
    ]
    assert cli.json("billing", "run", "--as-of", _later(32)) == []
    listed = cli.json("invoice", "list", "--mode", "test", "--status", "finalised")
    assert [row["customer"] for row in listed] == ["acme", "acme"]
    lines = cli.json("invoice", "lines", "TEST-INV-000002")
    assert [(line["kind"], line["quantity"]) for line in lines] == [("fee", "1"), ("usage", "25")]
    opened = cli.lines("invoice", "events", "TEST-INV-000002", "--line", "2")
    assert {event["line"] for event in opened} == {2}
    assert sorted(event["request_id"] for event in opened) == sorted(made)
    assert cli.lines("invoice", "events", "TEST-INV-000002") == opened
    shown = cli.json("invoice", "show", "TEST-INV-000002")
    assert cli.json("invoice", "show", shown["id"]) == shown
    assert "<!doctype html>" in cli.run("invoice", "show", "TEST-INV-000002", "--format", "html")
    assert "Total" in cli.run("invoice", "show", "TEST-INV-000002", "--output", "table")


def test_a_file_of_subscriptions(cli: Cli) -> None:
    file = cli.folder / "subscriptions.jsonl"
    file.write_text('{"consumer": "acme", "plan": "pro"}\n\n{"consumer": "hobby", "plan": "free"}\n')
    assert cli.json("subscription", "import", str(file), "--mode", "test")["subscriptions"] == 2
    listed = cli.json("subscription", "list")
    assert [(row["consumer"], row["plan"], row["mode"]) for row in listed] == [
        ("acme", "pro/1", "test"),
        ("hobby", "free/1", "test"),
    ]
    cli.run("subscription", "import", str(file), "--mode", "test")
    assert cli.json("subscription", "list") == listed


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"consumer": "hobby"}',
        '{"consumer": "hobby", "plan": 1}',
        "no JSON",
        '{"consumer": "hobby", "plan": "pro", "mode": "test"}',
    ],
)
def test_a_faulty_line_of_subscriptions_is_named(cli: Cli, line: str) -> None:
    file = cli.folder / "subscriptions.jsonl"
    file.write_text('{"consumer": "acme", "plan": "pro"}\n' + line + "\n")
    with pytest.raises(InvalidInput, match=r"subscriptions.jsonl:2: not a consumer with its plan"):
        cli.run("subscription", "import", str(file))
    assert cli.json("subscription", "list") == []


def test_changes_and_ends_follow_the_test_clock(cli: Cli) -> None:
    cli.run("subscription", "create", "--consumer", "acme", "--plan", "free", "--mode", "test")
    preview = cli.json("subscription", "change", "--consumer", "acme", "--plan", "pro", "--preview")
    assert [line["kind"] for line in preview["lines"]] == ["fee", "usage"]
    assert cli.json("subscription", "list")[0]["plan"] == "free/1"
    changed = cli.json("subscription", "change", "--consumer", "acme", "--plan", "pro")
    assert (changed["plan"], changed["change"]) == ("pro/1", "now")
    ended = cli.json("subscription", "cancel", "--consumer", "acme")
    assert ended["status"] == "ending"
    cli.run("billing", "run", "--as-of", _later(70))
    assert [row["total"] for row in cli.json("invoice", "list")][-1] == "0.00"
    assert cli.json("subscription", "create", "--consumer", "acme", "--plan", "pro", "--mode", "test")["plan"]


def test_live_invoices_wait_for_the_seller_and_for_time(cli: Cli) -> None:
    cli.run("subscription", "create", "--consumer", "acme", "--plan", "pro")
    with pytest.raises(
        Conflict, match=r"left as a draft: .*seller.name: needed .* tollway seller set --name"
    ):
        cli.run("invoice", "run", "--until", _later(0))
    assert cli.json("invoice", "list")[0]["status"] == "draft"
    details = ("--name", "Atlas", "--address", "1 Quay Street", "--address", "Dublin", "--country", "IE")
    cli.run("seller", "set", *details, "--tax-id", "eu_vat=IE1234567T", "--invoice-prefix", "A-")
    assert cli.json("seller", "show")["address"] == "1 Quay Street, Dublin"
    cli.run("customer", "set", "--customer", "acme", "--name", "Acme GmbH", "--country", "DE")
    done = cli.json("invoice", "run", "--until", _later(40))
    assert [row["number"] for row in done] == ["A-000001"]
    recipient = cli.json("invoice", "show", "A-000001")["recipient"]
    assert (recipient["name"], recipient["country"]) == ("Acme GmbH", "DE")
    assert cli.json("billing", "run", "--as-of", _later(40)) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("catalog", "apply", "missing.yaml"), r"missing.yaml: No such file"),
        (("subscription", "create", "--consumer", "nobody", "--plan", "pro"), r"no consumer named 'nobody'"),
        (
            ("subscription", "create", "--consumer", "acme", "--plan", "gold"),
            r"no plan named 'gold'; there is free, pro",
        ),
        (("subscription", "cancel", "--consumer", "acme"), r"no subscription of consumer named 'acme'"),
        (("invoice", "run", "--until", "soon"), r"--until: 'soon' is not an instant"),
        (("billing", "run", "--as-of", "2026-13-01"), r"--as-of"),
        (("invoice", "show", "INV-9"), r"no invoice named 'INV-9'"),
        (("seller", "set", "--country", "Ireland"), r"--country: 'Ireland'"),
        (("seller", "set", "--tax-id", "IE1"), r"--tax-id: 'IE1'"),
        (("seller", "set", "--currency", "EURO"), r"--currency: 'EURO'"),
        (("seller", "set", "--name", " "), r"--name: empty"),
        (("customer", "set", "--customer", "nobody"), r"no live customer named 'nobody'"),
        (("seller", "set", "--invoice-prefix", "<b>"), r"--invoice-prefix"),
        (("seller", "set", "--invoice-prefix", "A1"), r"--invoice-prefix: 'A1' .* the last no digit"),
        (("seller", "set", "--invoice-prefix", "TEST-INV-"), r"--invoice-prefix: TEST- .*another prefix"),
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(cli: Cli, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(TollwayError, match=problem) as raised:
        cli.run(*arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("group", ["catalog", "subscription", "invoice", "billing", "seller", "customer"])
def test_every_command_has_an_example(cli: Cli, group: str) -> None:
    listing = cli.run(group, "--help")
    commands = [line.split()[0] for line in listing.partition("Commands:")[2].splitlines() if line.strip()]
    assert commands
    for command in commands:
        assert f"Example: tollway {group} {command}" in " ".join(cli.run(group, command, "--help").split())


def test_an_add_on_is_taken_on_previewed_and_given_up(cli: Cli) -> None:
    extra = 'addons: [{name: extra, features: [maps], prices: [{model: flat, amount: "19.00"}]}]\n'
    (cli.folder / "more.yaml").write_text(CATALOG + extra)
    cli.run("catalog", "apply", "more.yaml")
    cli.run("subscription", "create", "--consumer", "acme", "--plan", "free", "--mode", "test")
    change = ("subscription", "add-on", "--consumer", "acme")
    preview = cli.json(*change, "--add", "extra", "--preview")
    fees = [(line["description"], line["price"]) for line in preview["lines"] if line["kind"] == "fee"]
    assert fees == [("Add-on extra", "extra/1/prices/0")] * 2
    added = cli.json(*change, "--add", "extra")
    assert [(item["name"], item["ends_at"]) for item in added["add_ons"]] == [("extra", None)]
    assert added["change"] == "now"
    removed = cli.json(*change, "--remove", "extra")
    assert removed["add_ons"][0]["ends_at"] == removed["effective_at"]
    with pytest.raises(Conflict, match="removed already"):
        cli.run(*change, "--remove", "extra")
    assert cli.json(*change, "--remove", "extra", "--now")["add_ons"] == []
    for wrong in ([], ["--add", "a", "--remove", "b"], ["--add", "a", "--now"]):
        with pytest.raises(InvalidInput, match="--add NAME"):
            cli.run(*change, *wrong)
    cli.json("billing", "run", "--as-of", _later(32))
    (numbered,) = cli.json("invoice", "list", "--mode", "test")
    lines = cli.json("invoice", "lines", numbered["number"])
    assert [(line["kind"], line["add_on"]) for line in lines] == [("fee", "extra/1"), ("usage", None)]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OperationalError("x", {}, sqlite3.OperationalError("database is locked")), "database is locked"),
        (TimeoutError("no write transaction"), "no write transaction"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(cli_main, "app", refuse)
    with pytest.raises(SystemExit) as ended:
        cli_main.main()
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n")) == (1, 1)
    assert line in told


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli_main, "app", fail)
    with pytest.raises(ZeroDivisionError):
        cli_main.main()


def test_an_invoice_run_lets_waiting_changes_happen_first(cli: Cli) -> None:
    cli.run("subscription", "create", "--consumer", "acme", "--plan", "pro", "--mode", "live")
    cli.run("subscription", "cancel", "--consumer", "acme")
    with open_seller(load_settings()) as opened:
        later = datetime.now(UTC) + timedelta(days=40)
        seller = replace(opened, clock=ManualClock(later))
        assert len(list(seller.close_periods(datetime.now(UTC), mode=None, wait=timedelta(0)))) == 1
        with seller.gateways.read() as gateway:
            assert gateway.consumer_groups.groups_of(gateway.consumers.get("acme").id) == []
