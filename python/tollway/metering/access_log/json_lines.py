"""Access logs as JSON lines, one object for each request, with nginx's names.

Needed is `status`. `remote_addr` and `remote_user` name the consumer. The method is `request_method` or
`method`, or the first word of `request`. Whatever else a line has is not looked at.
"""

from __future__ import annotations

import json

__all__ = ["LineFault", "read_line"]

_STATUS = 'write "status": 200'


class LineFault(Exception):
    """What is wrong with one line."""

    def __init__(self, field: str, problem: str, fix: str) -> None:
        self.field, self.problem, self.fix = field, problem, fix
        super().__init__(problem)


def read_line(line: bytes, consumer_field: str) -> tuple[bytes, bytes, bytes]:
    """Return consumer, method and status, as the combined format would have them; empty for none.

    Raises:
        LineFault: what is wrong with the line.
    """
    try:
        entry = json.loads(line.decode())
    except UnicodeDecodeError:
        raise LineFault("line", "not UTF-8", "write UTF-8") from None
    except (ValueError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else "can't be read"
        raise LineFault("line", f"not JSON: {problem}", "write one object on each line") from None
    if not isinstance(entry, dict):
        raise LineFault("line", "not an object", 'write {"remote_addr": …, "status": 200}')
    return _consumer(entry, consumer_field), _method(entry), _status(entry)


def _consumer(entry: dict[str, object], field: str) -> bytes:
    value = entry.get(field)
    if value is None:
        return b""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise LineFault(field, "not a text", f'write "{field}": "…"')
    return value.encode(errors="backslashreplace")


def _method(entry: dict[str, object]) -> bytes:
    value = entry.get("request_method", entry.get("method"))
    if value is None:
        request = entry.get("request")
        if not isinstance(request, str):
            return b""
        value = request.partition(" ")[0]
    if not isinstance(value, str):
        raise LineFault("request_method", "not a text", 'write "request_method": "GET"')
    return value.encode(errors="backslashreplace")


def _status(entry: dict[str, object]) -> bytes:
    value = entry.get("status")
    if value is None:
        raise LineFault("status", "missing", _STATUS)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (len(text) == 3 and text.isascii() and text.isdigit() and "1" <= text[0] <= "5"):
        raise LineFault("status", "no status", _STATUS)
    return text.encode()
