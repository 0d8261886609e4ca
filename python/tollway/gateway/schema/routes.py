"""The schema of a route, a match rule that leads to a service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tollway.gateway.schema import checks, common
from tollway.gateway.schema.certificates import sni
from tollway.gateway.schema.entity import EntityCheck, EntitySchema
from tollway.gateway.schema.fields import Array, Boolean, Foreign, Integer, Map, Record, String
from tollway.gateway.schema.violation import Problem

__all__ = ["ROUTES"]

_PLAIN_PATH = r"/([A-Za-z0-9._~!$&'()*+,;=:@/\-]|%[0-9A-Fa-f]{2})*"
_WILDCARD_HOST = re.compile(r"(\*\.[^*]+|[^*]+\.\*)(:\d+)?")
_HOST_PORT = re.compile(r"(.+?):(\d{1,5})")
_EXCLUSIVE = ({"http", "https"}, {"tcp", "tls", "udp"}, {"tls_passthrough"}, {"grpc", "grpcs"})


def _path(value: str) -> str | None:
    if not value.startswith(("/", "~/")):
        return "should start with: / (fixed path) or ~/ (regex path)"
    if "//" in value:
        return "must not have empty segments"
    if value.startswith("~"):
        return None  # the engine compiles it and says what is wrong with it
    problem = "invalid path: '{}' (characters outside of the reserved list of RFC 3986 found)"
    return checks.pattern(_PLAIN_PATH, problem)(value)


def _host(value: str) -> str | None:
    """A host to match: with a port or not, with a wildcard as its first or last label or without."""
    bare = value
    if port := _HOST_PORT.fullmatch(value):
        bare = port[1]
        if int(port[2]) > 65_535:
            return "invalid port number"
    if "*" in bare:
        if bare.count("*") > 1:
            return "only one wildcard must be specified"
        if not _WILDCARD_HOST.fullmatch(bare):
            return "wildcard must be leftmost or rightmost character"
        bare = bare.removeprefix("*.").removesuffix(".*")
    return None if checks.host(bare) is None else f"invalid hostname: {value}"


def _route_header(value: str) -> str | None:
    if value.lower() == "host":
        return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
    return checks.header_name(value)


def _protocols(value: list[str]) -> str | None:
    if any(set(value) <= subset for subset in _EXCLUSIVE):
        return None
    subsets = ", ".join("('" + "', '".join(sorted(subset)) + "')" for subset in _EXCLUSIVE)
    return f"these sets are mutually exclusive: {subsets}"


def _matches_something(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    """A route that matches every request by saying nothing is always a mistake."""
    kinds = {"http": _HTTP, "https": (*_HTTP, "snis"), "grpc": _GRPC, "grpcs": (*_GRPC, "snis")}
    protocols = document["protocols"]
    # Kong names the attributes of the protocol that allows more of them.
    for protocol in ("https", "http", "grpcs", "grpc"):
        if protocol in protocols:
            if any(checks.is_set(document[field]) for field in kinds[protocol]):
                return None
            fields = ", ".join(f"'{field}'" for field in kinds[protocol])
            return {"@entity": [f"must set one of {fields} when 'protocols' is '{protocol}'"]}
    return None


_HTTP = ("methods", "hosts", "headers", "paths")
_GRPC = ("hosts", "headers", "paths")


def _grpc_has_no_methods(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    if not {"grpc", "grpcs"} & set(document["protocols"]):
        return None
    problems: dict[str, Problem] = {}
    if document["methods"]:
        problems["methods"] = "cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'"
    return problems or None


def _sni(value: str) -> str | None:
    """A name in a handshake, with a wildcard or without; every name would be no rule."""
    return "invalid value: *" if value == "*" else sni(value)


def _snis_need_tls(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    if not document["snis"] or {"https", "grpcs", "tls", "tls_passthrough"} & set(document["protocols"]):
        return None
    kinds = "'grpcs', 'https', 'tls' or 'tls_passthrough'"
    return {"snis": f"'snis' can only be set when 'protocols' is {kinds}"}


ROUTES = EntitySchema(
    name="routes",
    key="name",
    record=Record(
        fields={
            **common.identity(),
            "name": common.name(),
            "protocols": Array(
                elements=String(one_of=common.PROTOCOLS),
                unique_elements=True,
                len_min=1,
                required=True,
                default=["http", "https"],
                check=_protocols,
            ),
            "methods": Array(
                elements=String(len_max=32, check=checks.pattern("[A-Z]+", "invalid value: {}")),
                unique_elements=True,
            ),
            "hosts": Array(elements=String(len_max=255, check=_host), unique_elements=True),
            "paths": Array(elements=String(len_max=2048, check=_path), unique_elements=True),
            "headers": Map(
                keys=String(len_max=128, check=_route_header),
                values=Array(elements=String(len_max=1024), len_min=1),
            ),
            "https_redirect_status_code": Integer(
                default=426, required=True, one_of=(426, 301, 302, 307, 308)
            ),
            "regex_priority": Integer(default=0),
            "strip_path": Boolean(default=True, required=True),
            "path_handling": String(default="v0", one_of=("v0", "v1")),
            "preserve_host": Boolean(default=False, required=True),
            "request_buffering": Boolean(default=True, required=True),
            "response_buffering": Boolean(default=True, required=True),
            "snis": Array(elements=String(len_max=255, check=_sni), unique_elements=True),
            "sources": Array(
                elements=Record(fields={}), unique_elements=True, unsupported=common.NOT_SUPPORTED
            ),
            "destinations": Array(
                elements=Record(fields={}), unique_elements=True, unsupported=common.NOT_SUPPORTED
            ),
            "tags": common.tags(),
            "service": Foreign(reference="services"),
        },
    ),
    checks=(
        EntityCheck(
            {
                "conditional_at_least_one_of": {
                    "if_field": "protocols",
                    "if_match": {"contains": "http"},
                    "then_at_least_one_of": list(_HTTP),
                }
            },
            _matches_something,
        ),
        EntityCheck(
            {
                "conditional": {
                    "if_field": "protocols",
                    "if_match": {"elements": {"type": "string", "one_of": ["grpc", "grpcs"]}},
                    "then_field": "methods",
                    "then_match": {"len_eq": 0},
                }
            },
            _grpc_has_no_methods,
        ),
        EntityCheck(
            {
                "conditional": {
                    "if_field": "protocols",
                    "if_match": {
                        "elements": {
                            "type": "string",
                            "not_one_of": ["grpcs", "https", "tls", "tls_passthrough"],
                        }
                    },
                    "then_field": "snis",
                    "then_match": {"len_eq": 0},
                }
            },
            _snis_need_tls,
        ),
    ),
)
