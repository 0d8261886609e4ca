"""The sandbox: a payment provider that needs no network and takes no money.

It behaves as vendors do, at their worst too: it declines, wants a confirmation, takes the money and never
answers. Its state is its own, in `sandbox-payments.db` of the data folder, committed apart from Tollway's:
what a process that died had asked for is found here and nowhere else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from tollway.billing.payments.results import (
    Capability,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    CustomerRequest,
    MethodDetails,
    PermanentFault,
    RefundRequest,
    RefundResult,
    RefundStatus,
    SetupRequest,
    SetupResult,
    SetupStarted,
    SetupStatus,
    TemporaryFault,
    UnknownOutcome,
)
from tollway.providers.payments.base import Options, Vendor

__all__ = ["ACTION_PATH", "CARDS", "SETUP_PATH", "Behaviour", "Sandbox", "TestCard"]

SETUP_PATH = "/pay/sandbox"
"""The portal's page on which a test card is chosen; the query has `setup`."""
ACTION_PATH = "/pay/sandbox/action"
"""The portal's page on which a charge is confirmed; the query has `charge`."""


class Behaviour(StrEnum):
    """What a test card does when it is charged."""

    SUCCEED = "succeed"
    DECLINE = "decline"
    ACT = "act"
    """Needs the customer's confirmation, and is declined where there is no customer."""
    SETTLE_LATER = "settle_later"
    TIME_OUT_AFTER = "time_out_after"
    """Takes the money, and then no answer comes."""
    TIME_OUT_BEFORE = "time_out_before"
    """No answer comes and nothing was taken; the second time it succeeds."""
    BUSY = "busy"
    """Refuses for the moment; the second time it succeeds."""


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card to choose. `name` is what forms send; `code` is why it declines."""

    __test__: ClassVar[bool] = False

    name: str
    title: str
    brand: str
    last4: str
    behaviour: Behaviour
    code: str | None = None


_ALL = (
    TestCard("succeeds", "Succeeds", "Visa", "4242", Behaviour.SUCCEED),
    TestCard("declined", "Is declined", "Visa", "0002", Behaviour.DECLINE, "card_declined"),
    TestCard("no_funds", "Has no funds", "Visa", "9995", Behaviour.DECLINE, "insufficient_funds"),
    TestCard("expired", "Has expired", "Visa", "0069", Behaviour.DECLINE, "expired_card"),
    TestCard("needs_action", "Needs a confirmation", "Mastercard", "3184", Behaviour.ACT),
    TestCard("settles_later", "Is settled later, as a bank debit", "Visa", "0077", Behaviour.SETTLE_LATER),
    TestCard("timeout_after", "Takes the money, then times out", "Visa", "1001", Behaviour.TIME_OUT_AFTER),
    TestCard("timeout_before", "Times out, takes nothing", "Visa", "1002", Behaviour.TIME_OUT_BEFORE),
    TestCard("busy", "Is busy the first time", "Visa", "1003", Behaviour.BUSY),
)
CARDS = {card.name: card for card in _ALL}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (reference TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setup (
    reference TEXT PRIMARY KEY, account TEXT NOT NULL, return_url TEXT NOT NULL, cancel_url TEXT NOT NULL,
    method TEXT);
CREATE TABLE IF NOT EXISTS method (
    reference TEXT PRIMARY KEY, account TEXT NOT NULL, card TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tried (key TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS charge (
    reference TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, account TEXT NOT NULL, method TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, code TEXT, action_url TEXT);
CREATE TABLE IF NOT EXISTS refund (
    reference TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, refund TEXT NOT NULL, charge TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL);
"""

_MESSAGES = {
    "card_declined": "The card was declined.",
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
    "authentication_required": "The bank wants the customer to confirm this payment.",
    "authentication_failed": "The payment was not confirmed.",
}


class Sandbox(Vendor):
    """`tollway.billing.payments.ports.PaymentProvider` over a file."""

    NAME = "sandbox"
    CAPABILITIES = Capability.ACTION | Capability.PARTIAL_REFUND

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._path = options.folder / "sandbox-payments.db"

    @property
    def moves_real_money(self) -> bool:
        """Never."""
        return False

    def create_customer(self, request: CustomerRequest) -> str:
        """See `PaymentProvider.create_customer`."""
        reference = f"sandbox_account_{request.customer.hex}"
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO account VALUES (?, ?)", (reference, request.name))
        return reference

    def begin_setup(self, request: SetupRequest) -> SetupStarted:
        """See `PaymentProvider.begin_setup`: the page is the portal's own."""
        reference = f"sandbox_setup_{request.setup.hex}"
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO setup VALUES (?, ?, ?, ?, NULL)",
                (reference, request.account, request.return_url, request.cancel_url),
            )
        return SetupStarted(reference, f"{request.origin}{SETUP_PATH}?{urlencode({'setup': request.setup})}")

    def choose(self, setup: str, card: str) -> None:
        """Save a test card for a setup, as the customer does on a vendor's page; once, whatever comes after.

        Raises:
            PermanentFault: there is no such card or setup.
        """
        if card not in CARDS:
            raise PermanentFault(f"{card!r} is no test card; take one of: {', '.join(CARDS)}", "unknown_card")
        with self._transaction() as db:
            row = _row(db, "SELECT account, method FROM setup WHERE reference = ?", setup)
            if row is None:
                raise PermanentFault(f"no setup {setup!r}", "setup_missing")
            if row["method"] is None:
                method = f"sandbox_card_{setup.removeprefix('sandbox_setup_')}"
                db.execute(
                    "INSERT INTO method (reference, account, card) VALUES (?, ?, ?)",
                    (method, row["account"], card),
                )
                db.execute("UPDATE setup SET method = ? WHERE reference = ?", (method, setup))

    def setup_result(self, reference: str) -> SetupResult:
        """See `PaymentProvider.setup_result`."""
        with self._transaction() as db:
            row = _row(db, "SELECT method FROM setup WHERE reference = ?", reference)
            if row is None:
                return SetupResult(SetupStatus.FAILED, message="there is no such setup")
            if row["method"] is None:
                return SetupResult(SetupStatus.OPEN)
            chosen = _row(db, "SELECT card FROM method WHERE reference = ?", row["method"])
        assert chosen is not None, "a setup's method is kept"
        card = CARDS[chosen["card"]]
        details = MethodDetails(
            reference=row["method"], brand=card.brand, last4=card.last4, expires_month=12, expires_year=2034
        )
        return SetupResult(SetupStatus.COMPLETE, details)

    def remove_method(self, reference: str) -> None:
        """See `PaymentProvider.remove_method`."""
        with self._transaction() as db:
            db.execute("UPDATE method SET removed = 1 WHERE reference = ?", (reference,))

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """See `PaymentProvider.charge`: what happens is in the card."""
        with self._transaction() as db:
            row = _row(db, "SELECT * FROM charge WHERE key = ?", request.key)
            if row is not None:
                same = (row["amount"], row["currency"], row["method"])
                if same != (request.amount, request.currency, request.method):
                    raise UnknownOutcome("the key was used for another charge", "key_reused")
                return _charge(row)
            method = _row(
                db,
                "SELECT card FROM method WHERE reference = ? AND account = ? AND removed = 0",
                request.method,
                request.account,
            )
            if method is None:
                raise PermanentFault("the saved card is not there any more", "method_missing")
            card = CARDS[method["card"]]
            again = _row(db, "SELECT key FROM tried WHERE key = ?", request.key) is not None
            fault = None if again else _first_fault(card.behaviour)
            if fault is not None:
                db.execute("INSERT INTO tried VALUES (?)", (request.key,))
            else:
                row = self._take(db, request, card)
        if fault is not None:
            raise fault
        assert row is not None, "what was taken is kept"
        if card.behaviour is Behaviour.TIME_OUT_AFTER:
            raise UnknownOutcome("the sandbox took the money and did not answer", "timeout")
        return _charge(row)

    def find_charge(self, request: ChargeRequest) -> ChargeResult | None:
        """See `PaymentProvider.find_charge`."""
        with self._transaction() as db:
            row = _row(db, "SELECT * FROM charge WHERE key = ?", request.key)
        return None if row is None else _charge(row)

    def charge_state(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.charge_state`; what settles later is settled when it is asked about."""
        with self._transaction() as db:
            db.execute(
                "UPDATE charge SET status = ? WHERE reference = ? AND status = ?",
                (ChargeStatus.SUCCEEDED.value, reference, ChargeStatus.PROCESSING.value),
            )
            return _charge(_charged(db, reference))

    def cancel_charge(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.cancel_charge`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE charge SET status = ? WHERE reference = ? AND status = ?",
                (ChargeStatus.CANCELLED.value, reference, ChargeStatus.REQUIRES_ACTION.value),
            )
            return _charge(_charged(db, reference))

    def complete_action(self, reference: str, *, approve: bool) -> ChargeResult:
        """Confirm a charge or refuse it, as the customer does on the bank's page."""
        status = ChargeStatus.SUCCEEDED if approve else ChargeStatus.DECLINED
        with self._transaction() as db:
            db.execute(
                "UPDATE charge SET status = ?, code = ? WHERE reference = ? AND status = ?",
                (
                    status.value,
                    None if approve else "authentication_failed",
                    reference,
                    ChargeStatus.REQUIRES_ACTION.value,
                ),
            )
            return _charge(_charged(db, reference))

    def refund(self, request: RefundRequest) -> RefundResult:
        """See `PaymentProvider.refund`: a card that times out does so here too."""
        with self._transaction() as db:
            row = _row(db, "SELECT * FROM refund WHERE key = ?", request.key)
            if row is not None:
                return _refund(row)
            charge = _charged(db, request.charge)
            method = _row(db, "SELECT card FROM method WHERE reference = ?", charge["method"])
            assert method is not None, "a card that was charged is kept"
            behaviour = CARDS[method["card"]].behaviour
            given = db.execute(
                "SELECT coalesce(sum(amount), 0) FROM refund WHERE charge = ?", (request.charge,)
            ).fetchone()[0]
            if charge["status"] != ChargeStatus.SUCCEEDED or given + request.amount > charge["amount"]:
                raise PermanentFault("more than was paid can't be given back", "refund_too_large")
            again = _row(db, "SELECT key FROM tried WHERE key = ?", request.key) is not None
            fault = None if again else _first_fault(behaviour)
            if fault is not None:
                db.execute("INSERT INTO tried VALUES (?)", (request.key,))
            else:
                db.execute(
                    "INSERT INTO refund VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        f"sandbox_refund_{request.refund.hex}",
                        request.key,
                        str(request.refund),
                        request.charge,
                        request.amount,
                        request.currency,
                    ),
                )
        if fault is not None:
            raise fault
        if behaviour is Behaviour.TIME_OUT_AFTER:
            raise UnknownOutcome("the sandbox gave the money back and did not answer", "timeout")
        found = self.find_refund(request)
        assert found is not None, "what was given is kept"
        return found

    def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """See `PaymentProvider.find_refund`."""
        with self._transaction() as db:
            row = _row(db, "SELECT * FROM refund WHERE key = ?", request.key)
        return None if row is None else _refund(row)

    def refund_state(self, reference: str) -> RefundResult:
        """See `PaymentProvider.refund_state`."""
        with self._transaction() as db:
            row = _row(db, "SELECT * FROM refund WHERE reference = ?", reference)
        if row is None:
            raise PermanentFault(f"no refund {reference!r}", "refund_missing")
        return _refund(row)

    def _take(self, db: sqlite3.Connection, request: ChargeRequest, card: TestCard) -> sqlite3.Row:
        count = db.execute("SELECT count(*) FROM charge").fetchone()[0]
        reference = f"sandbox_charge_{count + 1:06d}"
        status, code, action_url = ChargeStatus.SUCCEEDED, None, None
        if card.behaviour is Behaviour.DECLINE:
            status, code = ChargeStatus.DECLINED, card.code
        elif card.behaviour is Behaviour.SETTLE_LATER:
            status = ChargeStatus.PROCESSING
        elif card.behaviour is Behaviour.ACT and request.present:
            status = ChargeStatus.REQUIRES_ACTION
            action_url = f"{request.origin}{ACTION_PATH}?{urlencode({'charge': reference})}"
        elif card.behaviour is Behaviour.ACT:
            status, code = ChargeStatus.DECLINED, "authentication_required"
        db.execute(
            "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                reference,
                request.key,
                request.account,
                request.method,
                request.amount,
                request.currency,
                status.value,
                code,
                action_url,
            ),
        )
        return _charged(db, reference)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the vendor's, durable when the block ends, undone when it raises."""
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            try:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")


def _first_fault(behaviour: Behaviour) -> TemporaryFault | UnknownOutcome | None:
    if behaviour is Behaviour.TIME_OUT_BEFORE:
        return UnknownOutcome("the sandbox did not answer", "timeout")
    if behaviour is Behaviour.BUSY:
        return TemporaryFault("the sandbox is busy", "rate_limited")
    return None


def _row(db: sqlite3.Connection, query: str, *values: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(query, values).fetchone()
    return found


def _charged(db: sqlite3.Connection, reference: str) -> sqlite3.Row:
    row = _row(db, "SELECT * FROM charge WHERE reference = ?", reference)
    if row is None:
        raise PermanentFault(f"no charge {reference!r}", "charge_missing")
    return row


def _charge(row: Any) -> ChargeResult:
    return ChargeResult(
        status=ChargeStatus(row["status"]),
        reference=row["reference"],
        code=row["code"],
        message=_MESSAGES.get(row["code"]),
        action_url=row["action_url"] if row["status"] == ChargeStatus.REQUIRES_ACTION else None,
        amount=row["amount"],
        currency=row["currency"],
    )


def _refund(row: Any) -> RefundResult:
    return RefundResult(
        status=RefundStatus.SUCCEEDED,
        reference=row["reference"],
        charge=row["charge"],
        amount=row["amount"],
        currency=row["currency"],
        refund=UUID(row["refund"]),
    )
