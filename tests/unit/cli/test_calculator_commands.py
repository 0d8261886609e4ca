"""The commands as a script sees them: streams, exit codes, both forms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOLLWAY = Path(sys.executable).with_name("tollway")
QUESTION = '{"id":1,"currency":"USD","price":{"model":"per_unit","unit_amount":"0.002"},"quantity":"121"}\n'


def tollway(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOLLWAY, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_faulty_line_is_answered_and_the_rest_go_on() -> None:
    answer = tollway("price", stdin=QUESTION + "oops\n\n" + QUESTION.replace('"id":1', '"id":2').strip())
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["id"] for line in lines] == [1, None, 2]
    assert lines[0]["total"] == "0.24"
    assert "error" in lines[1]
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_question_is_answered_before_the_next_is_asked() -> None:
    with subprocess.Popen(
        [TOLLWAY, "price"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(QUESTION)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["amount"] == "0.242"
        process.stdin.close()
        assert process.wait(10) == 0


def test_the_other_calculators() -> None:
    question = '{"id":1,"interval":"month","anchor":"2026-01-31","after":"2026-02-01"}'
    assert json.loads(tollway("periods", stdin=question).stdout) == {"id": 1, "next": "2026-02-28"}
    question = '{"id":1,"quantity":"9","period_start":"2026-06-01","period_end":"2026-07-01",'
    question += '"change_at":"2026-06-11"}'
    assert json.loads(tollway("prorate", stdin=question).stdout) == {"id": 1, "quantity": "6"}

    question = '{"id":"\\ud800","start":"2026-01-01","grants":[{"id":"a","amount":"5"}],"usage":[]}'
    answer = {"id": "\ud800", "balances": {"a": "5"}, "overage": "0"}
    assert json.loads(tollway("grants", stdin=question).stdout) == answer


def test_people_get_a_table() -> None:
    table = tollway("price", "--output", "table", stdin=QUESTION).stdout
    assert "121 units at 0.002 USD: 0.242" in table
    question = '{"id":1,"start":"2026-01-01","grants":[{"id":"free","amount":"5"}],"usage":[]}'
    assert "free: 5" in tollway("grants", "--output", "table", stdin=question).stdout


SIMULATE = (
    *(
        "simulate",
        "--plans",
        str(ROOT / "demo" / "catalog.yaml"),
        "--plan",
        "pro",
        "--consumer-field",
        "remote_addr",
    ),
    "--access-log",
)


def test_simulate_gives_the_contracts_json() -> None:
    answer = tollway(*SIMULATE, str(ROOT / "demo" / "data" / "apache_access_log.gz"), "--output", "json")
    result = json.loads(answer.stdout)
    assert list(result) == ["lines_read", "lines_rejected", "currency", "total", "consumers"]
    assert list(result["consumers"][0]) == ["consumer", "requests", "billable", "amount"]
    assert (result["lines_read"], result["total"], len(result["consumers"])) == (10_000, "85950.01", 1753)
    assert answer.stderr == ""


def test_simulate_tells_faulty_lines_on_stderr_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("bad\n" * 7)
    answer = tollway(*SIMULATE, str(log))
    assert answer.returncode == 0
    assert f"{log}:1: remote_addr" in answer.stderr
    assert "… and 2 more faulty lines" in answer.stderr


@pytest.mark.parametrize("arguments", [("nowhere.log",), (str(ROOT), "--plan", "gold")])
def test_a_fault_is_one_line_and_a_failure(arguments: tuple[str, ...]) -> None:
    answer = tollway(*SIMULATE, *arguments)
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
