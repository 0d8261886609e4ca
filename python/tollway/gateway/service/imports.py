"""Bulk loads: many consumers and their keys at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tollway.gateway import snapshot
from tollway.gateway.errors import SchemaViolation
from tollway.gateway.models import Attribution, Consumer, KeyAuth
from tollway.gateway.ports import ConsumerEntry, EngineCheck
from tollway.gateway.refusal import judge
from tollway.gateway.schema.consumers import CONSUMERS, KEY_AUTHS
from tollway.gateway.secrets import KeyVault
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode

__all__ = ["ImportRow", "PreparedImport", "prepare_import"]


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A consumer to be and the keys that it already uses elsewhere."""

    username: str
    custom_id: str | None = None
    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    mode: Mode = Mode.LIVE


@dataclass(frozen=True, slots=True)
class PreparedImport:
    """Consumers and credentials ready to be stored."""

    consumers: list[Consumer]
    credentials: list[KeyAuth]


def prepare_import(
    rows: Iterable[ImportRow], vault: KeyVault, clock: Clock, engine: EngineCheck
) -> PreparedImport:
    """Check rows, hash and encrypt their keys; nothing is looked up, so no transaction has to be open.

    Raises:
        SchemaViolation: a name or a key is not well formed.
    """
    now = clock.now()
    consumers: list[Consumer] = []
    credentials: list[KeyAuth] = []
    for row in rows:
        document: dict[str, Any] = {
            "username": row.username,
            "custom_id": row.custom_id,
            "tags": None if row.tags is None else list(row.tags),
        }
        values = CONSUMERS.attributes(CONSUMERS.read(document))
        consumer_id = new_id()
        consumers.append(
            Consumer(
                **values | {"id": consumer_id, "created_at": now, "updated_at": now},
                attribution=Attribution(customer_id=None, phase_id=None, mode=row.mode),
                entitlement=None,
            )
        )
        credentials += [_credential(consumers[-1], key, vault) for key in row.keys]
    candidate = snapshot.encode([snapshot.consumer_row(_entry(consumer)) for consumer in consumers])
    judge(lambda: engine.rows("consumers", candidate))
    return PreparedImport(consumers, credentials)


def _entry(consumer: Consumer) -> ConsumerEntry:
    return ConsumerEntry(
        consumer.id, consumer.username, consumer.custom_id, None, None, consumer.attribution.mode.value
    )


def _credential(owner: Consumer, key: str, vault: KeyVault) -> KeyAuth:
    check = KEY_AUTHS.record.fields["key"].check
    problem = check(key) if check else None
    if problem:
        raise SchemaViolation({"key": f"{problem} (consumer {owner.username})"})
    credential_id = new_id()
    reference = vault.reference(key)
    return KeyAuth(
        id=credential_id,
        tags=None,
        created_at=owner.created_at,
        consumer_id=owner.id,
        hash=reference.hash,
        pepper_id=reference.pepper_id,
        last_four=reference.last_four,
        encrypted=vault.encrypt(key, str(credential_id)),
        expires_at=None,
    )
