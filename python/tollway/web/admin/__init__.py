"""Kong's Admin API, on port 8001: `create_admin_app` makes it, README.md of the gateway says what is kept."""

from tollway.web.admin.app import create_admin_app
from tollway.web.admin.guard import require_safe_listener

__all__ = ["create_admin_app", "require_safe_listener"]
