"""Who may use the Admin API: who has the token, or without one nobody but this machine's own tools."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.support.gateway import NoGateways
from tollway.kernel.errors import InvalidInput
from tollway.storage.gateway import GatewayStore
from tollway.web.admin import create_admin_app, require_safe_listener

pytestmark = pytest.mark.one_database

TOKEN = "correct horse battery staple"


@pytest.fixture
def guarded(store: GatewayStore) -> TestClient:
    app = create_admin_app(units=store, gateways=NoGateways(), listen="0.0.0.0:8001", token=TOKEN)
    return TestClient(app, base_url="http://admin.example:8001")


@pytest.mark.parametrize("listen", ["0.0.0.0:8001", "192.168.1.1:8001", "[::]:8001", "admin.example:8001"])
@pytest.mark.parametrize("token", [None, ""])
def test_no_token_means_loopback_only(listen: str, token: str | None) -> None:
    with pytest.raises(InvalidInput, match="TOLLWAY_ADMIN_TOKEN"):
        require_safe_listener(listen, token)
    require_safe_listener(listen, TOKEN)


@pytest.mark.parametrize("listen", ["127.0.0.1:8001", "127.0.0.2:1", "[::1]:8001", "localhost:8001"])
def test_loopback_needs_no_token(listen: str) -> None:
    require_safe_listener(listen, None)


def test_application_is_not_made_for_an_open_listener(store: GatewayStore) -> None:
    with pytest.raises(InvalidInput, match=r"0\.0\.0\.0:8001"):
        create_admin_app(units=store, gateways=NoGateways(), listen="0.0.0.0:8001")


@pytest.mark.parametrize(
    "headers",
    [{"Kong-Admin-Token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer {TOKEN}"}],
)
def test_token_opens(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.get("/services", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Kong-Admin-Token": ""},
        {"Kong-Admin-Token": TOKEN[:-1]},
        {"Kong-Admin-Token": "wrong", "Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer "},
    ],
)
def test_without_the_token_nothing_is_told(guarded: TestClient, headers: dict[str, str]) -> None:
    for path in ("/services", "/nowhere"):
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["message"].startswith("Unauthorized: ")
        assert answer.headers["server"] == "kong/3.9.1"


@pytest.mark.parametrize("host", ["localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001", "LOCALHOST"])
def test_this_machine_by_any_name(admin: TestClient, host: str) -> None:
    assert admin.get("/services", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.evil"])
def test_name_that_was_made_to_resolve_to_this_machine(admin: TestClient, host: str) -> None:
    answer = admin.get("/services", headers={"Host": host})
    assert answer.status_code == 403
    assert "TOLLWAY_ADMIN_TOKEN" in answer.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_form_posted_by_another_page_changes_nothing(admin: TestClient, headers: dict[str, str]) -> None:
    answer = admin.post("/consumers", data={"username": "mallory"}, headers=headers)
    assert answer.status_code == 403
    assert admin.get("/consumers").json()["data"] == []


def test_own_page_may(admin: TestClient) -> None:
    headers = {"Origin": "http://localhost:8001", "Sec-Fetch-Site": "same-origin"}
    assert admin.post("/consumers", data={"username": "bob"}, headers=headers).status_code == 201


def test_names_that_were_allowed(store: GatewayStore) -> None:
    app = create_admin_app(
        units=store, gateways=NoGateways(), listen="127.0.0.1:8001", hosts=["admin.internal"]
    )
    client = TestClient(app, base_url="http://admin.internal:8001")
    assert client.get("/services").status_code == 200
