"""Whatever fails in the worker is said, and the thread it failed in goes on."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from structlog.testing import capture_logs

from tollway.app import billing_worker, key_worker, mail, payment_worker, subscription_mirror, usage_export
from tollway.app.billing_worker import BillingWorker
from tollway.app.bus_intake import BusIntake
from tollway.app.going_on import told
from tollway.app.key_worker import KeyWorker
from tollway.app.mail import MailWorker
from tollway.app.metering import MeteringWorker
from tollway.app.payment_worker import PaymentWorker
from tollway.app.subscription_mirror import SubscriptionMirror
from tollway.app.usage_export import UsageExport
from tollway.billing.payments.results import Capability

pytestmark = pytest.mark.one_database


class Flaky:
    """Fails in each of these ways once; then it ends the loop that calls it."""

    def __init__(self, *faults: Exception) -> None:
        self._faults = list(faults)
        self.stop = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> Any:
        if self._faults:
            raise self._faults.pop(0)
        self.stop.set()
        return Mock(caught_up=True)


def _loops() -> dict[str, tuple[Any, str]]:
    billing = BillingWorker(Mock(), Mock(), clock=Mock(), grace=timedelta(0))
    exporting = Mock(capabilities=Capability.USAGE_EXPORT)
    showing = Mock(capabilities=Capability.ITEM_MIRROR)
    return {
        "settle_forever": (billing, "settle"),
        "close_forever": (billing, "close"),
        "collect_forever": (PaymentWorker(Mock(), Mock(), Mock()), "work"),
        "mail_forever": (MailWorker(Mock(), Mock(), Mock()), "drain"),
        "purge_forever": (KeyWorker(Mock()), "purge"),
        "export_forever": (UsageExport(Mock(), Mock(), exporting, Mock()), "work"),
        "show_forever": (SubscriptionMirror(Mock(), showing, Mock()), "work"),
        "run_forever": (MeteringWorker(Mock(), Mock(), Mock()), "run_once"),
        "take_forever": (BusIntake(nullcontext, Mock(), MagicMock(), Mock()), "take_batch"),  # type: ignore[arg-type]
    }


@pytest.mark.timeout(30)
@pytest.mark.parametrize("loop", list(_loops()))
def test_no_failure_ends_a_loop(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, seconds in (
        (billing_worker, "_SETTLE_SECONDS"),
        (billing_worker, "_CLOSE_SECONDS"),
        (payment_worker, "_SECONDS"),
        (mail, "_LOOK_EVERY"),
        (key_worker, "_SECONDS"),
        (usage_export, "_SECONDS"),
        (subscription_mirror, "_SECONDS"),
    ):
        monkeypatch.setattr(module, seconds, 0.001)
    worker, step = _loops()[loop]
    flaky = Flaky(ValueError("a slip of ours"), TimeoutError("others write"))
    monkeypatch.setattr(worker, step, flaky)
    with capture_logs() as logs:
        getattr(worker, loop)(flaky.stop)
    said = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["event"].endswith("; trying again") for entry in said] == [True, True]
    assert ["exc_info" in entry and entry["exc_info"] is not None for entry in said] == [True, False]


def test_what_ends_a_process_is_let_through() -> None:
    with pytest.raises(KeyboardInterrupt), told("failed"):
        raise KeyboardInterrupt
