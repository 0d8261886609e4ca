"""The operator console: where the seller runs the shop."""
