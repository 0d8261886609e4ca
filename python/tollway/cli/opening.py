"""What commands work with, opened by the settings; what happens on the way is told on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollway.app.commerce import Seller
    from tollway.app.payment_report import PaymentDesk
    from tollway.app.usage import Usage

__all__ = ["opened_desk", "opened_seller", "opened_usage"]


@contextmanager
def opened_seller() -> Iterator[Seller]:
    """Everything that selling takes: catalog, subscriptions, invoices, usage."""
    from tollway.app.commerce import open_seller
    from tollway.app.logging import configure_logging
    from tollway.app.settings import load_settings

    configure_logging("cli")
    with open_seller(load_settings()) as seller:
        yield seller


@contextmanager
def opened_usage() -> Iterator[Usage]:
    """Metering alone."""
    from tollway.app.logging import configure_logging
    from tollway.app.settings import load_settings
    from tollway.app.usage import open_usage

    configure_logging("cli")
    with open_usage(load_settings()) as usage:
        yield usage


@contextmanager
def opened_desk() -> Iterator[PaymentDesk]:
    """Payments."""
    from tollway.app.logging import configure_logging
    from tollway.app.payment_report import open_desk
    from tollway.app.settings import load_settings

    configure_logging("cli")
    with open_desk(load_settings()) as desk:
        yield desk
