"""Forms as documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.errors import SchemaViolation
from tollway.gateway.schema.fields import Array, Boolean, Foreign, Integer, Map, Number, Record, String
from tollway.web.admin.forms import parse, typed

pytestmark = pytest.mark.one_database

RECORD = Record(
    fields={
        "name": String(),
        "count": Integer(),
        "rate": Number(),
        "on": Boolean(),
        "paths": Array(elements=String()),
        "ports": Array(elements=Integer()),
        "headers": Map(keys=String(), values=Array(elements=String())),
        "inner": Record(fields={"deep": Record(fields={"count": Integer()})}),
        "targets": Array(elements=Record(fields={"ip": String(), "port": Integer()})),
        "service": Foreign(reference="services"),
    }
)


@pytest.mark.parametrize(
    ("pairs", "document"),
    [
        ([("name", "5")], {"name": "5"}),
        ([("count", "5")], {"count": 5}),
        ([("count", "-5")], {"count": -5}),
        ([("count", "5.0")], {"count": "5.0"}),
        ([("count", "many")], {"count": "many"}),
        ([("rate", "0.5")], {"rate": 0.5}),
        ([("rate", "1e3")], {"rate": 1000.0}),
        ([("rate", "nan")], {"rate": "nan"}),
        ([("rate", "1e999")], {"rate": "1e999"}),
        ([("on", "true")], {"on": True}),
        ([("on", "yes")], {"on": "yes"}),
        ([("name", "")], {"name": None}),
        ([("paths", "")], {"paths": None}),
        ([("paths[]", "")], {"paths": []}),
        ([("paths", "/a")], {"paths": ["/a"]}),
        ([("paths", "/a"), ("paths", "/b")], {"paths": ["/a", "/b"]}),
        ([("paths[]", "/a"), ("paths[]", "/b")], {"paths": ["/a", "/b"]}),
        ([("paths[2]", "/b"), ("paths[1]", "/a")], {"paths": ["/a", "/b"]}),
        ([("paths[10]", "/b"), ("paths[9]", "/a")], {"paths": ["/a", "/b"]}),
        ([("paths.1", "/a")], {"paths": ["/a"]}),
        ([("paths[x]", "/a")], {"paths": {"x": "/a"}}),
        ([("ports[]", "1"), ("ports[]", "2")], {"ports": [1, 2]}),
        ([("headers.x-a", "1")], {"headers": {"x-a": ["1"]}}),
        ([("headers[x.a][]", "1")], {"headers": {"x.a": ["1"]}}),
        ([("inner.deep.count", "7")], {"inner": {"deep": {"count": 7}}}),
        ([("inner[deep][count]", "7")], {"inner": {"deep": {"count": 7}}}),
        ([("inner.deep[count]", "")], {"inner": {"deep": {"count": None}}}),
        ([("inner", "")], {"inner": None}),
        ([("targets[1].port", "1"), ("targets[1].ip", "a")], {"targets": [{"port": 1, "ip": "a"}]}),
        ([("service.id", "x")], {"service": {"id": "x"}}),
        ([("service", "")], {"service": None}),
        ([("name", "a"), ("name", "b")], {"name": ["a", "b"]}),
        ([("foo.bar", "1")], {"foo": {"bar": "1"}}),
        ([("[]", "1")], {"[]": "1"}),
        ([("a[", "1")], {"a[": "1"}),
        ([(".", "1")], {".": "1"}),
        ([("", "1")], {"": "1"}),
        ([("a" + ".b" * 50, "1")], {"a" + ".b" * 50: "1"}),
    ],
)
def test_pairs_and_their_document(pairs: list[tuple[str, str]], document: Any) -> None:
    assert typed(RECORD, parse(pairs)) == document


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a"), ("a[]", "a"), ("a.b.c", "a.b")])
def test_name_that_is_both_a_value_and_a_record(names: tuple[str, str]) -> None:
    with pytest.raises(SchemaViolation, match="both as a value and as a record"):
        parse((name, "1") for name in names)


@given(st.lists(st.tuples(st.text("ab[].1", max_size=8), st.text(max_size=3)), max_size=6))
def test_no_form_breaks_the_reader(pairs: list[tuple[str, str]]) -> None:
    try:
        document = typed(RECORD, parse(pairs))
    except SchemaViolation:
        return
    assert isinstance(document, dict)
