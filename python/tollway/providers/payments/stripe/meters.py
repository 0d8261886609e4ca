"""Usage told to Stripe's Billing Meters, see https://docs.stripe.com/api/billing/meter-event.

An identifier is unique for 24 hours, as an idempotency key is kept: within them a window that is sent again
counts once. Whoever sends one again later reads the summaries first.
"""

from __future__ import annotations

import threading

from stripe import V1Services

from tollway.billing.payments.results import PermanentFault, UsageReport
from tollway.providers.payments.stripe.calls import asked, moment

__all__ = ["Meters"]

_DUPLICATE = "duplicate_meter_event"


class Meters:
    """One of Stripe's meters for each of ours, made when first needed."""

    def __init__(self, client: V1Services) -> None:
        self._client = client
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def report(self, report: UsageReport) -> None:
        """See `PaymentProvider.report_usage`."""
        self._meter(report.meter)
        try:
            asked(
                lambda: self._client.billing.meter_events.create(
                    {
                        "event_name": _event_name(report.meter),
                        "payload": {"stripe_customer_id": report.account, "value": str(report.quantity)},
                        "identifier": report.identifier,
                        # Never left out: usage belongs to when it was, not to when it is told.
                        "timestamp": moment(report.start),
                    },
                    {"idempotency_key": report.identifier},
                )
            )
        except PermanentFault as fault:
            if fault.code != _DUPLICATE:
                raise

    def total(self, report: UsageReport) -> int:
        """See `PaymentProvider.usage_total`."""
        meter = self._meter(report.meter)

        def add_up() -> int:
            listed = self._client.billing.meters.event_summaries.list(
                meter,
                {
                    "customer": report.account,
                    "start_time": moment(report.start),
                    "end_time": moment(report.end),
                    "limit": 100,
                },
            )
            return sum(round(summary.aggregated_value) for summary in listed.auto_paging_iter())

        return asked(add_up)

    def _meter(self, name: str) -> str:
        with self._lock:
            if name not in self._known:
                found = self._find(name)
                self._known[name] = self._make(name) if found is None else found
            return self._known[name]

    def _find(self, name: str) -> str | None:
        def look() -> str | None:
            listed = self._client.billing.meters.list({"status": "active", "limit": 100})
            ours = (one.id for one in listed.auto_paging_iter() if one.event_name == _event_name(name))
            return next(ours, None)

        return asked(look)

    def _make(self, name: str) -> str:
        made = asked(
            lambda: self._client.billing.meters.create(
                {
                    "display_name": name,
                    "event_name": _event_name(name),
                    # Windows are told in parts that add up.
                    "default_aggregation": {"formula": "sum"},
                    "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
                    "value_settings": {"event_payload_key": "value"},
                },
                {"idempotency_key": f"tollway-meter-{name}"},
            )
        )
        return made.id


def _event_name(meter: str) -> str:
    return f"tollway_{meter}"[:100]
