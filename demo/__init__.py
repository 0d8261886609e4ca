"""The demo: a real upstream API, real traffic through the gateway, and the bill for it, reconciled."""
