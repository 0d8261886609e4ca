"""acl: only consumers of some groups pass, or all but those of some groups."""

from __future__ import annotations

from tollway.gateway.schema import checks
from tollway.gateway.schema.fields import Array, Boolean, Record, String
from tollway.gateway.schema.plugins.base import PluginSchema

__all__ = ["ACL"]

ACL = PluginSchema(
    name="acl",
    priority=950,
    identifies=True,
    config=Record(
        required=True,
        fields={
            "allow": Array(elements=String(len_max=255)),
            "deny": Array(elements=String(len_max=255)),
            "hide_groups_header": Boolean(required=True, default=False),
            "always_use_authenticated_groups": Boolean(required=True, default=False),
        },
    ),
    checks=(
        checks.only_one_of("config.allow", "config.deny"),
        checks.at_least_one_of("config.allow", "config.deny"),
    ),
)
