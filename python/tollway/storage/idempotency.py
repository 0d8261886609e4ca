"""Idempotency keys in a database: claimed, used up with the work, answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, and_, delete, select, update

from tollway.kernel.clock import Clock
from tollway.kernel.errors import Conflict
from tollway.kernel.idempotency import Answer, AnswerLost, KeyInFlight, KeyReused
from tollway.kernel.ids import new_id
from tollway.storage.database import Database
from tollway.storage.statements import upsert
from tollway.storage.tables.idempotency import IDEMPOTENCY_KEY

__all__ = ["SqlIdempotency"]

_KEPT = timedelta(days=3)
_GIVEN_UP = timedelta(seconds=60)
"""How long a request may take before another with its key may take its place."""

_C = IDEMPOTENCY_KEY.c


class SqlIdempotency:
    """`tollway.kernel.idempotency.Idempotency` over the main database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def once(self, scope: str, key: str, fingerprint: str, action: Callable[[], Answer]) -> Answer:
        """See `Idempotency.once`."""
        claim = new_id()
        with self._database.write() as connection:
            known = self._claim(connection, (scope, key), fingerprint, claim)
        if known is not None:
            return known
        mine = and_(_C.scope == scope, _C.idempotency_key == key, _C.claim == claim)

        def use_up(connection: Connection) -> None:
            used = connection.execute(update(IDEMPOTENCY_KEY).where(mine).values(done=True))
            if used.rowcount == 0:
                raise Conflict("this request took too long, and another with its Idempotency-Key went ahead")

        try:
            with self._database.joining_writes(use_up):
                answer = action()
        except BaseException:
            with self._database.write() as connection:
                connection.execute(delete(IDEMPOTENCY_KEY).where(mine, _C.done.is_(False)))
            raise
        with self._database.write() as connection:
            connection.execute(
                update(IDEMPOTENCY_KEY).where(mine).values(done=True, status=answer.status, body=answer.body)
            )
        return answer

    def _claim(
        self, connection: Connection, name: tuple[str, str], fingerprint: str, claim: UUID
    ) -> Answer | None:
        """Return the answer that was given, or None where it is now this claim's turn."""
        now, (scope, key) = self._clock.now(), name
        this = and_(_C.scope == scope, _C.idempotency_key == key)
        connection.execute(delete(IDEMPOTENCY_KEY).where(_C.claimed_at < now - _KEPT))
        first = upsert(connection, IDEMPOTENCY_KEY).values(
            scope=scope,
            idempotency_key=key,
            fingerprint=fingerprint,
            claim=claim,
            claimed_at=now,
            done=False,
        )
        if connection.execute(first.on_conflict_do_nothing()).rowcount == 1:
            return None
        row = connection.execute(select(IDEMPOTENCY_KEY).where(this).with_for_update()).one()
        if row.fingerprint != fingerprint:
            raise KeyReused(f"Idempotency-Key {key!r} was used for another request; take a new one")
        if row.status is not None:
            return Answer(row.status, row.body, replayed=True)
        if row.claimed_at > now - _GIVEN_UP:
            raise KeyInFlight(f"the first request with Idempotency-Key {key!r} is still going on; try later")
        if row.done:
            raise AnswerLost(
                f"the request with Idempotency-Key {key!r} was carried out, but its answer is lost;"
                " read what it made"
            )
        connection.execute(update(IDEMPOTENCY_KEY).where(this).values(claim=claim, claimed_at=now))
        return None
