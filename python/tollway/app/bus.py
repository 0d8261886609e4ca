"""Wires the intake from RabbitMQ, and tells how it stands."""

from __future__ import annotations

from functools import partial
from typing import Any

from tollway.app.bus_intake import USAGE_QUEUE, BusIntake
from tollway.app.usage import Usage
from tollway.kernel.clock import Clock
from tollway.providers.bus.rabbitmq import QueueUnreachable, RabbitSession, waiting

__all__ = ["bus_intake", "intake_status"]


def bus_intake(url: str, usage: Usage, clock: Clock) -> BusIntake:
    """Return what takes usage in from the broker at `url`."""
    return BusIntake(partial(RabbitSession, url, USAGE_QUEUE), usage.external, usage.reported, clock)


def intake_status(url: str | None, usage: Usage) -> dict[str, Any]:
    """Return how the intake stands, as JSON types.

    `waiting` and `dead` are messages in the queue and in the dead-letter queue, null if there is none or
    the broker can't be asked, which `problem` then says.
    """
    with usage.reported.read() as store:
        events, parked = store.counts()
        deliveries = store.deliveries(USAGE_QUEUE)
    found: dict[str, Any] = {
        "queue": USAGE_QUEUE,
        "waiting": None,
        "dead": None,
        "problem": None if url is not None else "TOLLWAY_BUS_URL is not set",
        "events": events,
        "parked": parked,
        "may_come_again": deliveries.in_flight.total() + deliveries.pending.total(),
    }
    if url is not None:
        try:
            found["waiting"] = waiting(url, USAGE_QUEUE)
            found["dead"] = waiting(url, f"{USAGE_QUEUE}.dead")
        except QueueUnreachable as error:
            found["problem"] = str(error)
    return found
