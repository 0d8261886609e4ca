"""Checks of values and across fields that several schemas use; the sentences are Kong's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from tollway.gateway.schema.entity import EntityCheck
from tollway.gateway.schema.violation import Problem

__all__ = [
    "at_least_one_of",
    "header_name",
    "host",
    "is_set",
    "name",
    "no_control_characters",
    "only_one_of",
    "only_when",
    "pattern",
    "required_if",
    "service_host",
    "tag",
    "value_at",
]

_NAME = re.compile(r"[A-Za-z0-9.\-_~\u0080-\U0010ffff]+")
_HEADER = re.compile(r"[A-Za-z0-9\-_]+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")
_PORT = re.compile(r":\d+$")


def name(value: str) -> str | None:
    """A name as it may stand in a path."""
    if _NAME.fullmatch(value):
        return None
    return f"invalid value '{value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"


def tag(value: str) -> str | None:
    """A tag: `,` and `/` have a meaning in filters."""
    if value.isprintable() and not set(value) & {",", "/"}:
        return None
    return f"invalid tag '{value}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"


def no_control_characters(value: str) -> str | None:
    """Text that travels upstream in a header: a line break there would start another header."""
    return None if value.isprintable() else "must not contain control characters"


def header_name(value: str) -> str | None:
    """A header's name."""
    return (
        None
        if _HEADER.fullmatch(value)
        else f"bad header name '{value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
    )


def host(value: str) -> str | None:
    """A host name or an address, without a port."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return None
    if _PORT.search(value):
        return "must not have a port"
    labels = value.removesuffix(".").split(".")
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return f"invalid value: {value}"
    return None


def service_host(value: str) -> str | None:
    """Where a service is: a host, or the path of a Unix socket behind `unix:`."""
    if not value.startswith("unix:"):
        return host(value)
    path = value.removeprefix("unix:")
    if not path.startswith("/") or not path.isprintable() or not path.isascii() or " " in path:
        return "write unix: and the socket's whole path, as in unix:/run/api.sock"
    # What the kernel's address of a socket holds.
    return None if len(path) <= 107 else "a socket's path may have 107 characters"


def only_when(field: str, one_of: tuple[str, ...], then: str) -> EntityCheck:
    """`then` may be set only where `field` is one of these."""

    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        if document[field] in one_of or document[then] is None:
            return None
        return {
            "@entity": [f"failed conditional validation given value of field '{field}'"],
            then: "value must be null",
        }

    description = {
        "if_field": field,
        "if_match": {"not_one_of": list(one_of)},
        "then_field": then,
        "then_match": {"eq": None},
    }
    return EntityCheck({"conditional": description}, test)


def pattern(expression: str, problem: str) -> Callable[[str], str | None]:
    """Make a check that wants the whole text to match `expression`; `problem` may use `{}` for the text."""
    compiled = re.compile(expression)
    return lambda value: None if compiled.fullmatch(value) else problem.format(value)


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """Return what stands at `config.redis.host`, or None."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def is_set(value: Any) -> bool:
    """Whether a field holds something: null and empty lists and maps don't."""
    return value is not None and value not in ([], {}, ())


def at_least_one_of(*paths: str) -> EntityCheck:
    """One of these fields has to be set."""
    problem = "at least one of these fields must be non-empty: " + _quoted(paths)

    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        return None if any(is_set(value_at(document, path)) for path in paths) else {"@entity": [problem]}

    return EntityCheck({"at_least_one_of": list(paths)}, test)


def only_one_of(*paths: str) -> EntityCheck:
    """Exactly one of these fields has to be set."""
    problem = "exactly one of these fields must be non-empty: " + _quoted(paths)

    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        count = sum(is_set(value_at(document, path)) for path in paths)
        return None if count == 1 else {"@entity": [problem]}

    return EntityCheck({"only_one_of": list(paths)}, test)


def required_if(condition: str, equals: Any, path: str) -> EntityCheck:
    """`path` has to be set where `condition` has this value."""

    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        if value_at(document, condition) != equals or is_set(value_at(document, path)):
            return None
        fault: Problem = "required field missing"
        for part in reversed(path.split(".")):
            fault = {part: fault}
        assert isinstance(fault, Mapping)
        return {"@entity": [f"failed conditional validation given value of field '{condition}'"], **fault}

    description = {
        "if_field": condition,
        "if_match": {"eq": equals},
        "then_field": path,
        "then_match": {"required": True},
    }
    return EntityCheck({"conditional": description}, test)


def _quoted(paths: tuple[str, ...]) -> str:
    return ", ".join(f"'{path}'" for path in paths)
