"""Calls of operations: what is sent is what the operation has, encoded, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import read_api
from tollway.web.openapi.call import build_call
from tollway.web.openapi.model import Operation


def _operation(path: str, method: str = "get", **fields: Any) -> Operation:
    document = {"openapi": "3.1.0", "info": {}, "paths": {path: {method: fields}}}
    api = read_api(json.dumps(document).encode(), "openapi.json")
    operation = api.operation(api.entries[0].slug)
    assert operation is not None
    return operation


def _parameter(name: str, place: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {"type": "string"}, **fields}


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("PT", "/c/PT"),
        ("a/b", "/c/a%2Fb"),
        ("../admin", "/c/..%2Fadmin"),
        ("x?y=1#z", "/c/x%3Fy%3D1%23z"),
        ("%2e%2e", "/c/%252e%252e"),
        ("a\r\nb", "/c/a%0D%0Ab"),
        ("São", "/c/S%C3%A3o"),
    ],
)
def test_path_values_are_encoded(value: str, target: str) -> None:
    assert build_call(_operation("/c/{id}"), {"path.id": value}, None, None).target == target


@pytest.mark.parametrize("value", [".", ".."])
def test_steps_in_a_path_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match=r"path\.id"):
        build_call(_operation("/c/{id}"), {"path.id": value}, None, None)


def test_only_the_operations_own_parameters_go() -> None:
    operation = _operation("/c", parameters=[_parameter("q", "query"), _parameter("X-A", "header")])
    given = {
        "query.q": "a&b=c d",
        "query.admin": "1",
        "header.X-B": "1",
        "header.X-A": "v",
        "header.Host": "evil",
    }
    call = build_call(operation, given, "a body", "KEY")
    assert call.target == "/c?q=a%26b%3Dc%20d"
    assert call.headers == (("apikey", "KEY"), ("X-A", "v"))
    assert call.body is None


def test_headers_of_the_connection_and_line_ends_do_not_go() -> None:
    names = [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-Forwarded-For",
        "Authorization",
        "apikey",
        "X\nY",
    ]
    operation = _operation("/c", parameters=[_parameter(name, "header") for name in names])
    call = build_call(operation, {f"header.{name}": "x" for name in names}, None, "KEY")
    assert call.headers == (("apikey", "KEY"),)
    operation = _operation("/c", parameters=[_parameter("X-A", "header")])
    for value in ("a\r\nHost: b", "a\nb", "é", "a\x00b"):
        with pytest.raises(InvalidInput, match=r"header\.X-A"):
            build_call(operation, {"header.X-A": value}, None, None)


def test_lists_go_as_the_file_says() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    operation = _operation(
        "/c",
        parameters=[
            _parameter("a", "query", schema=schema),
            _parameter("b", "query", schema=schema, explode=False),
        ],
    )
    assert (
        build_call(operation, {"query.a": "1, 2", "query.b": "1\n2"}, None, None).target
        == "/c?a=1&a=2&b=1%2C2"
    )


def test_what_is_needed_is_asked_for() -> None:
    parameter = _parameter("q", "query", required=True, example="Paris")
    with pytest.raises(InvalidInput) as refusal:
        build_call(_operation("/c", parameters=[parameter]), {}, None, None)
    assert (refusal.value.location, refusal.value.fix) == ("query.q", "e.g. Paris")
    body = {"required": True, "content": {"application/json": {}}}
    with pytest.raises(InvalidInput, match="body"):
        build_call(_operation("/c", "post", requestBody=body), {}, "", None)


def test_hostile_paths_keep_their_target() -> None:
    for path in ("//evil.example/x", "/@evil.example", "/a b", "/{a}{a}", "/x?y#z", "/\\evil"):
        operation = _operation(path)
        target = build_call(operation, {"path.a": "1"}, None, None).target
        assert target.startswith("/")
        assert set(target).isdisjoint(" ?#\\")
