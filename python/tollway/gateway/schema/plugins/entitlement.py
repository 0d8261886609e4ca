"""entitlement: only consumers pass whose subscription has a feature, or that have a subscription at all.

Tollway's own plugin: Kong has none of this name.
"""

from __future__ import annotations

from tollway.gateway.schema import checks
from tollway.gateway.schema.fields import Record, String
from tollway.gateway.schema.plugins.base import PluginSchema

__all__ = ["ENTITLEMENT"]

ENTITLEMENT = PluginSchema(
    name="entitlement",
    priority=930,
    identifies=True,
    config=Record(
        required=True,
        fields={
            # None: any subscription in force will do.
            "feature": String(len_max=100, check=checks.no_control_characters),
        },
    ),
)
