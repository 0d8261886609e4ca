"""Emulators of payment vendors, started once for all contract tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.vendors import RequestCheck
from tests.support.vendors import localstripe as localstripe_running
from tests.support.vendors import stripe_mock as stripe_mock_running


@pytest.fixture(scope="session")
def stripe_mock() -> Iterator[RequestCheck]:
    with stripe_mock_running() as check:
        yield check


@pytest.fixture(scope="session")
def localstripe() -> Iterator[str]:
    with localstripe_running() as url:
        yield url
