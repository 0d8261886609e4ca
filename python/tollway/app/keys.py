"""An organisation's API keys: made, rotated and ended, each time until every gateway has heard of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from tollway.accounts.models import Organisation, SignedIn
from tollway.app.mail import Outbox
from tollway.app.shop import Shop
from tollway.app.trial import TRIAL_TAG
from tollway.gateway.models import KeyAuth
from tollway.gateway.service import Gateway
from tollway.kernel.errors import Conflict, InvalidInput, NotFound
from tollway.storage.accounts import SqlPeople
from tollway.storage.key_labels import SqlKeyLabels
from tollway.web.portal.ports.keys import ApiKey, Arrival, NewKey

__all__ = ["OrganisationKeys"]

_MOST = 50
_LONGEST_NAME = 60
_LONGEST_OVERLAP = timedelta(days=30)
_SHOWN = timedelta(days=30)
_WAIT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class OrganisationKeys:
    """`tollway.web.portal.ports.keys.Keys`."""

    shop: Shop
    outbox: Outbox

    def of(self, organisation: Organisation) -> Sequence[ApiKey]:
        """See `Keys.of`."""
        with self.shop.main.read() as connection:
            found = self._working(self.shop.store.over(connection), organisation)
            names = SqlKeyLabels(connection).names([credential.id for credential in found])
        used = self._used(organisation)
        return [_shown(credential, names, used) for credential in found]

    def get(self, organisation: Organisation, key: UUID) -> ApiKey:
        """See `Keys.get`."""
        for found in self.of(organisation):
            if found.id == key:
                return found
        raise NotFound("key", str(key))

    def create(self, member: SignedIn, name: str) -> NewKey:
        """See `Keys.create`."""
        organisation, now = member.organisation, self.shop.clock.now()
        with self.shop.main.write() as connection, self.shop.store.join(connection) as gateway:
            working = self._working(gateway, organisation)
            labels = SqlKeyLabels(connection)
            if len(working) >= _MOST:
                raise Conflict(f"{_MOST} keys are the most at a time; revoke one that is not used any more")
            if name.casefold() in _folded(labels.names([credential.id for credential in working])):
                raise InvalidInput("name", "another key has this name", f"try {name[: _LONGEST_NAME - 2]}-2")
            credential = gateway.key_auths.create({"consumer": {"id": str(organisation.consumer)}})
            labels.add(credential.id, name, member.user.id, now)
            text, version = gateway.key_auths.reveal(credential), gateway.version
        lagging = self.shop.gateways.wait_applied(version, _WAIT)
        return NewKey(key=_shown(credential, {credential.id: name}, {}), text=text, lagging=lagging)

    def rotate(self, member: SignedIn, key: UUID, until: datetime) -> NewKey:
        """See `Keys.rotate`."""
        organisation = member.organisation
        with self.shop.main.write() as connection, self.shop.store.join(connection) as gateway:
            # The clock is read when the lock is held: what is promised is counted from here.
            now = self.shop.clock.now()
            if not now <= until <= now + _LONGEST_OVERLAP:
                raise InvalidInput("until", "that moment is past, or more than 30 days ahead", "choose again")
            before = self._mine(gateway, organisation, key)
            if before.expires_at is not None:
                raise Conflict(f"this key ends on {before.expires_at:%d %b %Y, %H:%M} UTC already")
            rotated = gateway.key_auths.rotate(before.id, until - now)
            labels = SqlKeyLabels(connection)
            name = labels.names([before.id]).get(before.id, _UNNAMED)
            labels.add(rotated.new.id, name, member.user.id, now)
            text, version = gateway.key_auths.reveal(rotated.new), gateway.version
            names = {before.id: name, rotated.new.id: name}
            new, old = _shown(rotated.new, names, {}), _shown(rotated.old, names, {})
            self._tell(connection, organisation, new, old, now)
        lagging = self.shop.gateways.wait_applied(version, _WAIT)
        return NewKey(key=new, text=text, old=old, lagging=lagging)

    def revoke(self, organisation: Organisation, key: UUID) -> str | None:
        """See `Keys.revoke`."""
        with self.shop.store.write() as gateway:
            gateway.key_auths.remove(self._mine(gateway, organisation, key))
            version = gateway.version
        return self.shop.gateways.wait_applied(version, _WAIT)

    def arrival(self, organisation: Organisation, key: UUID) -> Arrival | None:
        """See `Keys.arrival`."""
        with self.shop.store.read() as gateway:
            self._mine(gateway, organisation, key)
        now = self.shop.clock.now()
        rows = [
            row
            for row in self.shop.usage.activity.activity(
                start=now - timedelta(days=1),
                end=now + timedelta(hours=1),
                by=("credential", "status"),
                consumer=organisation.consumer,
            )
            if row.keys[0] == key
        ]
        if not rows:
            return None
        latest = max(rows, key=lambda row: row.last_at)
        status = latest.keys[1]
        return Arrival(
            at=latest.last_at,
            status=status if isinstance(status, int) else None,
            calls=sum(row.requests for row in rows),
        )

    def _working(self, gateway: Gateway, organisation: Organisation) -> list[KeyAuth]:
        if organisation.consumer is None:
            return []
        now = self.shop.clock.now()
        found = gateway.key_auths.repository.all(consumer_id=organisation.consumer)
        # Keys of try-it come and go by themselves: nobody has them, and they count for no bound.
        theirs = [each for each in found if TRIAL_TAG not in (each.tags or ())]
        return [each for each in theirs if each.expires_at is None or each.expires_at > now]

    def _mine(self, gateway: Gateway, organisation: Organisation, key: UUID) -> KeyAuth:
        for credential in self._working(gateway, organisation):
            if credential.id == key:
                return credential
        raise NotFound("key", str(key))

    def _used(self, organisation: Organisation) -> Mapping[UUID, tuple[datetime, int]]:
        if organisation.consumer is None:
            return {}
        now = self.shop.clock.now()
        rows = self.shop.usage.activity.activity(
            start=now - _SHOWN,
            end=now + timedelta(hours=1),
            by=("credential",),
            consumer=organisation.consumer,
        )
        return {row.keys[0]: (row.last_at, row.requests) for row in rows if isinstance(row.keys[0], UUID)}

    def _tell(
        self, connection: Connection, organisation: Organisation, new: ApiKey, old: ApiKey, now: datetime
    ) -> None:
        ends_at = old.ends_at if old.ends_at is not None and old.ends_at > now else None
        for user in SqlPeople(connection).members(organisation.id):
            self.outbox.mail(
                connection,
                user.email,
                "key_rotated",
                organisation=organisation.name,
                name=new.name,
                new_last_four=new.last_four,
                old_last_four=old.last_four,
                ends_at=ends_at,
                link=self.outbox.link("/keys"),
            )


_UNNAMED = "unnamed"
"""What a key is called that came another way than by the portal, as by the Admin API."""


def _folded(names: Mapping[UUID, str]) -> Collection[str]:
    return {name.casefold() for name in names.values()}


def _shown(
    credential: KeyAuth, names: Mapping[UUID, str], used: Mapping[UUID, tuple[datetime, int]]
) -> ApiKey:
    last_used_at, calls = used.get(credential.id, (None, 0))
    return ApiKey(
        id=credential.id,
        name=names.get(credential.id, _UNNAMED),
        last_four=credential.last_four,
        created_at=credential.created_at,
        ends_at=credential.expires_at,
        last_used_at=last_used_at,
        calls=calls,
    )
