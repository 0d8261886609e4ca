"""Invoices as JSON, as a page and as text."""
