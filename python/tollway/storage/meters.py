"""Meters as metering has to read them: all that there ever were, and none that is half stored."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select, text

from tollway.catalog.canonical import meter_from_data
from tollway.catalog.models import Meter
from tollway.storage.tables.catalog import METER

__all__ = ["StoredMeter", "stored_meters"]


class StoredMeter(NamedTuple):
    """One version of a meter, in force in `[effective_from, effective_until)`."""

    id: UUID
    meter: Meter
    effective_from: datetime
    effective_until: datetime | None


def stored_meters(connection: Connection) -> list[StoredMeter]:
    """Return every version of every meter.

    A meter comes into effect at an instant taken within the transaction that stores it, some moments
    before others see it. Where those moments matter, `connection` is in a write transaction: it had to wait
    for the other one to end.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE meter IN SHARE MODE"))
    rows = connection.execute(select(METER).order_by(METER.c.effective_from, METER.c.id))
    return [
        StoredMeter(row.id, meter_from_data(json.loads(row.content)), row.effective_from, row.effective_until)
        for row in rows
    ]
