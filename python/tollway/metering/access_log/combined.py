"""The combined log format of Apache and nginx, and the common one, which lacks its last two fields.

ADDRESS IDENT USER [TIME] "METHOD TARGET PROTOCOL" STATUS BYTES "REFERRER" "USER AGENT"
"""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "LINE", "METHOD", "STATUS", "USER", "find_fault"]

# Each field, its pattern, and what to write. Servers escape quotes in a request with a backslash. A request
# that made no sense to the server has no method, but it did get an answer.
_FIELDS: tuple[tuple[str, bytes, str], ...] = (
    ("remote_addr", rb"(\S+) ", "start with the client's address"),
    ("ident", rb"\S+ ", "write - where there is none"),
    ("remote_user", rb"([^\[\n]*) ", "write the user, or -, and then the time in brackets"),
    (
        "time",
        rb"\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(?::[0-9]{2}){3} [+-][0-9]{4}\] ",
        "write [17/May/2015:10:05:03 +0000]",
    ),
    (
        "request",
        rb'"(?:([A-Z]{1,32}) )?[^"\\\n]*+(?:\\.[^"\\\n]*+)*+" ',
        'write "GET /path HTTP/1.1", in quotes',
    ),
    ("status", rb"([1-5][0-9]{2}) ", "write 100 to 599"),
    ("bytes", rb"(?:[0-9]+|-)(?=[ \r\n]|\Z)", "write a number, or -"),
)

LINE = re.compile(rb"^" + b"".join(pattern for _, pattern, _ in _FIELDS) + rb"[^\n]*", re.MULTILINE)
"""A whole line. Its groups are `ADDRESS`, `USER`, `METHOD` (empty for none) and `STATUS`."""

ADDRESS, USER, METHOD, STATUS = range(4)


def find_fault(line: bytes) -> tuple[str, str, str]:
    """Return the first field of a faulty line that is wrong, what is wrong, and the fix."""
    position = 0
    for name, pattern, fix in _FIELDS:
        found = re.compile(pattern).match(line, position)
        if found is None:
            if position == len(line):
                return name, "the line ends before it", fix
            shown = line[position : position + 40].decode(errors="backslashreplace")
            return name, f"not found at {shown!r}", fix
        position = found.end()
    raise AssertionError("the line has no fault")
