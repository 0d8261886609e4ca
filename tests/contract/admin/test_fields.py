"""Fields that have rules of their own, and the words in which their faults are told."""

# ruff: noqa: E501  # faults stand whole, so that they can be searched for

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.certificates import make

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://up.test", ("http", "up.test", 80, None)),
        ("http://up.test/", ("http", "up.test", 80, "/")),
        ("https://up.test/api/v1", ("https", "up.test", 443, "/api/v1")),
        ("http://127.0.0.1:9000", ("http", "127.0.0.1", 9000, None)),
        ("http://[::1]:9000/x", ("http", "[::1]", 9000, "/x")),
        ("grpcs://up.test", ("grpcs", "up.test", 443, None)),
        ("http://unix:/run/api.sock:/v1", ("http", "unix:/run/api.sock", 80, "/v1")),
        ("http://unix:/run/api.sock", ("http", "unix:/run/api.sock", 80, None)),
    ],
)
def test_url_stands_for_four_fields(
    admin: TestClient, url: str, expected: tuple[str, str, int, str | None]
) -> None:
    answer = admin.post("/services", data={"url": url})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["protocol"], body["host"], body["port"], body["path"]) == expected
    assert "url" not in body
    moved = admin.patch(f"/services/{body['id']}", json={"url": "http://new.test:81/y"})
    assert (moved.json()["host"], moved.json()["port"], moved.json()["path"]) == ("new.test", 81, "/y")


SERVICE_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "host: required field missing"),
    ({"url": "up.test"}, "url: missing host in url; write a URL such as http://example.com:8080/path"),
    ({"url": "http://up.test:99999"}, "url: invalid url: write a URL such as http://example.com:8080/path"),
    ({"host": "up.test:80"}, "host: must not have a port"),
    ({"host": "up test"}, "host: invalid value: up test"),
    ({"host": "a", "port": 65536}, "port: value should be between 0 and 65535"),
    (
        {"host": "a", "protocol": "ftp"},
        "protocol: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp",
    ),
    ({"host": "a", "path": "x"}, "path: should start with: /"),
    ({"host": "a", "path": "/a//b"}, "path: must not have empty segments"),
    ({"host": "a", "connect_timeout": 0}, "connect_timeout: value should be between 1 and 2147483646"),
    (
        {"host": "a", "name": "a b"},
        "name: invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
    ),
    (
        {"host": "a", "tags": ["a,b"]},
        "tags.1: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
    ),
    ({"url": "https://a", "tls_verify_depth": 65}, "tls_verify_depth: value should be between 0 and 64"),
    ({"url": "https://a", "ca_certificates": ["x"]}, "ca_certificates.1: expected a valid UUID"),
    (
        {"host": "unix:run/api.sock"},
        "host: write unix: and the socket's whole path, as in unix:/run/api.sock",
    ),
    ({"host": f"unix:/{'a' * 107}"}, "host: a socket's path may have 107 characters"),
    (
        {"url": "http://unix:up"},
        "url: missing socket in url; write a URL such as http://unix:/run/api.sock:/path",
    ),
    ({"host": "\ud800"}, "host: must be valid UTF-8 without NUL"),
    ({"host": ""}, "host: length must be at least 1"),
    ({"host": "a", "id": "x"}, "id: expected a valid UUID"),
    ({"host": "a", "created_at": -1}, "created_at: value should be between 0 and 253402300799"),
]


@pytest.mark.parametrize(("document", "fault"), SERVICE_FAULTS)
def test_faults_of_services(admin: TestClient, document: dict[str, Any], fault: str) -> None:
    _refused(admin, "/services", document, fault)


MATCH = "must set one of 'methods', 'hosts', 'headers', 'paths'"
ROUTE_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, f"{MATCH}, 'snis' when 'protocols' is 'https'"),
    ({"protocols": ["http"]}, f"{MATCH} when 'protocols' is 'http'"),
    ({"paths": []}, f"{MATCH}, 'snis' when 'protocols' is 'https'"),
    ({"paths": ["/ok", "no"]}, "paths.2: should start with: / (fixed path) or ~/ (regex path)"),
    ({"paths": ["/a//b"]}, "paths.1: must not have empty segments"),
    (
        {"paths": ["/a%zz"]},
        "paths.1: invalid path: '/a%zz' (characters outside of the reserved list of RFC 3986 found)",
    ),
    ({"hosts": ["*.*"]}, "hosts.1: only one wildcard must be specified"),
    ({"hosts": ["a.*.b"]}, "hosts.1: wildcard must be leftmost or rightmost character"),
    ({"hosts": ["a b"]}, "hosts.1: invalid hostname: a b"),
    ({"methods": ["get"]}, "methods.1: invalid value: get"),
    (
        {"headers": {"host": ["a"]}},
        "headers.host: cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    ),
    ({"headers": {"x": []}}, "headers.x: length must be at least 1"),
    ({"paths": ["/"], "protocols": []}, "protocols: length must be at least 1"),
    (
        {"paths": ["/"], "protocols": ["http", "tcp"]},
        "protocols: these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp'), ('tls_passthrough'), ('grpc', 'grpcs')",
    ),
    (
        {"paths": ["/"], "https_redirect_status_code": 200},
        "https_redirect_status_code: expected one of: 426, 301, 302, 307, 308",
    ),
    ({"paths": ["/"], "snis": ["10.0.0.1"]}, "snis.1: must not be an IP"),
    ({"snis": ["*"]}, "snis.1: invalid value: *"),
    (
        {"paths": ["/"], "protocols": ["http"], "snis": ["a.test"]},
        "snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
    ),
    ({"paths": ["/"], "service": "up"}, "service: expected a record"),
    ({"paths": ["/"], "service": {"id": "up"}}, "service.id: expected a valid UUID"),
    ({"paths": ["/"], "service": {}}, "service.id: required field missing"),
    (
        {"paths": ["/"], "protocols": ["grpc"], "methods": ["GET"]},
        "methods: cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'",
    ),
]


@pytest.mark.parametrize(("document", "fault"), ROUTE_FAULTS)
def test_faults_of_routes(admin: TestClient, document: dict[str, Any], fault: str) -> None:
    _refused(admin, "/routes", document, fault)


TLS_ALONE = "failed conditional validation given value of field 'protocol'"


@pytest.mark.parametrize(
    ("field", "value"),
    [("tls_verify", True), ("tls_verify_depth", 2), ("ca_certificates", []), ("client_certificate", {})],
)
def test_tls_of_a_service_that_speaks_none(admin: TestClient, field: str, value: Any) -> None:
    if field == "client_certificate":
        value = {"id": admin.post("/certificates", json=make("a.test")._asdict()).json()["id"]}
    answer = admin.post("/services", json={"host": "a", field: value})
    assert (answer.status_code, answer.json()["fields"]) == (
        400,
        {"@entity": [TLS_ALONE], field: "value must be null"},
    )


def test_path_of_a_service_that_speaks_grpc(admin: TestClient) -> None:
    answer = admin.post("/services", json={"url": "grpc://up.test:50051/x"})
    assert answer.json()["fields"] == {"@entity": [TLS_ALONE], "path": "value must be null"}


HASHED = {"hash_on": "header", "hash_on_header": "x", "hash_fallback": "header", "hash_fallback_header": "x"}
UPSTREAM_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "name: required field missing"),
    ({"name": "10.0.0.1"}, "name: Invalid name; no ip addresses allowed"),
    ({"name": "[::1]"}, "name: Invalid name; no ip addresses allowed"),
    ({"name": "pool:80"}, "name: Invalid name; no port allowed"),
    ({"name": "a pool"}, "name: Invalid name; must be a valid hostname"),
    ({"name": "a", "slots": 9}, "slots: value should be between 10 and 65536"),
    (
        {"name": "a", "algorithm": "random"},
        "algorithm: expected one of: consistent-hashing, least-connections, round-robin, latency",
    ),
    (
        {"name": "a", "hash_on": "mood"},
        "hash_on: expected one of: none, consumer, ip, header, cookie, path, query_arg, uri_capture",
    ),
    (
        {"name": "a", "healthchecks": {"threshold": 101}},
        "healthchecks.threshold: value should be between 0 and 100",
    ),
    (
        {"name": "a", "healthchecks": {"passive": {"unhealthy": {"timeouts": 256}}}},
        "healthchecks.passive.unhealthy.timeouts: value should be between 0 and 255",
    ),
    (
        {"name": "a", "healthchecks": {"active": {"unhealthy": {"http_statuses": [200, 99]}}}},
        "healthchecks.active.unhealthy.http_statuses.2: value should be between 100 and 999",
    ),
    ({"name": "a", "healthchecks": {"active": {"typ": "tcp"}}}, "healthchecks.active.typ: unknown field"),
    ({"name": "a", "host_header": "a b"}, "host_header: invalid hostname: a b"),
    ({"name": "a", "host_header": "a:99999"}, "host_header: invalid hostname: a:99999"),
    (
        {"name": "a", **HASHED},
        "values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'",
    ),
]


@pytest.mark.parametrize(("document", "fault"), UPSTREAM_FAULTS)
def test_faults_of_upstreams(admin: TestClient, document: dict[str, Any], fault: str) -> None:
    _refused(admin, "/upstreams", document, fault)


OTHERS = "expected one of: none, consumer, header, cookie, path, query_arg, uri_capture"


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"hash_on": "header"}, {"hash_on_header": "required field missing"}),
        ({"hash_on": "cookie"}, {"hash_on_cookie": "required field missing"}),
        ({"hash_on": "query_arg"}, {"hash_on_query_arg": "required field missing"}),
        ({"hash_on": "uri_capture"}, {"hash_on_uri_capture": "required field missing"}),
        ({"hash_fallback": "ip"}, {"hash_fallback": "expected one of: none"}),
        ({"hash_on": "ip", "hash_fallback": "ip"}, {"hash_fallback": OTHERS}),
    ],
)
def test_hashing_needs_something_to_go_by(
    admin: TestClient, document: dict[str, Any], fields: dict[str, str]
) -> None:
    answer = admin.post("/upstreams", json={"name": "a", **document})
    problem = "failed conditional validation given value of field 'hash_on'"
    assert (answer.status_code, answer.json()["fields"]) == (400, {"@entity": [problem], **fields})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("10.0.0.1", "10.0.0.1:8000"),
        ("10.0.0.1:1", "10.0.0.1:1"),
        ("api.test", "api.test:8000"),
        ("::1", "[::1]:8000"),
        ("[::1]:443", "[::1]:443"),
    ],
)
def test_targets_are_shown_with_their_ports(admin: TestClient, given: str, shown: str) -> None:
    admin.post("/upstreams", json={"name": "pool"})
    created = admin.post("/upstreams/pool/targets", data={"target": given})
    assert created.json()["target"] == shown
    again = admin.post("/upstreams/pool/targets", json={"target": shown})
    assert again.status_code == 409
    assert admin.get(f"/upstreams/pool/targets/{given}").json() == created.json()


@pytest.mark.parametrize("given", ["a:0", "a:65536", "a:b", "a:", ":80", "a b:80", "::1:x:80", "[::1"])
def test_targets_that_are_none(admin: TestClient, given: str) -> None:
    admin.post("/upstreams", json={"name": "pool"})
    answer = admin.post("/upstreams/pool/targets", json={"target": given})
    problem = f"Invalid target ('{given}'); not a valid hostname or ip address"
    assert answer.json()["fields"] == {"target": problem}


WINDOWS = "'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'"
PLUGIN_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "name: required field missing"),
    ({"name": 5}, "name: expected a string"),
    ({"name": "cors"}, "name: plugin 'cors' not enabled; add it to the 'plugins' configuration property"),
    ({"name": "rate-limiting"}, f"at least one of these fields must be non-empty: {WINDOWS}"),
    ({"name": "rate-limiting", "config": {"minute": 0}}, "config.minute: value must be greater than 0"),
    ({"name": "rate-limiting", "config": {"minute": "5"}}, "config.minute: expected a number"),
    (
        {"name": "rate-limiting", "config": {"second": 9, "hour": 5}},
        "config: The limit for hour(5.0) cannot be lower than the limit for second(9.0)",
    ),
    (
        {"name": "rate-limiting", "config": {"minute": 5, "limit_by": "mood"}},
        "config.limit_by: expected one of: consumer, credential, ip, service, header, path, consumer-group",
    ),
    (
        {"name": "rate-limiting", "config": {"minute": 5, "redis": {"hots": "a"}}},
        "config.redis.hots: unknown field",
    ),
    ({"name": "rate-limiting", "config": []}, "config: expected a record"),
    ({"name": "acl", "config": {}}, ""),
    (
        {"name": "acl", "config": {"allow": ["a"], "deny": ["b"]}},
        "exactly one of these fields must be non-empty: 'config.allow', 'config.deny'",
    ),
    ({"name": "key-auth", "config": {"key_names": []}}, "config.key_names: length must be at least 1"),
    (
        {"name": "key-auth", "config": {"key_names": ["a b"]}},
        "config.key_names.1: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
    ),
    ({"name": "key-auth", "protocols": ["tcp"]}, "protocols.1: expected one of: grpc, grpcs, http, https"),
]


@pytest.mark.parametrize(("document", "fault"), PLUGIN_FAULTS)
def test_faults_of_plugins(admin: TestClient, document: dict[str, Any], fault: str) -> None:
    _refused(admin, "/plugins", document, fault)


def test_condition_that_fails_is_told_twice(admin: TestClient) -> None:
    config = {"minute": 5, "policy": "redis"}
    answer = admin.post("/plugins", json={"name": "rate-limiting", "config": config})
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "2 schema violations (failed conditional validation given value of field 'config.policy'; "
        "config.redis.host: required field missing)"
    )
    assert answer.json()["fields"] == {
        "@entity": ["failed conditional validation given value of field 'config.policy'"],
        "config": {"redis": {"host": "required field missing"}},
    }


@pytest.mark.parametrize("name", ["key-auth", "acl", "entitlement"])
def test_plugins_that_tell_consumers_apart_belong_to_none(admin: TestClient, name: str) -> None:
    admin.post("/consumers", json={"username": "bob"})
    config = {"allow": ["a"]} if name == "acl" else {}
    answer = admin.post("/consumers/bob/plugins", json={"name": name, "config": config})
    assert (answer.status_code, answer.json()["fields"]) == (400, {"consumer": "value must be null"})


def test_plugin_is_for_a_consumer_or_a_group(admin: TestClient) -> None:
    admin.post("/consumers", json={"username": "bob"})
    admin.post("/consumer_groups", json={"name": "gold"})
    document = {"name": "rate-limiting", "config": {"minute": 1}, "consumer_group": {"name": "gold"}}
    answer = admin.post("/consumers/bob/plugins", json=document)
    problem = "only one or none of these fields must be set: 'consumer', 'consumer_group'"
    assert answer.json()["fields"] == {"@entity": [problem]}


def test_defaults_of_nested_records_are_filled_again(admin: TestClient) -> None:
    document = {"name": "rate-limiting", "config": {"minute": 5, "redis": None, "redis_port": 7000}}
    created = admin.post("/plugins", json=document).json()
    assert created["config"]["redis"]["timeout"] == 2000
    assert created["config"]["redis"]["port"] == 7000
    path = f"/plugins/{created['id']}"
    changed = admin.patch(path, data={"config.redis.database": "3", "config.minute": "", "config.hour": "9"})
    assert changed.status_code == 200, changed.text
    config = changed.json()["config"]
    assert (config["redis"]["port"], config["redis"]["database"]) == (7000, 3)
    assert (config["minute"], config["hour"], config["error_code"]) == (None, 9, 429)
    reset = admin.put(path, json={"name": "rate-limiting", "config": {"minute": 5}})
    assert reset.json()["config"]["redis"]["port"] == 6379


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({}, "at least one of these fields must be non-empty: 'custom_id', 'username'"),
        ({"username": "a\r\nX-Admin: 1"}, "username: must not contain control characters"),
        ({"username": "a", "tags": [1]}, "tags.1: expected a string"),
        ({"username": "a", "tags": [None]}, "tags.1: required field missing"),
    ],
)
def test_faults_of_consumers(admin: TestClient, document: dict[str, Any], fault: str) -> None:
    _refused(admin, "/consumers", document, fault)


def test_consumers_by_custom_id(admin: TestClient) -> None:
    admin.post("/consumers", json={"username": "a", "custom_id": "x"})
    admin.post("/consumers", json={"username": "b", "custom_id": "y"})
    found = admin.get("/consumers?custom_id=y").json()["data"]
    assert [consumer["username"] for consumer in found] == ["b"]


def test_both_a_value_and_a_record(admin: TestClient) -> None:
    answer = admin.post("/plugins", data={"name": "acl", "config": "x", "config.allow": "y"})
    assert (answer.status_code, answer.json()["code"]) == (400, 2)


def _refused(admin: TestClient, path: str, document: dict[str, Any], fault: str) -> None:
    raw = json.dumps(document)
    answer = admin.post(path, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 2
    assert fault in answer.json()["message"]
    if fault and not answer.json()["message"].startswith("2"):
        assert answer.json()["message"] == f"schema violation ({fault})"
    assert admin.get(path).json()["data"] == []


def test_half_of_a_surrogate_pair_is_quoted_as_it_was_sent(admin: TestClient) -> None:
    raw = b'{"username":"bob","\\ud800":1}'
    answer = admin.post("/consumers", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["fields"]) == (400, {"\ud800": "unknown field"})
