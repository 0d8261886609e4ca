"""The gateway's entities in the database, the journal of their changes, and units of work over both."""

from tollway.storage.gateway.repositories import SqlGatewayRepositories
from tollway.storage.gateway.source import SqlConfigurationSource
from tollway.storage.gateway.store import GatewayStore

__all__ = ["GatewayStore", "SqlConfigurationSource", "SqlGatewayRepositories"]
