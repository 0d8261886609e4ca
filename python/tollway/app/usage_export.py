"""Usage told to the payment provider, as an option: by the hour, each part stored before it is sent."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog

from tollway.app.going_on import told
from tollway.billing.payments.attempts import pause
from tollway.billing.payments.exporting import HOUR, Part, Subject, hours, new_parts
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.results import Capability, PermanentFault, ProviderError, UsageReport
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.metering.ports import UsageQuery
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["UsageExport"]

_SETTLED = timedelta(minutes=10)
"""How long after its end a window is first looked at."""
_LATE = timedelta(hours=26)
"""For how long a window is looked at again, for usage that came late."""
_FORGOTTEN = timedelta(hours=23)
"""After that long an identifier may count a second time (24 hours): what was counted is read first."""
_TOO_OLD = timedelta(days=34)
"""Stripe takes usage of the last 35 days."""
_TOGETHER = 100
_SECONDS = 60.0
_FAILED = "usage was not told; trying again"

log = structlog.get_logger()


class UsageExport:
    """Tells a provider what customers used, of those who have an account there."""

    def __init__(self, main: Database, usage: UsageQuery, provider: PaymentProvider, clock: Clock) -> None:
        if Capability.USAGE_EXPORT not in provider.capabilities:
            raise InvalidInput(
                "TOLLWAY_PAYMENT_USAGE_EXPORT", f"{provider.name} takes no usage", "unset it, or use stripe"
            )
        self._main = main
        self._usage = usage
        self._provider = provider
        self._clock = clock

    def export_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.wait(_SECONDS):
            with told(_FAILED):
                self.work()

    def work(self) -> int:
        """Plan what has become complete, and send what is due; return how much was told."""
        self._plan()
        name = self._provider.name
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            due = commerce.usage_reports.due(name, self._clock.now(), _TOGETHER)
            accounts = commerce.methods.accounts(name)
        count = 0
        for part in due:
            # One that fails must not keep the others waiting.
            with told(_FAILED, meter=part.subject.meter):
                count += self._tell(part, accounts[part.subject.customer])
        return count

    def _plan(self) -> None:
        now = self._clock.now()
        until = (now - _SETTLED).replace(minute=0, second=0, microsecond=0)
        name = self._provider.name
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            planned = commerce.usage_reports.planned_until(name)
            accounts = commerce.methods.accounts(name)
        if planned is not None and planned >= until:
            return
        since = max(min(planned or until, until - _LATE), now - _TOO_OLD)
        metered = {start: self._metered(start, accounts) for start in hours(since, until)}
        with self._main.write() as connection:
            reports = Commerce(connection, self._clock).usage_reports
            parts = [
                part
                for start, quantities in metered.items()
                if quantities
                for part in new_parts(start, quantities, reports.told(name, start))
            ]
            reports.plan(name, parts, until, now)

    def _metered(self, start: datetime, accounts: Mapping[UUID, str]) -> Mapping[Subject, Decimal]:
        quantities: dict[Subject, Decimal] = defaultdict(Decimal)
        for found in self._usage.quantities(start=start, end=start + HOUR).quantities:
            if found.customer is not None and found.customer in accounts:
                quantities[Subject(found.customer, found.meter)] += found.quantity
        return quantities

    def _tell(self, part: Part, account: str) -> bool:
        name, now = self._provider.name, self._clock.now()
        report = UsageReport(
            identifier=part.identifier,
            account=account,
            meter=part.subject.meter,
            start=part.start,
            end=part.end,
            quantity=part.quantity,
        )
        problem, again = None, None
        try:
            if not self._counted(part, report, now):
                self._provider.report_usage(report)
        except PermanentFault as fault:
            problem = str(fault)
            log.error("usage is refused", meter=part.subject.meter, reason=problem)  # noqa: TRY400  # one line
        except ProviderError as fault:
            problem, again = str(fault), now + pause(part.tries)
        with self._main.write() as connection:
            reports = Commerce(connection, self._clock).usage_reports
            if again is not None and problem is not None:
                reports.put_off(name, part, again, problem)
            else:
                reports.done(name, part, now, problem)
        return problem is None

    def _counted(self, part: Part, report: UsageReport, now: datetime) -> bool:
        """Whether the provider has this part already, so long after it was sent that it must be asked."""
        forgotten = part.first_sent_at is not None and now - part.first_sent_at > _FORGOTTEN
        if forgotten:
            with self._main.read() as connection:
                reports = Commerce(connection, self._clock).usage_reports
                told = reports.told(self._provider.name, part.start, part.number)[part.subject]
            if self._provider.usage_total(report) >= told.quantity:
                return True
        if forgotten or part.first_sent_at is None:
            with self._main.write() as connection:
                reports = Commerce(connection, self._clock).usage_reports
                reports.sending(self._provider.name, part, now)
        return False
