"""OpenAPI files: what is shown of them, and what a hostile one can't do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import Api, read_api
from tollway.web.openapi.model import KeyPlace, Operation, ParameterPlace, SchemaView
from tollway.web.openapi.naming import slug_of
from tollway.web.openapi.tree import read_tree

_DEMO = Path(__file__).parents[4] / "demo/upstream/openapi.yaml"


def _api(**parts: Any) -> Api:
    document = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, **parts}
    return read_api(json.dumps(document).encode(), "openapi.json")


def _only(**operation: Any) -> Operation:
    components = operation.pop("components", {})
    path = operation.pop("path", "/a")
    api = _api(paths={path: {"get": operation}}, components=components)
    found = api.operation(api.entries[0].slug)
    assert found is not None
    return found


def _schema(schema: object, **schemas: object) -> SchemaView:
    operation = _only(
        responses={"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
        components={"schemas": schemas},
    )
    content = operation.answers[0].content
    assert content is not None
    assert content.schema is not None
    return content.schema


def test_demo_is_read_whole() -> None:
    api = read_api(_DEMO.read_bytes(), "openapi.yaml")
    assert api.faults == ()
    assert [group.name for group in api.groups] == ["Cities", "Countries", "Geometry", "Files", "Service"]
    operation = api.operation("search-cities")
    assert operation is not None
    assert [(each.name, each.required) for each in operation.parameters] == [
        ("q", True), ("country", False), ("limit", False), ("offset", False),
    ]  # fmt: skip
    assert operation.key == KeyPlace(ParameterPlace.HEADER, "apikey")
    assert operation.parameters[2].schema.rules == ("at least 1", "at most 100", "default 20")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("lookUpCities", "look-up-cities"),
        ("getHTTPStatus", "get-http-status"),
        ("GET /v1/cities/{id}", "get-v1-cities-id"),
        ("État des lieux", "etat-des-lieux"),
        ("../../etc/passwd", "etc-passwd"),
        ("…", ""),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_two_operations_of_one_name_have_two_pages() -> None:
    same = {"operationId": "get", "responses": {}}
    api = _api(paths={"/a": {"get": same, "post": same}, "/b": {"get": same}})
    assert [entry.slug for entry in api.entries] == ["get", "get-2", "get-3"]
    assert "'get' is another's too" in str(api.faults[0])


def test_all_of_is_one_object_and_one_of_says_so() -> None:
    view = _schema(
        {
            "allOf": [
                {"$ref": "#/components/schemas/Page"},
                {"properties": {"data": {"items": {"type": "integer"}}}},
            ]
        },
        Page={"type": "object", "required": ["data"], "properties": {"data": {"type": "array"}}},
    )
    assert [(each.name, each.required, each.schema.kind) for each in view.properties] == [
        ("data", True, "list of integer")
    ]
    choice = _schema({"oneOf": [{"type": "string"}, {"type": "null"}, {"type": "integer", "minimum": 1000}]})
    assert (choice.kind, choice.variants_title) == ("value or null", "One of")
    assert [(each.kind, each.rules) for each in choice.variants] == [
        ("string", ()), ("integer", ("at least 1,000",)),
    ]  # fmt: skip


def test_kinds_in_words() -> None:
    assert _schema({"type": ["string", "null"], "format": "date"}).kind == "string (date) or null"
    assert _schema({"type": "string", "nullable": True}).kind == "string or null"
    assert (
        _schema({"type": "object", "additionalProperties": {"type": "integer"}}).kind
        == "object of integer by name"
    )
    assert _schema({"enum": ["a", "b"]}).rules == ("one of a, b",)
    assert (
        _schema({"type": "array", "items": {"$ref": "#/components/schemas/City"}}, City={}).kind
        == "list of City"
    )


def test_schema_that_holds_itself_ends() -> None:
    view = _schema(
        {"$ref": "#/components/schemas/Node"},
        Node={"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Node"},
              "all": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}},
    )  # fmt: skip
    assert [each.schema.cut for each in view.properties] == ["Node again, as above", "again, as above"]


def _nodes(view: SchemaView) -> int:
    inner = [*(each.schema for each in view.properties), *view.variants]
    return 1 + sum(map(_nodes, inner))


def test_schema_that_grows_without_end_is_cut() -> None:
    def level(n: int) -> dict[str, Any]:
        return {f"p{m}": {"$ref": f"#/components/schemas/s{n + 1}"} for m in range(30)}

    wide = {f"s{n}": {"type": "object", "properties": level(n)} for n in range(20)}
    view = _schema({"$ref": "#/components/schemas/s0"}, **wide)
    assert _nodes(view) <= 2_000
    folded = {f"a{n}": {"allOf": [{"$ref": f"#/components/schemas/a{n + 1}"}] * 60} for n in range(20)}
    assert _nodes(_schema({"$ref": "#/components/schemas/a0"}, **folded)) <= 2


def test_references_stay_in_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"description": "hidden"}')
    for target in (
        f"file://{secret}",
        "http://127.0.0.1:1/x",
        "secret.json",
        "#/nowhere",
        "#/paths/~1a/get/../x",
    ):
        api = _api(paths={"/a": {"get": {"responses": {"200": {"$ref": target}}}}})
        operation = api.operation("get-a")
        assert operation is not None
        assert operation.answers[0].description == ""
        assert len(api.faults) == 1
    circle = {"a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}}
    assert _schema({"$ref": "#/components/schemas/a"}, **circle).kind == "anything"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[" * 100_000, "nested more than"),
        (b'{"a":' * 100_000, "nested more than"),
        (b"a: " + b"[" * 1_000, "nested more than"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested more than"),
        (b"openapi: 3.1.0\na: &x [*x]", "the anchor &x"),
        (b"openapi: !!python/object/apply:os.system [id]", "the tag"),
        (b"openapi: 3.1.0\nopenapi: 3.0.0", "written twice"),
        (b"swagger: '2.0'", "only OpenAPI 3.0 to 3.2"),
        (b"openapi: 3.1.0\ninfo: ]", "openapi.json:2"),
        (b'{"openapi": "3.1.0", "x": "\\ud800"}', "surrogate"),
        (b'{"openapi": "3.1.0", "x": ' + b"9" * 10_000 + b"}", "bearable"),
        (b'{"openapi": "3.1.0", "x": NaN}', "NaN"),
        (b"\xff", "not UTF-8"),
        (b"- a", "not a mapping"),
        (b"", "not a mapping"),
    ],
)
def test_unreadable_file_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_api(raw, "openapi.json")
    assert problem in str(refusal.value)
    assert str(refusal.value).startswith("openapi.json")


def test_yaml_has_no_surprises() -> None:
    tree = read_tree(b"a: no\nb: 012\nc: 2026-01-01\nd: 1.5\ne: ~\nf: 1_000\ng: .inf\n200: x", "x.yaml")
    assert tree == {
        "a": "no", "b": 12, "c": "2026-01-01", "d": 1.5, "e": None, "f": "1_000", "g": ".inf", "200": "x",
    }  # fmt: skip


@pytest.mark.parametrize("junk", [None, 1, "x", [], [1], {"a": 1}, True, {"$ref": 1}, {"$ref": "#/x"}])
def test_whatever_stands_anywhere_is_harmless(junk: object) -> None:
    """Each place that is read, replaced by something else."""
    full: dict[str, Any] = {
        "parameters": [{"name": "q", "in": "query", "schema": {"type": "array", "items": {}}}],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"200": {"headers": {"X": {}}, "content": {"application/json": {"schema": {}}}}},
        "tags": ["a"], "summary": "s", "security": [{"k": []}],
    }  # fmt: skip
    for name, value in full.items():
        _only(**{**full, name: junk})
        if isinstance(value, list):
            _only(**{**full, name: [junk]})
    for schema in (
        "type",
        "items",
        "properties",
        "allOf",
        "oneOf",
        "enum",
        "required",
        "additionalProperties",
    ):
        _schema({"type": "array", schema: junk})
        _schema({"type": "object", schema: junk})
    for top in ("paths", "components", "tags", "servers", "security", "info"):
        api = _api(**{"paths": {"/a": {"get": full}}, top: junk})
        for entry in api.entries:
            assert api.operation(entry.slug) is not None


def test_large_file_is_indexed_once_and_read_by_the_page() -> None:
    paths = {
        f"/things{n}/{{id}}": {"get": {"operationId": f"getThing{n}", "tags": [f"t{n % 9}"], "responses": {}}}
        for n in range(2_000)
    }
    api = _api(paths=paths)
    assert len(api.entries) == 2_000
    assert api.operation("get-thing1999") is api.operation("get-thing1999")
    assert sum(len(group.entries) for group in api.groups) == 2_000


def test_paths_are_matched_most_concrete_first() -> None:
    operation = {"responses": {}}
    api = _api(paths={"/c/{id}": {"get": operation}, "/c/all": {"get": operation}, "/é": {"get": operation}})
    found = [api.matching("get", path) for path in ("/c/all", "/c/7", "/c/7/x", "/%C3%A9", "/c/a%2Fb")]
    assert [entry and entry.path for entry in found] == ["/c/all", "/c/{id}", None, "/é", "/c/{id}"]
    assert api.matching("POST", "/c/all") is None


@pytest.mark.parametrize(
    ("path", "asked", "values"),
    [
        ("/{a}.{b}/{c}", "/x.json/7", {"a": "x", "b": "json", "c": "7"}),
        ("/{a}-{b}", "/x-y-z", {"a": "x", "b": "y-z"}),
        ("/{a}.json", "/x.json.json", {"a": "x.json"}),
        ("/{a}{b}", "/xyz", {"a": "x", "b": "yz"}),
        ("/{a}-{b}", "/x", {}),
        ("/" + "-".join(f"{{v{number}}}" for number in range(30)), "/" + "-" * 2_000 + "/", {}),
    ],
)
def test_several_variables_in_a_segment_are_told_apart_in_one_go(
    path: str, asked: str, values: dict[str, str]
) -> None:
    (entry,) = _api(paths={path: {"get": {}}}).entries
    assert entry.variables(asked) == values


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (None, KeyPlace(ParameterPlace.HEADER, "apikey")),
        ([], None),
        ([{}, {"k": []}], None),
        ([{"k": []}], KeyPlace(ParameterPlace.QUERY, "key")),
        ([{"b": []}], KeyPlace(ParameterPlace.HEADER, "Authorization", "Bearer ")),
        ([{"unknown": []}], KeyPlace(ParameterPlace.HEADER, "apikey")),
        ([{"evil": []}], KeyPlace(ParameterPlace.HEADER, "apikey")),
    ],
)
def test_where_the_key_goes(security: list[Any] | None, expected: KeyPlace | None) -> None:
    schemes = {
        "k": {"type": "apiKey", "in": "query", "name": "key"},
        "b": {"type": "http", "scheme": "Bearer"},
        "evil": {"type": "apiKey", "in": "header", "name": "X\r\nY"},
    }
    operation = {} if security is None else {"security": security}
    assert _only(**operation, components={"securitySchemes": schemes}).key == expected
