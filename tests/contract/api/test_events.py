"""`POST /tollway/v1/events`: CloudEvents, one and many, by the seller and by customers with their keys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.databases import migrated
from tests.support.gateway import NoGateways, open_store
from tests.support.portal import Storefront
from tollway.app.event_reports import EventIntake
from tollway.app.external_usage import ExternalUsage
from tollway.kernel.clock import ManualClock, SystemClock
from tollway.metering.ports import EventSelection
from tollway.storage.attributions import SqlAttributions
from tollway.storage.external import SqlExternalStorage
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.admin import create_admin_app
from tollway.web.api import create_api_app
from tollway.web.api.events import customer_events, operator_events

SINGLE = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def event(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "specversion": "1.0",
        "type": "units",
        "source": "/jobs",
        "id": "1",
        "subject": "alice",
        "time": "2026-11-01T12:00:00Z",
        "data": {"usage_units": 5, "api_endpoint": "/v1/report"},
    }
    return {name: value for name, value in (whole | changed).items() if value is not ...}


class World:
    """Both applications over one gateway with two consumers."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(SystemClock().now())
        self.main, self.usage = migrated(folder), migrated(folder, "usage")
        self.store = store = open_store(self.main, clock=self.clock)
        with store.write() as gateway:
            for name in ("alice", "bob"):
                gateway.consumers.create({"username": name, "custom_id": f"{name}-custom"})
                consumer = {"username": name}
                gateway.key_auths.create({"consumer": consumer, "key": f"{name}-key"})
            ending = {"consumer": {"username": "alice"}, "key": "ending-key", "ttl": 60}
            gateway.key_auths.create(ending)
            minted = gateway.key_auths.create({"consumer": {"username": "bob"}})
        with store.read() as gateway:
            self.reference = gateway.key_auths.reveal(minted)
        self.storage = SqlExternalStorage(self.usage)
        external = ExternalUsage(self.storage, SqlAttributions(self.main), self.clock)
        intake = EventIntake(store, external, self.clock)
        keys = SqlIdempotency(self.main, self.clock)
        app = create_admin_app(
            units=store,
            gateways=NoGateways(),
            listen="0.0.0.0:8001",
            token="secret",
            api=create_api_app([operator_events(intake)], idempotency=keys, version="1"),
        )
        self.seller = TestClient(app, base_url="http://shop:8001", headers={"Kong-Admin-Token": "secret"})
        self.customers = TestClient(
            create_api_app([customer_events(intake)], idempotency=keys, version="1"), base_url="http://shop"
        )

    def post(self, content: Any, headers: dict[str, str] = SINGLE, **more: str) -> Any:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.seller.post("/tollway/v1/events", content=body, headers={**headers, **more})

    def post_with(self, content: Any, **headers: str) -> Any:
        return self.customers.post("/events", content=json.dumps(content), headers={**SINGLE, **headers})

    def units(self) -> int:
        from tollway.storage.metering import SqlUsageStorage  # noqa: PLC0415

        with SqlUsageStorage(self.usage).read() as store:
            return sum(found.quantity for found in store.external_totals(EventSelection()))

    def close(self) -> None:
        self.main.close()
        self.usage.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_one_event_counts_once(world: World) -> None:
    first, again = world.post(event()), world.post(event())
    assert (first.status_code, first.json()) == (
        200,
        {"events": [{"source": "/jobs", "id": "1", "status": "stored"}]},
    )
    assert again.json()["events"][0]["status"] == "duplicate"
    assert world.units() == 5


def test_a_batch_is_taken_whole(world: World) -> None:
    batch = [
        event(id="a"),
        event(id="b", subject="bob-custom", time=...),
        event(id="a"),
        event(id="a", source="/x"),
    ]
    answer = world.post(batch, BATCH)
    assert [one["status"] for one in answer.json()["events"]] == ["stored", "stored", "duplicate", "stored"]
    assert world.units() == 15


def test_a_faulty_batch_is_refused_whole_and_each_fault_is_named(world: World) -> None:
    batch = [
        event(),
        event(id=...),
        event(data={"usage_units": -1}),
        event(type="calls"),
        event(specversion="0.3"),
        event(time="yesterday"),
        event(data=None, data_base64="eA=="),
        event(datacontenttype="text/xml"),
        event(subject=...),
        7,
    ]
    answer = world.post(batch, BATCH)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["location"] for fault in answer.json()["errors"]] == [
        "body.[1].id",
        "body.[2].data.usage_units",
        "body.[3].type",
        "body.[4].specversion",
        "body.[5].time",
        "body.[6].data",
        "body.[7].datacontenttype",
        "body.[8].subject",
        "body.[9].event",
    ]
    assert world.units() == 0


def test_a_stranger_is_named_and_nothing_is_taken(world: World) -> None:
    answer = world.post([event(), event(id="2", subject="ghost")], BATCH)
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (400, "body.[1].subject")
    assert world.post(event(subject="ghost")).json()["errors"][0]["location"] == "body.subject"
    assert world.units() == 0


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (event(), {"content-type": "application/json"}, 415),
        (event(), {"content-type": ""}, 415),
        (b"{", SINGLE, 400),
        ([event()], SINGLE, 400),
        (event(), BATCH, 400),
        ([], BATCH, 400),
        ([event()] * 1001, BATCH, 400),
        (b" " * (2 * 1024 * 1024 + 1), SINGLE, 413),
    ],
)
def test_what_is_no_event_is_refused(
    world: World, content: Any, headers: dict[str, str], status: int
) -> None:
    assert world.post(content, headers).status_code == status


def test_the_same_key_answers_the_same(world: World) -> None:
    first, again = (world.post(event(), **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert world.post(event(id="2"), **{"Idempotency-Key": "k"}).status_code == 422


def test_one_identity_sent_by_many_at_once_counts_once(world: World) -> None:
    batch = [event(id=str(number)) for number in range(30)]
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(world.post(batch, BATCH))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [one["id"] for answer in answers for one in answer.json()["events"] if one["status"] == "stored"]
    assert sorted(stored) == sorted(one["id"] for one in batch)
    assert world.units() == 150


@pytest.mark.parametrize("header", [{"apikey": "alice-key"}, {"authorization": "bearer alice-key"}])
@pytest.mark.parametrize("subject", ["alice", "alice-custom", ...])
def test_a_customer_reports_its_own(world: World, header: dict[str, str], subject: Any) -> None:
    answer = world.post_with(event(subject=subject), **header)
    assert (answer.status_code, world.units()) == (200, 5)


@pytest.mark.parametrize("subject", ["bob", "ghost", "bob-custom"])
def test_another_s_usage_is_not_a_customer_s_to_report(world: World, subject: str) -> None:
    answer = world.post_with(event(subject=subject), apikey="alice-key")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert subject not in answer.text
    assert world.units() == 0


def test_a_name_that_is_another_s_username_is_not_one_s_own(world: World) -> None:
    with world.store.write() as gateway:
        gateway.consumers.create({"username": "mallory", "custom_id": "alice"})
        gateway.key_auths.create({"consumer": {"username": "mallory"}, "key": "mallory-key"})
    answer = world.post_with(event(subject="alice"), apikey="mallory-key")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert world.post_with(event(subject="mallory"), apikey="mallory-key").status_code == 200
    assert world.units() == 5


def test_nobody_s_key_opens_nothing(world: World) -> None:
    assert world.reference.startswith("{tollway-hash:")
    for headers in (
        {},
        {"apikey": "wrong"},
        {"apikey": world.reference},
        {"authorization": "Basic alice-key"},
    ):
        answer = world.post_with(event(), **headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert world.post_with(event(), apikey="ending-key").status_code == 200
    world.clock.advance(timedelta(seconds=61))
    assert world.post_with(event(id="2"), apikey="ending-key").status_code == 401
    assert world.customers.post("/events", content="{}", headers={"apikey": "alice-key"}).status_code == 415


def test_a_customer_s_ids_are_its_own(world: World) -> None:
    assert world.post_with(event(subject=...), apikey="bob-key").json()["events"][0]["status"] == "stored"
    assert world.post_with(event(), apikey="alice-key").json()["events"][0]["status"] == "stored"
    assert world.post(event()).json()["events"][0]["status"] == "stored"
    assert world.post_with(event(), apikey="alice-key").json()["events"][0]["status"] == "duplicate"


def test_it_is_described(world: World) -> None:
    described = world.seller.get("/tollway/v1/openapi.json").json()["paths"]["/events"]["post"]
    assert set(described["requestBody"]["content"]) == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }


def test_the_portal_takes_a_customer_s_events(tmp_path: Path) -> None:
    front = Storefront(tmp_path)
    signed = front.join("acme")
    with front.store.write() as gateway:
        gateway.key_auths.create({"consumer": {"username": signed.organisation.slug}, "key": "acme-key"})
    client = TestClient(front.app, base_url="http://shop")
    content = json.dumps(event(subject=signed.organisation.slug, time=...))
    answers = [
        client.post("/tollway/v1/events", content=content, headers={**SINGLE, **shown}).status_code
        for shown in ({"apikey": "acme-key"}, {"apikey": "other-key"}, {"cookie": "session=x"})
    ]
    assert answers == [200, 401, 401]
    (found,) = front.world.query.by_consumer()
    assert (found.meter, found.quantity, found.consumer) == ("units", 5, signed.organisation.consumer)
    front.close()
