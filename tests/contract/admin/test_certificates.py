"""Certificates, the names that they are for, and authorities: what is taken, shown and refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from tests.support.certificates import make
from tollway.storage.database import Database
from tollway.storage.tables.gateway import CERTIFICATE

SHOP, OTHER = make("shop.test"), make("other.test")


def _post(admin: TestClient, path: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = admin.post(path, json=document)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_key_is_shown_to_the_operator_and_kept_encrypted(admin: TestClient, database: Database) -> None:
    created = _post(admin, "/certificates", {**SHOP._asdict(), "snis": ["shop.test", "*.shop.test"]})
    assert (created["cert"], created["key"]) == SHOP
    assert created["snis"] == ["*.shop.test", "shop.test"]
    assert admin.get("/certificates").json()["data"] == [created]
    with database.read() as connection:
        row = connection.execute(select(CERTIFICATE)).one()
    assert SHOP.key.splitlines()[1].encode() not in row.key_encrypted
    assert SHOP.key.splitlines()[1] not in repr(row)


def test_certificate_by_its_names(admin: TestClient) -> None:
    created = _post(admin, "/certificates", {**SHOP._asdict(), "snis": ["shop.test"]})
    assert admin.get("/certificates/shop.test").json() == created
    replaced = admin.put("/certificates/shop.test", json=OTHER._asdict())
    assert (replaced.json()["id"], replaced.json()["cert"]) == (created["id"], OTHER.cert)
    assert replaced.json()["snis"] == ["shop.test"]
    new = admin.put("/certificates/new.test", json={**SHOP._asdict(), "snis": ["www.new.test"]})
    assert new.json()["snis"] == ["new.test", "www.new.test"]
    assert admin.delete("/certificates/new.test").status_code == 204
    assert admin.get("/snis/www.new.test").status_code == 404
    assert admin.get("/certificates/new.test").status_code == 404


def test_names_that_are_not_spoken_of_stay(admin: TestClient) -> None:
    created = _post(admin, "/certificates", {**SHOP._asdict(), "snis": ["a.test", "b.test"]})
    path = f"/certificates/{created['id']}"
    first = admin.get("/snis/b.test").json()
    assert admin.put(path, json=OTHER._asdict()).json()["snis"] == ["a.test", "b.test"]
    assert admin.patch(path, json={"snis": ["b.test", "c.test"]}).json()["snis"] == ["b.test", "c.test"]
    assert admin.get("/snis/b.test").json() == first
    assert admin.patch(path, json={"snis": []}).json()["snis"] == []
    assert admin.get("/snis").json()["data"] == []


def test_name_belongs_to_one_certificate(admin: TestClient) -> None:
    first = _post(admin, "/certificates", {**SHOP._asdict(), "snis": ["shop.test"]})
    second = admin.post("/certificates", json={**OTHER._asdict(), "snis": ["shop.test"]})
    problem = f"shop.test already associated with existing certificate '{first['id']}'"
    assert (second.status_code, second.json()["fields"]) == (400, {"snis": problem})
    assert len(admin.get("/certificates").json()["data"]) == 1
    other = _post(admin, "/certificates", OTHER._asdict())
    moved = admin.patch("/snis/shop.test", json={"certificate": {"id": other["id"]}})
    assert moved.status_code == 200
    assert admin.get(f"/certificates/{other['id']}").json()["snis"] == ["shop.test"]
    assert admin.get(f"/certificates/{first['id']}").json()["snis"] == []


def test_status_tells_which_end_soon(admin: TestClient) -> None:
    _post(admin, "/certificates", SHOP._asdict())
    soon, gone = make("soon.test", days=20), make("gone.test", days=-2)
    for made, name in ((soon, "soon.test"), (gone, "gone.test")):
        _post(admin, "/certificates", {**made._asdict(), "snis": [name]})
    ending = admin.get("/status").json()["tollway"]["certificates_ending"]
    assert [one["snis"] for one in ending] == [["gone.test"], ["soon.test"]]
    assert ending[0]["not_after"] < time.time() < ending[1]["not_after"]


def test_certificate_in_use_stays(admin: TestClient) -> None:
    shown = _post(admin, "/certificates", SHOP._asdict())
    reference = {"client_certificate": {"id": shown["id"]}}
    service = _post(admin, "/services", {"url": "https://up.test", **reference})
    path = f"/certificates/{shown['id']}"
    assert admin.get(f"/services/{service['id']}/client_certificate").json() == shown
    assert admin.get(f"{path}/services").json()["data"] == [service]
    refused = admin.delete(path)
    assert (refused.status_code, refused.json()["fields"]) == (400, {"@referenced_by": "services"})
    admin.delete(f"/services/{service['id']}")
    upstream = _post(admin, f"{path}/upstreams", {"name": "pool"})
    assert upstream["client_certificate"] == {"id": shown["id"]}
    assert admin.delete(path).json()["fields"] == {"@referenced_by": "upstreams"}
    admin.delete("/upstreams/pool")
    assert admin.delete(path).status_code == 204


def test_both_kinds_of_key(admin: TestClient) -> None:
    rsa = make("shop.test", kind="rsa")
    both = {**SHOP._asdict(), "cert_alt": rsa.cert, "key_alt": rsa.key}
    created = _post(admin, "/certificates", both)
    assert (created["cert_alt"], created["key_alt"]) == rsa
    kept = admin.patch(f"/certificates/{created['id']}", json={"tags": ["a"]}).json()
    assert (kept["key"], kept["key_alt"]) == (SHOP.key, rsa.key)
    gone = admin.put(f"/certificates/{created['id']}", json=SHOP._asdict()).json()
    assert (gone["cert_alt"], gone["key_alt"]) == (None, None)


NO_CERT = "invalid certificate: not PEM; send -----BEGIN CERTIFICATE----- and what follows, line breaks too"
NO_KEY = "invalid key: not PEM; send -----BEGIN PRIVATE KEY----- and what follows, line breaks too"
OTHER_ORDER = "certificate does not match key; certificate 2 of the chain does: put the server's own first"
ONE_KIND = (
    "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), "
    "the provided certificates were both of the same type"
)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"key": None}, {"key": "required field missing"}),
        ({"cert": "x"}, {"cert": NO_CERT}),
        ({"key": "x"}, {"key": NO_KEY}),
        (
            {"key": make("weak", kind="rsa", bits=1024).key},
            {"key": "invalid key: RSA of 1024 bits; use 2048 or more"},
        ),
        ({"key": OTHER.key}, {"@entity": ["certificate does not match key"]}),
        ({"cert": OTHER.cert + SHOP.cert}, {"@entity": [OTHER_ORDER]}),
        (
            {"cert_alt": OTHER.cert},
            {"@entity": ["all or none of these fields must be set: 'cert_alt', 'key_alt'"]},
        ),
        ({"cert_alt": OTHER.cert, "key_alt": OTHER.key}, {"@entity": [ONE_KIND]}),
        ({"snis": ["a.test", "10.0.0.1"]}, {"snis": [None, "must not be an IP"]}),
        ({"snis": ["a.test:443"]}, {"snis": ["must not have a port"]}),
        ({"snis": ["*.*.test"]}, {"snis": ["only one wildcard must be specified"]}),
        ({"snis": ["a.*.test"]}, {"snis": ["wildcard must be leftmost or rightmost character"]}),
    ],
)
def test_faults_of_certificates(admin: TestClient, change: dict[str, Any], fields: dict[str, Any]) -> None:
    answer = admin.post("/certificates", json={**SHOP._asdict(), **change})
    assert (answer.status_code, answer.json()["fields"]) == (400, fields)
    assert SHOP.key.splitlines()[1] not in answer.text
    assert admin.get("/certificates").json()["data"] == []


@pytest.mark.parametrize(
    ("cert", "problem"),
    [
        (
            SHOP.cert,
            'certificate does not appear to be a CA because it is missing the "CA" basic constraint',
        ),
        (
            make("one", ca=True).cert + make("two", ca=True).cert,
            "please submit only one certificate at a time",
        ),
        (make("old", ca=True, days=-1).cert, 'certificate expired, "Not After" time is in the past'),
    ],
)
def test_faults_of_authorities(admin: TestClient, cert: str, problem: str) -> None:
    answer = admin.post("/ca_certificates", json={"cert": cert})
    assert (answer.status_code, answer.json()["fields"]) == (400, {"cert": problem})


def test_authority_is_there_once_and_as_long_as_it_is_believed(admin: TestClient) -> None:
    cert = make("one", ca=True).cert
    created = _post(admin, "/ca_certificates", {"cert": cert, "cert_digest": "made up"})
    assert len(created["cert_digest"]) == 64
    again = admin.post("/ca_certificates", json={"cert": cert})
    assert (again.status_code, again.json()["fields"]) == (409, {"cert_digest": created["cert_digest"]})
    service = _post(admin, "/services", {"url": "https://up.test", "ca_certificates": [created["id"]]})
    assert service["ca_certificates"] == [created["id"]]
    path = f"/ca_certificates/{created['id']}"
    refused = admin.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (400, 19)
    assert refused.json()["message"] == (
        f"ca certificate {created['id']} is still referenced by services (id = {service['id']})"
    )
    admin.patch(f"/services/{service['id']}", json={"ca_certificates": None})
    assert admin.delete(path).status_code == 204
    missing = admin.patch(f"/services/{service['id']}", json={"ca_certificates": [created["id"]]})
    assert (missing.status_code, missing.json()["code"]) == (400, 4)
