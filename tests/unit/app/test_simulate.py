"""The simulator: a golden result on real traffic, and its rules on a small log."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tollway.app.simulate import Simulation, simulate
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.metering.access_log.tally import ConsumerField

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).parents[3]
REAL_LOG = ROOT / "demo" / "data" / "apache_access_log.gz"
CATALOG = """\
_format_version: "1.0"
currency: USD
meters:
  - {name: calls, filter: {status: ["2xx", "304"]}}
  - {name: writes, filter: {method: [POST]}}
  - {name: routed, filter: {route: [data]}}
  - {name: traffic, aggregation: sum, sum: bytes_out}
plans:
  - name: pro
    prices:
      - {model: flat, amount: "10"}
      - model: graduated
        meter: calls
        tiers: [{up_to: 2, unit_amount: 0}, {up_to: null, unit_amount: "0.105"}]
  - name: writers
    prices:
      - {model: per_unit, meter: calls, unit_amount: "0.005"}
      - {model: per_unit, meter: writes, unit_amount: 1}
  - name: flat
    prices: [{model: flat, amount: "5"}]
  - name: by_route
    prices: [{model: per_unit, meter: routed, unit_amount: "1"}]
  - name: by_bytes
    prices: [{model: per_unit, meter: traffic, unit_amount: "1"}]
"""


def line(user: str, status: int, method: str = "GET") -> str:
    return f'1.1.1.1 - {user} [17/May/2015:10:05:03 +0000] "{method} / HTTP/1.1" {status} 5\n'


LOG = "".join(
    [
        line("ann", 200) * 3,
        line("ann", 304),
        line("ann", 500),
        line("bob", 201, "POST"),
        line("-", 404),
        "bad\n",
    ]
)


def run(folder: Path, plan: str, log: str = LOG) -> Simulation:
    (folder / "access.log").write_text(log)
    (folder / "catalog.yaml").write_text(CATALOG)
    return simulate(
        access_log=folder / "access.log",
        plans=folder / "catalog.yaml",
        plan=plan,
        consumer_field=ConsumerField.REMOTE_USER,
    )


def bills(result: Simulation) -> dict[str, tuple[int, int, str]]:
    return {bill.consumer: (bill.requests, bill.billable, bill.amount.text) for bill in result.consumers}


def test_each_consumer_seen_owes_fees_and_rounded_usage(tmp_path: Path) -> None:
    result = run(tmp_path, "pro")
    # ann: 10 + 2 free + 2 x 0.105; bob and anonymous: the fee alone
    assert bills(result) == {"ann": (5, 4, "10.21"), "bob": (1, 1, "10.00"), "anonymous": (1, 0, "10.00")}
    assert [bill.consumer for bill in result.consumers] == ["ann", "anonymous", "bob"]
    assert str(result.total) == "30.21 USD"
    assert (result.lines_read, result.lines_rejected) == (8, 1)
    assert "access.log:8: remote_addr" in str(result.faults[0])


def test_each_line_is_rounded_by_itself_and_a_request_is_billable_once(tmp_path: Path) -> None:
    # bob's one POST is taken by both meters: 0.005 rounds to 0.01, and 1.00
    assert bills(run(tmp_path, "writers"))["bob"] == (1, 1, "1.01")


def test_a_plan_without_usage_prices_tells_billable_by_the_catalogs_meters(tmp_path: Path) -> None:
    # calls and writes: what routes and bytes would tell is left out
    assert bills(run(tmp_path, "flat")) == {
        "ann": (5, 4, "5.00"),
        "bob": (1, 1, "5.00"),
        "anonymous": (1, 0, "5.00"),
    }


@pytest.mark.parametrize(("plan", "reason"), [("by_route", "needs routes"), ("by_bytes", "sums bytes_out")])
def test_what_no_access_log_tells_is_refused_rather_than_guessed(
    tmp_path: Path, plan: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        run(tmp_path, plan)


def test_an_unknown_plan_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has by_bytes, by_route, flat, pro, writers"):
        run(tmp_path, "gold")


def test_an_empty_log_bills_nobody(tmp_path: Path) -> None:
    result = run(tmp_path, "pro", log="")
    assert (result.lines_read, result.consumers, result.total.text) == (0, (), "0.00")


def test_the_real_log_gives_the_golden_result() -> None:
    result = simulate(
        access_log=REAL_LOG,
        plans=ROOT / "demo" / "catalog.yaml",
        plan="pro",
        consumer_field=ConsumerField.REMOTE_ADDR,
    )
    assert (result.lines_read, result.lines_rejected, len(result.consumers)) == (10_000, 0, 1753)
    assert sum(bill.requests for bill in result.consumers) == 10_000
    assert bills(result)["66.249.73.135"] == (482, 472, "61.80")
    assert str(result.total) == "85950.01 USD"


def test_the_real_log_adds_up_when_counted_another_way() -> None:
    # Python's own string methods instead of the parser; the pro plan's tiers written out.
    billable: Counter[str] = Counter()
    seen = set()
    for raw in gzip.decompress(REAL_LOG.read_bytes()).decode(errors="replace").splitlines():
        address, _, rest = raw.partition(" ")
        seen.add(address)
        status = rest.partition('" ')[2].split(" ")[0]
        billable[address] += status[0] in "23"
    amounts = []
    for address in seen:
        calls = billable[address]
        usage = Decimal("0.04") * min(max(calls - 50, 0), 150) + Decimal("0.025") * max(calls - 200, 0)
        amounts.append(Decimal(49) + (usage * 100 + Decimal("0.5")).to_integral_value("ROUND_FLOOR") / 100)
    assert sum(amounts) == Decimal("85950.01")
