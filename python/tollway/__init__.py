"""Tollway: sell an HTTP API."""
