"""The Admin API in front of a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.databases import migrated
from tests.support.gateway import Engine, NoGateways, open_store
from tollway.gateway.service import Gateway
from tollway.storage.database import Database
from tollway.storage.gateway import GatewayStore
from tollway.web.admin import create_admin_app


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(tmp_path)
    yield database
    database.close()


@pytest.fixture
def store(database: Database, engine: Engine) -> GatewayStore:
    return open_store(database, engine)


class Current:
    """The units of work of the test that runs now: one application serves all of them."""

    store: GatewayStore

    def read(self) -> AbstractContextManager[Gateway]:
        return self.store.read()

    def write(self) -> AbstractContextManager[Gateway]:
        return self.store.write()


@pytest.fixture(scope="session")
def current() -> Current:
    return Current()


@pytest.fixture(scope="session")
def application(current: Current) -> Iterator[TestClient]:
    app = create_admin_app(units=current, gateways=NoGateways(), listen="127.0.0.1:8001")
    with TestClient(app, base_url="http://localhost:8001", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def admin(application: TestClient, current: Current, store: GatewayStore) -> TestClient:
    current.store = store
    return application
