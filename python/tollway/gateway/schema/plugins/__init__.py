"""The plugins' schemas: one module a plugin, all of them in `PLUGINS`."""

from __future__ import annotations

from tollway.gateway.schema.plugins import acl, entitlement, key_auth, rate_limiting
from tollway.gateway.schema.plugins.base import PluginSchema, plugin_schema

__all__ = ["PLUGINS", "PluginSchema", "plugin_schema"]

PLUGINS: dict[str, PluginSchema] = {
    plugin.name: plugin
    for plugin in (acl.ACL, entitlement.ENTITLEMENT, key_auth.KEY_AUTH, rate_limiting.RATE_LIMITING)
}
"""Every plugin that the engine runs, by name."""
