"""Access logs: both formats, plain and gzip, faulty lines told, damaged files refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.kernel.errors import InvalidInput
from tollway.metering.access_log import source
from tollway.metering.access_log.tally import ConsumerField, RequestKind, Tally, tally_log

pytestmark = pytest.mark.one_database

TIME = "[17/May/2015:10:05:03 +0000]"
GOOD = f'9.9.9.9 - ann {TIME} "GET /a?b=1 HTTP/1.1" 200 12 "http://x/\\"y\\"" "agent"\n'


def tally(path: Path, content: str | bytes, by: ConsumerField = ConsumerField.REMOTE_USER) -> Tally:
    path = path / "access.log"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tally_log(path, by)


def told(result: Tally) -> tuple[object, ...]:
    return result.requests, result.lines_read, result.lines_rejected, [str(fault) for fault in result.faults]


@pytest.mark.parametrize(
    ("line", "user", "method", "status"),
    [
        (GOOD, "ann", "GET", 200),
        (GOOD.replace("\n", ""), "ann", "GET", 200),
        (GOOD.replace("\n", "\r\n"), "ann", "GET", 200),
        (f'::1 - - {TIME} "POST / HTTP/1.0" 404 -\n', "anonymous", "POST", 404),
        (f'::1 - - {TIME} "POST / HTTP/1.0" 404 -\r\n', "anonymous", "POST", 404),
        (f'::1 - "" {TIME} "\\x16\\x03\\x01" 400 0 "-" "-"\n', '""', "", 400),
        (f'::1 - - {TIME} "-" 408 0\n', "anonymous", "", 408),
        (f'::1 - two words {TIME} "GET /\\" HTTP/1.0" 200 1\n', "two words", "GET", 200),
        (f'::1 - a\x1b[m {TIME} "GET / HTTP/1.0" 200 1\n'.replace("[m", "m"), "a\\x1bm", "GET", 200),
        (f'::1 - {{x}} {TIME} "GET / HTTP/1.0" 200 1\n', "{x}", "GET", 200),
    ],
)
def test_combined_and_common_lines(tmp_path: Path, line: str, user: str, method: str, status: int) -> None:
    result = tally(tmp_path, line)
    assert result.requests == {user: {RequestKind(method, status): 1}}
    assert (result.lines_read, result.lines_rejected) == (1, 0)


@pytest.mark.parametrize(
    ("entry", "user", "method", "status"),
    [
        ({"remote_user": "ann", "request": "GET /a HTTP/1.1", "status": 200}, "ann", "GET", 200),
        ({"remote_user": "ann", "request_method": "PUT", "status": "201"}, "ann", "PUT", 201),
        ({"remote_user": 7, "method": "PUT", "path": "/", "status": 201, "x": {"y": 1.5}}, "7", "PUT", 201),
        ({"remote_user": "-", "status": 500}, "anonymous", "", 500),
        ({"remote_user": None, "status": 500}, "anonymous", "", 500),
        ({"status": 500}, "anonymous", "", 500),
    ],
)
def test_json_lines(tmp_path: Path, entry: dict[str, object], user: str, method: str, status: int) -> None:
    result = tally(tmp_path, json.dumps(entry))
    assert result.requests == {user: {RequestKind(method, status): 1}}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x", "2: remote_addr: "),
        ("9.9.9.9 - ann", "2: remote_user: "),
        ('9.9.9.9 - ann [yesterday] "GET / HTTP/1.1" 200 1', "2: time: not found at '[yesterday]"),
        (f"9.9.9.9 - ann {TIME} GET / 200 1", "2: request: not found at 'GET / 200 1'"),
        (f'9.9.9.9 - ann {TIME} "GET / HTTP/1.1" 999 1', "2: status: not found at '999 1'; write 100 to 599"),
        (f'9.9.9.9 - ann {TIME} "GET / HTTP/1.1" 200 ', "2: bytes: the line ends before it"),
        (f'9.9.9.9 - ann {TIME} "GET / HTTP/1.1" 200 1x', "2: bytes: not found at '1x'"),
        ("\x1b[31m", "2: remote_addr: "),
    ],
)
def test_a_faulty_combined_line_is_counted_and_told(tmp_path: Path, line: str, fault: str) -> None:
    result = tally(tmp_path, f"{GOOD}{line}\n\n  \n{GOOD}")
    assert (result.lines_read, result.lines_rejected) == (3, 1)
    assert result.requests == {"ann": {RequestKind("GET", 200): 2}}
    assert f"access.log:{fault}" in str(result.faults[0])
    assert str(result.faults[0]).isprintable()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "line: not JSON"),
        ("[1]", "line: not an object"),
        ('{"status": 200} {"status": 200}', "line: not JSON: Extra data"),
        ("[" * 100_000, "line: not JSON"),
        ('{"status": 1e999, "x": ' + "9" * 5000 + "}", "line: not JSON"),
        ('{"remote_user": "x"}', "status: missing"),
        ('{"status": 2000}', "status: no status"),
        ('{"status": 200.0}', "status: no status"),
        ('{"status": true}', "status: no status"),
        ('{"status": 200, "remote_user": ["x"]}', "remote_user: not a text"),
        ('{"status": 200, "request_method": 5}', "request_method: not a text"),
    ],
    ids=range(11),
)
def test_a_faulty_json_line_is_counted_and_told(tmp_path: Path, line: str, fault: str) -> None:
    result = tally(tmp_path, f'{{"status": 200}}\n{line}\n{{"status": 200}}\n')
    assert (result.lines_read, result.lines_rejected) == (3, 1)
    assert f"access.log:2: {fault}" in str(result.faults[0])


def test_only_the_first_faults_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    result = tally(tmp_path, GOOD + "x\n" * 1000)
    assert (result.lines_rejected, len(result.faults)) == (1000, 5)


def test_a_line_without_end_is_one_faulty_line_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(source, "MAX_LINE_BYTES", 256)
    result = tally(tmp_path, GOOD + "x" * 5000 + "\n" + GOOD + GOOD + "y" * 300)
    assert (result.lines_read, result.lines_rejected) == (5, 2)
    assert [fault.location.rpartition("access.log")[2] for fault in result.faults] == [":2: line", ":5: line"]
    assert result.requests == {"ann": {RequestKind("GET", 200): 3}}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from([GOOD, GOOD, "\n", "bad\n", f"{GOOD[:-1]}{'z' * 99}\n"]), max_size=30),
    block=st.integers(1, 400),
    members=st.integers(1, 4),
)
def test_blocks_and_gzip_members_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], block: int, members: int
) -> None:
    content = "".join(lines).encode()
    plain = tally(tmp_path, content)
    size = -(-len(content) // members) or 1
    parts = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
    with monkeypatch.context() as patched:
        patched.setattr(source, "_BLOCK_BYTES", block)
        assert told(tally(tmp_path, content)) == told(plain)
        assert told(tally(tmp_path, b"".join(map(gzip.compress, parts)) + b"\0\0")) == told(plain)
    assert plain.lines_read == sum(line != "\n" for line in lines)
    assert plain.lines_rejected == lines.count("bad\n")


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.9999])
def test_a_gzip_file_that_is_cut_off_says_where(tmp_path: Path, keep: float) -> None:
    whole = gzip.compress((GOOD * 5000).encode(), compresslevel=1)
    cut = whole[: int(len(whole) * keep)]
    with pytest.raises(InvalidInput, match="cut off") as refused:
        tally(tmp_path, cut)
    assert f"near byte {len(cut)}" in refused.value.problem
    assert refused.value.location.endswith("access.log")
    assert "whole lines were read before it" in refused.value.problem


@pytest.mark.parametrize("tail", [b"tail", b""])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, tail: bytes) -> None:
    whole = bytearray(gzip.compress((GOOD * 500).encode()))
    if not tail:
        whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(InvalidInput, match="damaged"):
        tally(tmp_path, bytes(whole) + tail)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        tally_log(tmp_path / "none.log", ConsumerField.REMOTE_USER)
    with pytest.raises(InvalidInput, match="directory"):
        tally_log(tmp_path, ConsumerField.REMOTE_USER)


def test_progress_tells_the_bytes_of_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress((GOOD * 5000).encode()))
    seen: list[int] = []
    tally_log(path, ConsumerField.REMOTE_ADDR, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
