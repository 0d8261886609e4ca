"""What every payment vendor's module is made of, and how it is found.

A vendor is one module in this package with a class derived from `Vendor`; `vendors()` finds it by itself,
`open_vendor` makes it from the settings that begin with its name. What it is asked and what it answers are
the words of `tollway.billing.payments.results`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import ClassVar

from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.results import (
    Capability,
    ChargeRequest,
    ChargeResult,
    CustomerRequest,
    ForgedNotice,
    Notice,
    RefundRequest,
    RefundResult,
    SetupRequest,
    SetupResult,
    SetupStarted,
    SubscriptionPicture,
    UsageReport,
)
from tollway.kernel.clock import Clock
from tollway.kernel.errors import InvalidInput

__all__ = ["Options", "Vendor", "open_vendor", "vendors"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a vendor is made from. `values` are its settings without its name: `secret_key`, `api_base`.

    `folder` is the data folder, `timeout` how long one call may take.
    """

    folder: Path
    clock: Clock
    timeout: timedelta
    values: Mapping[str, str] = field(repr=False)


class Vendor:
    """The base of a vendor's class: `tollway.billing.payments.ports.PaymentProvider`."""

    NAME: ClassVar[str]
    CAPABILITIES: ClassVar[Capability] = Capability(0)

    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def name(self) -> str:
        """See `PaymentProvider.name`."""
        return self.NAME

    @property
    def capabilities(self) -> Capability:
        """See `PaymentProvider.capabilities`."""
        return self.CAPABILITIES

    @property
    def moves_real_money(self) -> bool:
        """See `PaymentProvider.moves_real_money`: yes, unless a vendor knows better."""
        return True

    def create_customer(self, request: CustomerRequest) -> str:
        """See `PaymentProvider.create_customer`."""
        raise NotImplementedError

    def begin_setup(self, request: SetupRequest) -> SetupStarted:
        """See `PaymentProvider.begin_setup`."""
        raise NotImplementedError

    def setup_result(self, reference: str) -> SetupResult:
        """See `PaymentProvider.setup_result`."""
        raise NotImplementedError

    def remove_method(self, reference: str) -> None:
        """See `PaymentProvider.remove_method`."""
        raise NotImplementedError

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """See `PaymentProvider.charge`."""
        raise NotImplementedError

    def find_charge(self, request: ChargeRequest) -> ChargeResult | None:
        """See `PaymentProvider.find_charge`."""
        raise NotImplementedError

    def charge_state(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.charge_state`."""
        raise NotImplementedError

    def cancel_charge(self, reference: str) -> ChargeResult:
        """See `PaymentProvider.cancel_charge`."""
        raise NotImplementedError

    def refund(self, request: RefundRequest) -> RefundResult:
        """See `PaymentProvider.refund`."""
        raise NotImplementedError

    def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """See `PaymentProvider.find_refund`."""
        raise NotImplementedError

    def refund_state(self, reference: str) -> RefundResult:
        """See `PaymentProvider.refund_state`."""
        raise NotImplementedError

    def report_usage(self, report: UsageReport) -> None:
        """See `PaymentProvider.report_usage`."""
        raise NotImplementedError

    def usage_total(self, report: UsageReport) -> int:
        """See `PaymentProvider.usage_total`."""
        raise NotImplementedError

    def show_subscription(self, picture: SubscriptionPicture) -> None:
        """See `PaymentProvider.show_subscription`."""
        raise NotImplementedError

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:  # noqa: ARG002
        """See `PaymentProvider.read_notice`: whoever sends none is never believed."""
        raise ForgedNotice(f"{self.NAME} sends no webhooks")


def vendors() -> Mapping[str, type[Vendor]]:
    """Return every vendor of this package by its name, which is its module's."""
    return {name: _vendor(name) for name in _names()}


def open_vendor(name: str, options: Options) -> PaymentProvider:
    """Make the vendor of this name; the others, with the clients that they come with, are not even loaded.

    Raises:
        InvalidInput: there is no such vendor, or a setting of it is missing.
    """
    if name not in _names():
        raise InvalidInput(
            "TOLLWAY_PAYMENT_PROVIDER",
            f"there is no {name!r}",
            f"write one of: {', '.join(_names())}",
        )
    return _vendor(name)(options)


@cache
def _names() -> Sequence[str]:
    package = importlib.import_module(__package__ or "")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "base")


@cache
def _vendor(name: str) -> type[Vendor]:
    """Return the vendor that the module of this name holds."""
    content = vars(importlib.import_module(f"{__package__}.{name}")).values()
    return next(
        value
        for value in content
        if isinstance(value, type)
        and issubclass(value, Vendor)
        and value is not Vendor
        and name == value.NAME
    )
