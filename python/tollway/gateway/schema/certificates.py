"""The schemas of what TLS needs: certificates with the names they are for, and authorities to believe."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from tollway.gateway import pem
from tollway.gateway.schema import checks, common
from tollway.gateway.schema.entity import EntityCheck, EntitySchema
from tollway.gateway.schema.fields import Array, Foreign, Record, String
from tollway.gateway.schema.violation import Problem

__all__ = ["CA_CERTIFICATES", "CERTIFICATES", "SNIS", "sni"]

_LENGTH = 64 * 1024
"""Characters of PEM: a chain of a dozen certificates has a third of it."""


def sni(value: str) -> str | None:
    """A name in a handshake: a host, one with a wildcard as its first or last label, or `*` for all."""
    if value == "*":
        return None
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        return "must not be an IP"
    if ":" in value:
        return "must not have a port"
    bare = value
    if "*" in value:
        if value.count("*") > 1:
            return "only one wildcard must be specified"
        if not (value.startswith("*.") or value.endswith(".*")):
            return "wildcard must be leftmost or rightmost character"
        bare = value.removeprefix("*.").removesuffix(".*")
    return None if checks.host(bare) is None else f"invalid value: {value}"


def _pair(certificate: str, key: str, problem: str) -> EntityCheck:
    def test(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
        if document[certificate] is None or document[key] is None:
            return None
        advice = pem.mismatch(document[certificate], document[key])
        return None if advice is None else {"@entity": [problem + advice]}

    return EntityCheck({"custom_entity_check": {"field_sources": [certificate, key]}}, test)


def _both_or_none(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    if (document["cert_alt"] is None) == (document["key_alt"] is None):
        return None
    return {"@entity": ["all or none of these fields must be set: 'cert_alt', 'key_alt'"]}


def _two_kinds(document: Mapping[str, Any]) -> Mapping[str, Problem] | None:
    """A client that can't use the one is to find the other."""
    if (
        document["cert_alt"] is None
        or document["key_alt"] is None
        or pem.kind(document["cert"]) != pem.kind(document["cert_alt"])
    ):
        return None
    problem = (
        "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), "
        "the provided certificates were both of the same type"
    )
    return {"@entity": [problem]}


CERTIFICATES = EntitySchema(
    name="certificates",
    key=None,
    record=Record(
        fields={
            **common.identity(),
            "cert": String(required=True, len_max=_LENGTH, check=pem.chain_problem),
            "key": String(required=True, len_max=_LENGTH, check=pem.key_problem),
            "cert_alt": String(len_max=_LENGTH, check=pem.chain_problem),
            "key_alt": String(len_max=_LENGTH, check=pem.key_problem),
            "snis": Array(elements=String(len_max=255, check=sni), unique_elements=True),
            "tags": common.tags(),
        }
    ),
    checks=(
        EntityCheck({"mutually_required": ["cert_alt", "key_alt"]}, _both_or_none),
        _pair("cert", "key", "certificate does not match key"),
        _pair("cert_alt", "key_alt", "alternative certificate does not match key"),
        EntityCheck({"custom_entity_check": {"field_sources": ["cert", "cert_alt"]}}, _two_kinds),
    ),
)

SNIS = EntitySchema(
    name="snis",
    key="name",
    record=Record(
        fields={
            **common.identity(),
            "name": String(required=True, unique=True, len_max=255, check=sni),
            "certificate": Foreign(reference="certificates", key=None, required=True),
            "tags": common.tags(),
        }
    ),
)

CA_CERTIFICATES = EntitySchema(
    name="ca_certificates",
    key=None,
    record=Record(
        fields={
            **common.identity(),
            "cert": String(required=True, len_max=_LENGTH, check=pem.authority_problem),
            # Made from the certificate, whatever is sent: a dump has it.
            "cert_digest": String(auto=True, unique=True, len_max=64),
            "tags": common.tags(),
        }
    ),
)
