"""The story reads well where there is no terminal."""

from __future__ import annotations

import pytest

from demo.narrator import Narrator


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator()
    narrator.section("First")
    narrator.facts(("gateway", "http://localhost:8000"), ("id", "[x]"))
    narrator.table(("plan", "calls"), [("free", "7"), ("pro", "1,234")])
    with narrator.progress("keys", 3) as step:
        for _ in range(3):
            step()
    with narrator.working("invoices"):
        pass
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["1  First", "   gateway  http://localhost:8000", "   id       [x]"]
    assert [line.split() for line in told[4:8] if "─" not in line] == [
        ["plan", "calls"],
        ["free", "7"],
        ["pro", "1,234"],
    ]
    assert told[-2:] == ["   3 of 3 keys, 0 s", "   invoices, 0 s"]
    assert not any(line.endswith(" ") for line in told)


def test_a_long_replay_is_told_in_quarters(capsys: pytest.CaptureFixture[str]) -> None:
    with Narrator().progress("requests", 10_000) as step:
        for _ in range(10_000):
            step()
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["2,500", "5,000", "7,500", "10,000"]
