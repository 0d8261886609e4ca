"""Try-it: what is sent is an operation of the file, and what comes back is shown, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.portal import Storefront, Visitor
from tollway.accounts.models import SignedIn
from tollway.kernel.errors import Conflict
from tollway.web.openapi.call import Call
from tollway.web.portal.answer import ShownAnswer, shown_answer
from tollway.web.portal.ports.trial import GatewaySilent, TrialAnswer

_ROOT = Path(__file__).parents[4]
_JSON = ("content-type", "application/json")


def _answer(
    body: bytes = b"{}", status: int = 200, *headers: tuple[str, str], cut: bool = False
) -> TrialAnswer:
    return TrialAnswer(status, 17, headers or (_JSON,), body, cut)


@dataclass
class _Gateway:
    """Takes the place of the gateway; notes what it was sent."""

    answer: TrialAnswer | Exception = field(default_factory=_answer)
    calls: list[Call] = field(default_factory=list)

    def key(self, member: SignedIn) -> str:
        if member.organisation.consumer is None:
            raise Conflict("choose a plan first: calls are made on it")
        return f"key-of-{member.organisation.slug}"

    def send(self, call: Call) -> TrialAnswer:
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> _Gateway:
    made = _Gateway()
    monkeypatch.setattr("tollway.app.portal.ProxyTrial", lambda *_, **__: made)
    return made


@pytest.fixture
def front(tmp_path: Path, gateway: _Gateway) -> Iterator[Storefront]:  # noqa: ARG001  # stands in its place
    catalog = (_ROOT / "demo/shop/catalog.yaml").read_text()
    front = Storefront(tmp_path, catalog=catalog, portal_dir=_ROOT / "demo/portal")
    yield front
    front.close()


@pytest.fixture
def visitor(front: Storefront) -> Visitor:
    return front.visitor(front.join("Meridian", "starter"))


def _send(visitor: Visitor, slug: str, **fields: str) -> str:
    return visitor.post(f"/try/{slug}", page=f"/reference/{slug}", **fields)


def test_a_form_becomes_a_call_and_its_answer_a_page(visitor: Visitor, gateway: _Gateway) -> None:
    gateway.answer = _answer(
        b'{"name":"Lisbon <b>"}',
        200,
        _JSON,
        ("x-kong-request-id", "7f3c"),
        ("ratelimit", '"minute";r=9;t=4'),
        ("server", "x"),
    )
    _send(visitor, "get-city", **{"path.id": "2267057"})
    assert gateway.calls == [Call("GET", "/v1/cities/2267057", (("apikey", "key-of-meridian"),), None)]
    for words in (
        "200 OK",
        "17 ms",
        '"name" : "Lisbon <b>"',
        '"minute";r=9;t=4',
        "Request id 7f3c",
        "Other headers",
    ):
        assert words in visitor.words
    assert "key-of-meridian" not in visitor.text
    assert visitor.status == 200


def test_the_script_gets_the_form_alone(visitor: Visitor, gateway: _Gateway) -> None:
    visitor.get("/reference/get-city")
    visitor.client.headers["hx-request"] = "true"
    _send(visitor, "get-city", **{"path.id": ""})
    assert (visitor.status, gateway.calls) == (200, [])
    assert visitor.text.lstrip().startswith('<div id="try"')
    assert "It is needed; e.g. 2267057" in visitor.words


def test_faults_stand_beside_the_field_and_what_was_typed_stays(visitor: Visitor, gateway: _Gateway) -> None:
    _send(visitor, "list-country-cities", **{"path.code": "..", "query.limit": "7"})
    assert (visitor.status, gateway.calls) == (422, [])
    assert 'id="path.code-error"' in visitor.text
    assert 'value=".."' in visitor.text
    assert 'value="7"' in visitor.text


def test_bodies_go_whole_up_to_a_bound(visitor: Visitor, gateway: _Gateway) -> None:
    body = json.dumps({"ids": list(range(5_000))})
    assert len(body) > 20_000
    _send(visitor, "look-up-cities", body=body)
    assert gateway.calls[0].body == body
    assert ("Content-Type", "application/json") in gateway.calls[0].headers
    _send(visitor, "look-up-cities", body="x" * 70_000)
    assert "More than 65,536 bytes" in visitor.words
    assert len(gateway.calls) == 1


def test_strangers_are_led_to_sign_up_and_nothing_is_sent(front: Storefront, gateway: _Gateway) -> None:
    stranger = front.visitor()
    page = stranger.get("/reference/get-city")
    assert 'href="/sign-up"' in page.partition('id="try"')[2]
    assert "<form" not in page.partition('id="try"')[2]
    _send(stranger, "get-city", **{"path.id": "1"})
    assert (stranger.status, stranger.location) == (303, "/sign-in?next=/try/get-city")
    stranger.get("/try/get-city")
    assert (stranger.status, stranger.location) == (303, "/reference/get-city")
    assert gateway.calls == []


def test_a_forged_form_is_refused(visitor: Visitor, gateway: _Gateway) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": "http://portal.example"}):
        answer = visitor.client.post("/try/get-city", data={"path.id": "1"}, headers=headers)
        assert answer.status_code == 403
        answer = visitor.client.post("/try/api", json={"method": "GET", "target": "/v1"}, headers=headers)
        assert answer.status_code == 403
    assert gateway.calls == []


def test_without_a_plan_there_is_the_way_to_one(front: Storefront, gateway: _Gateway) -> None:
    signed = front.join("Newcomer", plan=None)
    object.__setattr__(signed.organisation, "consumer", None)
    visitor = front.visitor(signed)
    _send(visitor, "get-city", **{"path.id": "1"})
    assert "Choose a plan first" in visitor.words
    assert 'href="/start">Choose a plan' in visitor.text
    assert gateway.calls == []


def test_silence_is_told(visitor: Visitor, gateway: _Gateway) -> None:
    gateway.answer = GatewaySilent("no answer from the gateway: ConnectError")
    _send(visitor, "get-city", **{"path.id": "1"})
    assert "No answer from the gateway" in visitor.words


def _shown(answer: TrialAnswer) -> ShownAnswer:
    return shown_answer(answer, Call("GET", "/x?key=se%20cret", (), None), "se cret")


def test_refusals_come_with_advice() -> None:
    feature = {
        "code": "feature",
        "feature": "data_v2",
        "plans": ["big"],
        "addons": ["extra/1"],
        "plan": "pro",
    }
    told = _shown(_answer(json.dumps(feature).encode(), 403)).advice
    assert told is not None
    assert (told.title, told.action) == ("Your plan doesn't have data_v2.", "Change the plan")
    told = _shown(_answer(json.dumps(feature | {"addons": ["extra"]}).encode(), 403)).advice
    assert told is not None
    assert (told.action, told.path) == ("Add extra", "/billing/add-ons/extra")
    told = _shown(_answer(b"{}", 429, _JSON, ("retry-after", "41"))).advice
    assert told is not None
    assert told.text.startswith("Wait 41 seconds")
    for status in (401, 402, 403, 429, 500, 599):
        assert _shown(_answer(b"[", status)).advice is not None
    assert _shown(_answer(b"{}", 404)).advice is None


@pytest.mark.parametrize(
    ("body", "media_type", "shown", "note"),
    [
        (b'{"a":1}', "application/problem+json; charset=utf-8", '{\n  "a": 1\n}', ""),
        (b'{"a":', "application/json", '{"a":', ""),
        (b"[" * 50_000, "application/json", "[" * 50_000, ""),
        (b"a,b\n", "text/csv", "a,b\n", ""),
        (b"<script>alert(1)</script>", "text/html", "&lt;script&gt;alert(1)&lt;/script&gt;", ""),
        (b"\x89PNG", "image/png", "", "4 bytes of image/png, which is not shown here."),
        (b"\xff\xfe", "text/plain", "\ufffd\ufffd", ""),
        (b'"\\ud800"', "application/json", "?", ""),
        (b"x" * 70_000, "text/plain", "x" * 65_536, "Only its beginning is shown."),
        (b"", "application/json", "", ""),
    ],
)
def test_bodies_of_any_kind_are_harmless(body: bytes, media_type: str, shown: str, note: str) -> None:
    found = _shown(_answer(body, 200, ("content-type", media_type)))
    plain = found.body.striptags() if "&lt;" not in shown else found.body
    assert shown.replace("\n", " ").split() == str(plain).replace('"?"', "?").split() or shown == str(plain)
    assert found.note == note
    str(found.body).encode()


def test_packed_bodies_are_not_unpacked() -> None:
    found = _shown(_answer(b"\x1f\x8b", 200, _JSON, ("content-encoding", "gzip")))
    assert (found.body, found.note) == ("", "2 bytes of application/json, which is not shown here.")


def test_the_key_is_not_shown_where_it_is_in_the_address() -> None:
    assert _shown(_answer()).sent == "GET /x?key=YOUR_KEY"


def _explore(visitor: Visitor, asked: Any) -> Any:
    page = visitor.get("/explorer")
    token = page.partition('data-token="')[2].partition('"')[0]
    headers = {"origin": "http://portal.example", "x-csrf-token": token}
    return visitor.client.post("/try/api", json=asked, headers=headers)


def test_the_explorer_calls_operations_of_the_file_alone(visitor: Visitor, gateway: _Gateway) -> None:
    gateway.answer = _answer(
        b"<script>1</script>", 200, ("content-type", "text/html"), ("set-cookie", "a=b"),
        ("clear-site-data", "*"), ("content-security-policy", "x"), ("x-kong-request-id", "7f"),
    )  # fmt: skip
    asked = {
        "method": "GET",
        "target": "/v1/cities?q=a%26b&limit=2&x=1",
        "headers": {"Host": "evil", "Cookie": "c"},
    }
    answer = _explore(visitor, asked)
    assert gateway.calls == [
        Call("GET", "/v1/cities?q=a%26b&limit=2", (("apikey", "key-of-meridian"),), None)
    ]
    assert (answer.status_code, answer.text) == (200, "<script>1</script>")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-kong-request-id"] == "7f"
    assert {"set-cookie", "clear-site-data"}.isdisjoint(answer.headers)


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "DELETE", "target": "/v1/cities"},
        {"method": "GET", "target": "/v1/sources"},
        {"method": "GET", "target": "//evil.example/v1/cities/1"},
        {"method": "GET", "target": "http://evil.example/v1/cities/1"},
        {"method": "GET", "target": "/v1/cities/.."},
        {"method": "GET", "target": "/v1/cities/%2e%2e"},
        {"method": "GET", "target": "/v1/cities/1/../../sources"},
        {"method": "GET", "target": "/v1/cities/"},
        {"method": "GET"},
        {"method": 1, "target": "/v1"},
        ["GET", "/v1"],
        {"method": "POST", "target": "/v1/cities/lookup", "body": {"ids": [1]}},
        {"method": "POST", "target": "/v1/cities/lookup", "body": "x" * 70_000},
        {"method": "GET", "target": "/v1/cities?q=" + "&a=1" * 300},
    ],
)
def test_the_explorer_sends_nothing_else(visitor: Visitor, gateway: _Gateway, asked: Any) -> None:
    assert _explore(visitor, asked).status_code in {400, 409}
    assert gateway.calls == []


def test_answers_without_a_body_have_none(visitor: Visitor, gateway: _Gateway) -> None:
    for status in (204, 304):
        gateway.answer = _answer(b"x", status)
        answer = _explore(visitor, {"method": "GET", "target": "/v1"})
        assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_upstream_leads_the_explorers_script_nowhere(
    visitor: Visitor, gateway: _Gateway, status: int
) -> None:
    # A browser would send the same call, with the form's token, wherever it is led on this site.
    gateway.answer = _answer(b"", status, ("location", "/billing/cancel"))
    answer = _explore(visitor, {"method": "GET", "target": "/v1/cities/1"})
    assert answer.status_code == status
    assert "location" not in answer.headers
    assert answer.headers["x-upstream-location"] == "/billing/cancel"


def test_headers_of_any_kind_are_harmless(visitor: Visitor, gateway: _Gateway) -> None:
    gateway.answer = _answer(
        b"", 201, ("location", "/v1/cities/1"), ("etag", '"\N{EURO SIGN}"'), ("set-cookie", "a=b")
    )
    answer = _explore(visitor, {"method": "GET", "target": "/v1/cities/1"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/cities/1"
    assert answer.headers["etag"] == '"?"'
    assert "set-cookie" not in answer.headers


def test_the_explorers_file_names_one_server_and_no_key(visitor: Visitor) -> None:
    document = json.loads(visitor.get("/explorer/openapi.json"))
    assert document["servers"] == [{"url": "http://portal.example:8000"}]
    assert "security" not in document
    assert "securitySchemes" not in document["components"]


def test_portal_without_a_file_has_no_explorer(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    front = Storefront(tmp_path / "bare")
    visitor = front.visitor(front.join("Meridian", plan=None))
    for path in ("/explorer", "/explorer/openapi.json", "/try/get-city"):
        visitor.get(path)
        assert visitor.status == 404
    front.close()
