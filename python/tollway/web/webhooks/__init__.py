"""Webhooks of providers: checked, kept, and worked on afterwards."""

from tollway.web.webhooks.app import create_webhook_app

__all__ = ["create_webhook_app"]
