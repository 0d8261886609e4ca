"""The schemas of who calls: consumers, their groups, and their credentials."""

from __future__ import annotations

from tollway.gateway.schema import checks, common
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.fields import Foreign, Integer, Record, String

__all__ = ["ACLS", "CONSUMERS", "CONSUMER_GROUPS", "CONSUMER_GROUP_PLUGINS", "KEY_AUTHS"]

_CONSUMER = Foreign(reference="consumers", key="username", required=True)

CONSUMERS = EntitySchema(
    name="consumers",
    key="username",
    record=Record(
        fields={
            **common.identity(),
            "username": String(unique=True, len_max=255, check=checks.no_control_characters),
            "custom_id": String(unique=True, len_max=255, check=checks.no_control_characters),
            "tags": common.tags(),
        }
    ),
    checks=(checks.at_least_one_of("custom_id", "username"),),
)

CONSUMER_GROUPS = EntitySchema(
    name="consumer_groups",
    key="name",
    record=Record(fields={**common.identity(), "name": common.name(required=True), "tags": common.tags()}),
)

KEY_AUTHS = EntitySchema(
    name="keyauth_credentials",
    key="key",
    record=Record(
        fields={
            **common.identity(updated=False),
            "consumer": _CONSUMER,
            # Visible ASCII: it has to fit into a header and a query.
            "key": String(
                auto=True,
                unique=True,
                len_max=512,
                check=checks.pattern("[\x21-\x7e]+", "must be visible ASCII characters without spaces"),
            ),
            "tags": common.tags(),
            # Seconds until it ends; 0, as none, is for ever.
            "ttl": Integer(between=(0, 100_000_000)),
        }
    ),
)

ACLS = EntitySchema(
    name="acls",
    key="group",
    record=Record(
        fields={
            **common.identity(updated=False),
            "consumer": _CONSUMER,
            "group": String(required=True, len_max=255, check=checks.no_control_characters),
            "tags": common.tags(),
        }
    ),
)

# Kong's enterprise editions had an entity of this name before plugins could be scoped to groups. decK asks
# for its schema and then uses plugins.
CONSUMER_GROUP_PLUGINS = EntitySchema(
    name="consumer_group_plugins",
    key="name",
    record=Record(
        fields={
            **common.identity(),
            "consumer_group": Foreign(reference="consumer_groups", required=True),
            "name": String(required=True),
            "config": Record(fields={}, required=True),
            "tags": common.tags(),
        }
    ),
)
