"""Services and routes by the Admin API's own rules; what the gateway would refuse stands beside its field."""

from __future__ import annotations

from tests.support.console import BackOffice
from tollway.gateway.models import Service

URL = {"retries": "5", "connect": "1000", "read": "1000", "write": "1000", "enabled": "1"}


def _services(office: BackOffice) -> list[Service]:
    with office.store.read() as gateway:
        return gateway.services.repository.all()


def test_a_service_and_its_route_are_made_changed_and_deleted(office: BackOffice) -> None:
    operator = office.at_work()
    operator.post("/services/new", name="countries", url="https://internal.example:8443/v1", keys="1", **URL)
    assert operator.location == "/services"
    (service,) = _services(office)
    assert (service.protocol, service.host, service.port, service.path) == (
        "https",
        "internal.example",
        8443,
        "/v1",
    )
    with office.store.read() as gateway:
        assert [one.name for one in gateway.plugins.repository.all(service_id=service.id)] == ["key-auth"]
    operator.post(
        "/routes/new",
        name="search",
        service=str(service.id),
        paths="/v1/search\n/v2",
        methods="get",
        strip_path="1",
    )
    assert operator.location == "/services"
    operator.get("/services")
    assert "https://internal.example:8443/v1" in operator.words
    assert "GET /v1/search /v2" in operator.words
    with office.store.read() as gateway:
        (route,) = gateway.routes.repository.all()
    operator.post(f"/services/{service.id}/delete")
    assert operator.status == 422
    assert "references this" in operator.words
    operator.post(f"/services/{service.id}", name="countries", url="http://other.example", **URL)
    (changed,) = _services(office)
    assert (changed.id, changed.host, changed.port, changed.path) == (service.id, "other.example", 80, None)
    with office.store.read() as gateway:
        assert gateway.plugins.repository.all(service_id=service.id) == []
    operator.post(f"/routes/{route.id}/delete")
    operator.post(f"/services/{service.id}/delete")
    assert operator.location == "/services"
    assert _services(office) == []


def test_what_the_gateway_would_refuse_is_told_beside_the_field(office: BackOffice) -> None:
    operator = office.at_work()
    text = operator.post("/services/new", name="countries", url="nonsense", **URL)
    assert operator.status == 422
    assert 'id="url-error"' in text
    assert 'value="nonsense"' in text
    text = operator.post("/services/new", name="a:b", url="http://one.example", **URL)
    assert operator.status == 422
    assert 'id="name-error"' in text
    operator.post("/services/new", name="countries", url="http://one.example", **URL)
    text = operator.post("/services/new", name="countries", url="http://two.example", **URL)
    assert operator.status == 422
    assert "another one has this already" in text
    (service,) = _services(office)
    text = operator.post("/routes/new", service=str(service.id), paths="v1", methods="")
    assert operator.status == 422
    assert 'id="paths-error"' in text
    text = operator.post("/routes/new", service=str(service.id), paths="", methods="")
    assert operator.status == 422
    assert 'id="paths-error"' in text


def test_a_feature_is_asked_for_and_no_longer(office: BackOffice) -> None:
    operator = office.at_work()
    operator.post("/services/new", name="countries", url="http://one.example", keys="1", **URL)
    (service,) = _services(office)
    with office.store.write() as gateway:
        gateway.plugins.create(
            {"name": "rate-limiting", "service": {"id": str(service.id)}, "config": {"minute": 5}}
        )
    route = {"name": "deep", "service": str(service.id), "paths": "/v1/deep"}
    for feature in ("analytics_advanced", "bulk", ""):
        with office.store.read() as gateway:
            known = gateway.routes.find("deep")
        operator.post(f"/routes/{known.id}" if known else "/routes/new", **route, feature=feature)
        assert operator.location == "/services"
        with office.store.read() as gateway:
            plugins = gateway.plugins.repository.all()
            found = [one.config["feature"] for one in plugins if one.name == "entitlement"]
            assert found == ([feature] if feature else [])
            # What the form doesn't switch stays as it is.
            assert {one.name for one in plugins if one.service_id} == {"key-auth", "rate-limiting"}
    operator.get("/services")
    assert "On every route: Key rate-limiting" in operator.words


def test_quotas_that_ask_for_no_feature_are_left_alone(office: BackOffice) -> None:
    operator = office.at_work()
    operator.post("/services/new", name="countries", url="http://one.example", keys="1", **URL)
    (service,) = _services(office)
    route = {"name": "all", "service": str(service.id), "paths": "/v1"}
    operator.post("/routes/new", **route, feature="")
    with office.store.write() as gateway:
        known = gateway.routes.find("all")
        assert known is not None
        gateway.plugins.create({"name": "entitlement", "route": {"id": str(known.id)}, "config": {}})
    operator.get("/services")
    assert "None" not in operator.words
    operator.post(f"/routes/{known.id}", **route, feature="")
    assert operator.location == "/services"
    with office.store.read() as gateway:
        (kept,) = [one for one in gateway.plugins.repository.all() if one.name == "entitlement"]
    assert kept.config["feature"] is None
