"""The demo's upstream keeps its own OpenAPI description, and each status is earned."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from starlette.routing import Route

from demo.upstream.app import OPENAPI_FILE, create_app
from demo.upstream.dataset import Places
from demo.upstream.geometry import distance_km

Ask = Callable[..., httpx2.Response]

DOCUMENT: dict[str, Any] = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
PARIS, NEW_YORK, LONDON = 2988507, 5128581, 2643743


@pytest.fixture
def ask(places: Places, tmp_path: Path) -> Ask:
    app = create_app(places, staff_token="staff", request_log=tmp_path / "seen")

    def call(method: str, url: str, **options: Any) -> httpx2.Response:
        async def once() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://atlas") as client:
                return await client.request(method, url, **options)

        return asyncio.run(once())

    return call


def test_description_and_app_have_the_same_operations(places: Places) -> None:
    described = {
        (path, method.upper(), operation["operationId"])
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }
    served = {
        (route.path.replace(":path", ""), method, _camel(route.name))
        for route in create_app(places).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == described


CALLS = [
    ("getIndex", "/v1", {}, 200),
    ("listContinents", "/v1/continents", {}, 200),
    ("listCountries", "/v1/countries?continent=EU&limit=5", {}, 200),
    ("listCountries", "/v1/countries?continent=XX", {}, 404),
    ("listCountries", "/v1/countries?limit=0", {}, 400),
    ("getCountry", "/v1/countries/fr", {}, 200),
    ("getCountry", "/v1/countries/zz", {}, 404),
    ("listCountryCities", "/v1/countries/FR/cities?offset=20", {}, 200),
    ("listCountryCities", "/v1/countries/zz/cities", {}, 404),
    ("searchCities", "/v1/cities?q=san f&country=US", {}, 200),
    ("searchCities", "/v1/cities?q=s", {}, 400),
    ("getCity", f"/v1/cities/{PARIS}", {}, 200),
    ("getCity", "/v1/cities/1", {}, 404),
    ("getCity", "/v1/cities/paris", {}, 400),
    ("lookUpCities", "/v1/cities/lookup", {"json": {"ids": [PARIS, LONDON]}}, 200),
    ("lookUpCities", "/v1/cities/lookup", {"json": {"ids": [1]}}, 404),
    ("lookUpCities", "/v1/cities/lookup", {"json": {"ids": []}}, 400),
    ("lookUpCities", "/v1/cities/lookup", {"content": b"[]"}, 400),
    ("nearestCities", "/v1/nearest?lat=48.85&lon=2.35&limit=3", {}, 200),
    ("nearestCities", "/v1/nearest?lat=91&lon=0", {}, 400),
    ("getDistance", f"/v1/distance?from={PARIS}&to={LONDON}", {}, 200),
    ("getDistance", f"/v1/distance?from={PARIS}&to=1", {}, 404),
    ("getBearing", f"/v1/bearing?from={PARIS}&to={LONDON}", {}, 200),
    ("getBearing", f"/v1/bearing?from={PARIS}&to={PARIS}", {}, 500),
    ("listStates", "/v1/states", {}, 200),
    ("getState", "/v1/states/ca", {}, 200),
    ("getState", "/v1/states/zz", {}, 404),
    ("listDownloads", "/v1/downloads", {}, 200),
    ("getDownload", "/v1/downloads/countries.csv", {}, 200),
    ("getDownload", "/v1/downloads/countries.csv", {"headers": {"Range": "bytes=0-9"}}, 206),
    ("getDownload", "/v1/downloads/countries.csv", {"headers": {"Range": "bytes=9999999-"}}, 416),
    ("getDownload", "/v1/downloads/none.csv", {}, 404),
    ("listSources", "/v1/sources", {"headers": {"X-Atlas-Staff": "staff"}}, 200),
    ("listSources", "/v1/sources", {"headers": {"X-Atlas-Staff": "guess"}}, 403),
    ("moved", "/v0/cities/1?x=y", {}, 301),
    ("openapi", "/openapi.json", {}, 200),
]


@pytest.mark.parametrize(("operation_id", "url", "options", "status"), CALLS)
def test_operation_answers_as_described(
    ask: Ask, operation_id: str, url: str, options: dict[str, Any], status: int
) -> None:
    method, operation = _operation(operation_id)
    answer = ask(method, url, **options)
    assert answer.status_code == status
    described = _resolve(operation["responses"][str(status)])
    assert set(described.get("headers", {})) <= {_header(name) for name in answer.headers}
    for media_type, content in described.get("content", {}).items():
        assert answer.headers["content-type"].startswith(media_type)
        if media_type.endswith("json"):
            _conforms(answer.json(), content["schema"])


def test_every_operation_and_status_described_is_tried() -> None:
    tried = {(operation_id, str(status)) for operation_id, _, _, status in CALLS}
    described = {
        (operation["operationId"], status)
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        for status in operation["responses"]
        if status != "304"
    }
    # A bad page or city id is refused by code that other operations' calls try.
    shared = {(name, "400") for name in ("listCountryCities", "listStates", "getDistance", "getBearing")}
    assert described - tried <= shared | {("getBearing", "404")}


def test_whoever_holds_the_answer_gets_304(ask: Ask) -> None:
    first = ask("GET", "/v1/states")
    for held in (first.headers["etag"], f'W/{first.headers["etag"]}, "other"', "*"):
        again = ask("GET", "/v1/states", headers={"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert ask("GET", "/v1/states", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=0-99999999", 0, None)],
)
def test_ranges_are_cut_where_asked(ask: Ask, wanted: str, first: int, last: int | None) -> None:
    whole = ask("GET", "/v1/downloads/cities.csv").content
    part = ask("GET", "/v1/downloads/cities.csv", headers={"Range": wanted})
    assert part.status_code == 206
    assert part.content == whole[first : None if last is None else last + 1]
    start, end, size = map(int, re.findall(r"\d+", part.headers["content-range"]))
    assert (len(part.content), size) == (end - start + 1, len(whole))


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=-"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=0-1", "If-Range": '"old"'},
    ],
)
def test_ranges_that_do_not_apply_give_the_whole_file(ask: Ask, headers: dict[str, str]) -> None:
    assert ask("GET", "/v1/downloads/us-states.csv", headers=headers).status_code == 200


def test_head_and_options_are_judged_as_get_is(ask: Ask) -> None:
    head = ask("HEAD", f"/v1/cities/{PARIS}")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(ask("GET", f"/v1/cities/{PARIS}").content)
    options = ask("OPTIONS", f"/v1/cities/{PARIS}")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert ask("OPTIONS", "/v1/cities/1").status_code == 404
    assert ask("OPTIONS", f"/v1/bearing?from={PARIS}&to={PARIS}").status_code == 500
    assert ask("DELETE", f"/v1/cities/{PARIS}").status_code == 405


def test_pages_tile(ask: Ask) -> None:
    seen, url = [], "/v1/countries?limit=100"
    while url:
        page = ask("GET", url).json()
        seen += [row["code"] for row in page["data"]]
        url = page["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == page["total"]


def test_nearest_is_what_looking_at_every_city_finds(places: Places) -> None:
    for latitude, longitude in [
        (0.0, 0.0),
        (-89.0, 10.0),
        (90.0, 0.0),
        (51.5, -0.1),
        (10.0, 179.99),
        (-45.3, -179.9),
    ]:
        everything = sorted(
            (distance_km(latitude, longitude, city.latitude, city.longitude), city.id)
            for city in places.cities.values()
        )
        found = places.nearest(latitude, longitude, 5)
        assert [(away, city.id) for away, city in found] == everything[:5]


def test_search_ignores_case_and_accents(ask: Ask) -> None:
    names = [row["name"] for row in ask("GET", "/v1/cities?q=ZURI").json()["data"]]
    assert "Zürich" in names


def test_moved_paths_stay_in_version_1(ask: Ask) -> None:
    assert ask("GET", "/v0/cities/1?x=y").headers["location"] == "/v1/cities/1?x=y"
    assert ask("GET", "/v0//evil.example").headers["location"].startswith("/v1/")


def test_request_ids_are_noted_before_the_answer(ask: Ask, tmp_path: Path) -> None:
    ask("GET", "/v1/bearing?from=1&to=1", headers={"X-Kong-Request-Id": "ab12"})
    ask("GET", "/v1", headers={"apikey": "secret"})
    assert (tmp_path / "seen").read_text() == "ab12 GET /v1/bearing\n"


def test_served_description_is_the_file(ask: Ask) -> None:
    assert ask("GET", "/openapi.json").json() == json.loads(json.dumps(DOCUMENT))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _header(name: str) -> str:
    return {"etag": "ETag"}.get(name, "-".join(part.capitalize() for part in name.split("-")))


def _operation(operation_id: str) -> tuple[str, dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        for method, operation in item.items():
            if operation["operationId"] == operation_id:
                return method.upper(), operation
    raise AssertionError(operation_id)


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    target: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    assert isinstance(target, dict)
    return target


JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None),
}  # fmt: skip


def _conforms(value: Any, schema: dict[str, Any]) -> None:
    """Check the part of JSON Schema that the description uses."""
    schema = _resolve(schema)
    for part in schema.get("allOf", ()):
        _conforms(value, part)
    if wanted := schema.get("type"):
        kinds = [wanted] if isinstance(wanted, str) else wanted
        assert any(isinstance(value, JSON_TYPES[kind]) for kind in kinds), (value, wanted)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for name, inner in schema.get("properties", {}).items():
            _conforms(value[name], inner)
    if isinstance(value, list):
        for item in value:
            _conforms(item, schema.get("items", {}))
