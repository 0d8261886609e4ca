"""Stripe: see `vendor`."""

from tollway.providers.payments.stripe.vendor import API_VERSION, Stripe

__all__ = ["API_VERSION", "Stripe"]
