"""key-auth: the caller is the consumer whose key the request carries."""

from __future__ import annotations

from tollway.gateway.schema import checks
from tollway.gateway.schema.fields import Array, Boolean, Record, String
from tollway.gateway.schema.plugins.base import PluginSchema

__all__ = ["KEY_AUTH"]

KEY_AUTH = PluginSchema(
    name="key-auth",
    priority=1250,
    identifies=True,
    config=Record(
        required=True,
        fields={
            "key_names": Array(
                elements=String(len_max=128, check=checks.header_name),
                required=True,
                len_min=1,
                default=["apikey"],
            ),
            "hide_credentials": Boolean(required=True, default=False),
            "anonymous": String(len_max=255),
            "key_in_header": Boolean(required=True, default=True),
            "key_in_query": Boolean(required=True, default=True),
            "key_in_body": Boolean(required=True, default=False),
            "run_on_preflight": Boolean(required=True, default=True),
            "realm": String(len_max=255, check=checks.no_control_characters),
        },
    ),
)
