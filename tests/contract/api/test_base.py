"""What all of `/tollway/v1` has in common: problems, idempotency keys, pages, its description."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import Response
from starlette.testclient import TestClient

from tests.support.databases import migrated
from tests.support.gateway import Engine, NoGateways, open_store
from tollway.kernel.clock import ManualClock, SystemClock
from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.admin import create_admin_app
from tollway.web.api import CursorParam, LimitParam, Once, Page, create_api_app, page
from tollway.web.api.codes import CODES
from tollway.web.api.paging import cursor_key


class Thing(BaseModel):
    name: str
    amount: int = 1


class Made(BaseModel):
    number: int


class World:
    """A router that counts what it does, in the database that keys are kept in."""

    def __init__(self, folder: Path) -> None:
        self.database = migrated(folder)
        self.clock = ManualClock(SystemClock().now())
        self.failure: Exception | None = None
        self.meanwhile: Any = None
        with self.database.write() as connection:
            connection.execute(text("CREATE TABLE made (number INTEGER PRIMARY KEY)"))
        api = create_api_app(
            [self._router()], idempotency=SqlIdempotency(self.database, self.clock), version="1"
        )
        app = create_admin_app(
            units=open_store(self.database, Engine()),
            gateways=NoGateways(),
            listen="0.0.0.0:8001",
            token="secret",
            api=api,
        )
        self.client = TestClient(
            app,
            base_url="http://shop:8001",
            raise_server_exceptions=False,
            headers={"Kong-Admin-Token": "secret"},
        )

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/things", status_code=201, response_model=Made)
        def make(thing: Thing, once: Annotated[Once, Depends(Once)]) -> Response:
            return once(thing, 201, self._make)

        @router.get("/things")
        def things(limit: LimitParam = 2, cursor: CursorParam = None) -> Page[Made]:
            after = cursor_key(cursor, int)
            rest = [n for n in range(5) if after is None or n > int(after[0])]
            return page(rest[: limit + 1], limit, lambda n: [n], lambda n: Made(number=n))

        return router

    def _make(self) -> Made:
        if self.meanwhile is not None:
            self.meanwhile()
        with self.database.write() as connection:
            connection.execute(text("INSERT INTO made SELECT count(*) FROM made"))
            if self.failure is not None:
                raise self.failure
        return Made(number=self.made())

    def made(self) -> int:
        with self.database.read() as connection:
            count: int = connection.execute(text("SELECT count(*) FROM made")).scalar_one()
        return count

    def post(self, key: str | None = None, **thing: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post("/tollway/v1/things", json={"name": "a", **thing}, headers=headers)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.close()


def _problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"], problem["title"]) == (status, code, CODES[code].title)
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def test_the_page_that_a_problem_names_is_there(world: World) -> None:
    problem = _problem(world.client.get("/tollway/v1/nothing"), 404, "not_found")
    page = world.client.get(problem["type"])
    assert page.status_code == 200
    assert CODES["not_found"].fix in page.text
    _problem(world.client.get("/tollway/v1/errors/none"), 404, "not_found")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (InvalidInput("body.name", "wrong", "write another"), 400, "invalid_request"),
        (NotFound("plan", "gold"), 404, "not_found"),
        (Conflict("not now"), 409, "conflict"),
        (RuntimeError("secret inside"), 500, "internal_error"),
    ],
)
def test_what_a_use_case_refuses_is_a_problem(
    world: World, failure: Exception, status: int, code: str
) -> None:
    world.failure = failure
    problem = _problem(world.post("k"), status, code)
    assert "secret inside" not in str(problem)
    world.failure = None
    assert world.post("k").json() == {"number": 1}, "what failed leaves the key free"


def test_a_body_that_cannot_be_read_names_its_fields(world: World) -> None:
    problem = _problem(world.post(amount="x"), 400, "invalid_request")
    assert [fault["location"] for fault in problem["errors"]] == ["body.amount"]
    broken = world.client.post(
        "/tollway/v1/things", content=b'{"a', headers={"content-type": "application/json"}
    )
    _problem(broken, 400, "invalid_request")
    _problem(world.client.post("/tollway/v1/things", content=b"x" * 3_000_000), 413, "payload_too_large")
    _problem(world.client.put("/tollway/v1/things"), 405, "method_not_allowed")


def test_strangers_are_refused_with_a_problem(world: World) -> None:
    _problem(world.client.get("/tollway/v1/things", headers={"Kong-Admin-Token": "x"}), 401, "unauthorized")
    assert "message" in world.client.get("/services", headers={"Kong-Admin-Token": "x"}).json()


def test_the_same_key_does_it_once(world: World) -> None:
    first, second = world.post("k"), world.post("k")
    assert (first.status_code, first.json()) == (201, {"number": 1})
    assert (second.status_code, second.content) == (201, first.content)
    assert "idempotent-replayed" in second.headers
    assert "idempotent-replayed" not in first.headers
    assert world.made() == 1
    _problem(world.post("k", name="b"), 422, "idempotency_key_reused")
    assert world.post("l").json() == {"number": 2}
    assert world.post().json() == {"number": 3}
    _problem(world.post("a b"), 400, "invalid_request")
    world.clock.advance(timedelta(days=4))
    assert world.post("k", name="b").json() == {"number": 4}, "kept for three days"


def test_a_second_request_while_the_first_goes_on_waits_its_turn(world: World) -> None:
    inside, leave = threading.Event(), threading.Event()

    def meanwhile() -> None:
        inside.set()
        leave.wait(30)

    world.meanwhile = meanwhile
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(world.post("k")))
    thread.start()
    assert inside.wait(30)
    _problem(world.post("k"), 409, "idempotency_in_flight")
    leave.set()
    thread.join()
    assert [answer.status_code for answer in answers] == [201]
    assert world.post("k").content == answers[0].content
    assert world.made() == 1


def test_one_that_was_given_up_for_dead_commits_nothing(world: World) -> None:
    def overtaken() -> None:
        world.meanwhile = None
        world.clock.advance(timedelta(minutes=2))
        assert world.post("k").status_code == 201

    world.meanwhile = overtaken
    _problem(world.post("k"), 409, "conflict")
    assert world.made() == 1


def test_a_process_that_dies_before_it_answers_has_it_done_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(BaseException):
        pass

    def dies(_: object) -> str:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(Made, "model_dump_json", dies)
        world.post("k")
    assert world.made() == 1
    _problem(world.post("k"), 409, "idempotency_in_flight")
    world.clock.advance(timedelta(minutes=2))
    _problem(world.post("k"), 409, "idempotency_answer_lost")
    assert world.made() == 1


def test_pages_follow_each_other(world: World) -> None:
    seen, cursor = [], None
    while True:
        query = {} if cursor is None else {"cursor": cursor}
        answer = world.client.get("/tollway/v1/things", params=query).json()
        seen += [made["number"] for made in answer["data"]]
        cursor = answer["next_cursor"]
        assert answer["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert seen == [0, 1, 2, 3, 4]
    for wrong in ("x", "é", "WzFd!", "WyJhIl0", "bnVsbA"):
        problem = _problem(
            world.client.get("/tollway/v1/things", params={"cursor": wrong}), 400, "invalid_request"
        )
        assert problem["errors"][0]["location"] == "query.cursor"
    _problem(world.client.get("/tollway/v1/things?limit=0"), 400, "invalid_request")


def test_it_describes_itself(world: World) -> None:
    document = world.client.get("/openapi.json").json()
    assert document == world.client.get("/tollway/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/tollway/v1"}]
    assert (
        "application/problem+json" in document["paths"]["/things"]["post"]["responses"]["default"]["content"]
    )


def test_the_documentation_lists_every_code() -> None:
    listed = re.findall(
        r"^\| `([a-z_]+)` \| (\d+) \|", Path("docs/seller/errors.md").read_text(), re.MULTILINE
    )
    assert {name: int(status) for name, status in listed} == {name: c.status for name, c in CODES.items()}
