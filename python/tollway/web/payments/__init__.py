"""Payments as machines see them."""
