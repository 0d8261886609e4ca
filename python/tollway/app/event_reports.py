"""Usage reported over HTTP: whose key it is, and what becomes of events."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from tollway.app.external_usage import ExternalUsage
from tollway.app.shop import Shop
from tollway.gateway.secrets import REFERENCE_START
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput
from tollway.metering.cloudevents import FaultyEvents, read_events
from tollway.storage.gateway import GatewayStore
from tollway.storage.idempotency import SqlIdempotency
from tollway.web.api import CUSTOMER_SECURITY, create_api_app
from tollway.web.api.events import KeyHolder, Stored, StoredEvent, customer_events, operator_events
from tollway.web.api.problem import ApiProblem, FieldFault

__all__ = ["EventIntake", "customer_api", "event_routes"]

_NOT_OWN = "this key reports its own consumer's usage only"


class EventIntake:
    """`tollway.web.api.events.EventReports` over metering and the gateway's keys."""

    def __init__(self, gateways: GatewayStore, external: ExternalUsage, clock: Clock) -> None:
        self._gateways = gateways
        self._external = external
        self._clock = clock

    def take(self, body: bytes, *, batch: bool, holder: KeyHolder | None) -> Stored:
        """See `EventReports.take`."""
        own = None if holder is None else str(holder.consumer)
        try:
            reports = read_events(
                body,
                batch=batch,
                now=self._clock.now(),
                subject=own,
                reporter=None if holder is None else holder.consumer,
            )
        except FaultyEvents as faulty:
            faults = [
                FieldFault(location=f"body.{fault.location}", message=fault.problem, fix=fault.fix)
                for fault in faulty.faults
            ]
            raise ApiProblem("invalid_request", str(faulty), errors=faults) from faulty
        if holder is not None:
            for index, report in enumerate(reports):
                if report.subject not in holder.names:
                    # The same for whoever exists and who doesn't.
                    raise ApiProblem("forbidden", f"event {index}: {_NOT_OWN}")
        try:
            added = self._external.take_reports(reports)
        except InvalidInput as stranger:
            if holder is not None:
                raise ApiProblem("forbidden", _NOT_OWN) from stranger
            location = stranger.location if batch else stranger.location.partition(".")[2]
            raise InvalidInput(f"body.{location}", stranger.problem, stranger.fix) from stranger
        return Stored(
            events=[
                StoredEvent(source=report.source, id=report.id or "", status="stored" if new else "duplicate")
                for report, new in zip(reports, added, strict=True)
            ]
        )

    def holder(self, key: str) -> KeyHolder | None:
        """See `EventReports.holder`."""
        if key.startswith(REFERENCE_START):
            # It stands for a key in dumps, and opens nothing.
            return None
        with self._gateways.database.read() as connection:
            gateway = self._gateways.over(connection)
            credential = gateway.key_auths.find_by_key(key, {})
            if credential is None:
                return None
            if credential.expires_at is not None and credential.expires_at <= self._clock.now():
                return None
            consumer = gateway.consumers.repository.get(credential.consumer_id)
        if consumer is None:
            return None
        names = {str(consumer.id), consumer.username, consumer.custom_id}
        return KeyHolder(consumer=consumer.id, names=frozenset(name for name in names if name))


def event_routes(shop: Shop) -> APIRouter:
    """Return what operators report usage to."""
    return operator_events(_intake(shop))


def customer_api(shop: Shop) -> FastAPI:
    """Return what customers reach below `/tollway/v1` of the portal's listener, with keys of their own."""
    return create_api_app(
        [customer_events(_intake(shop))],
        idempotency=SqlIdempotency(shop.main, shop.clock),
        version=version("tollway"),
        security=CUSTOMER_SECURITY,
    )


def _intake(shop: Shop) -> EventIntake:
    return EventIntake(shop.store, shop.usage.external, shop.clock)
