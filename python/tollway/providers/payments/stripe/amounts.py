"""Amounts as Stripe writes them: for some currencies not in the minor unit of ISO 4217.

See https://docs.stripe.com/currencies#special-cases and #zero-decimal.
"""

from __future__ import annotations

from tollway.billing.payments.results import PermanentFault
from tollway.kernel.currency import currency
from tollway.kernel.money import Money

__all__ = ["from_stripe", "to_stripe"]

# Without a minor unit, and written with two decimals all the same: 5 ISK are 500.
_HUNDREDFOLD = frozenset({"ISK", "UGX"})
# With a minor unit of a hundredth in ISO 4217, and written without: 5.00 MGA are 5.
_WHOLE = frozenset({"MGA"})
_THREE_DECIMALS = 3


def to_stripe(minor: int, code: str) -> int:
    """Return an amount in minor units as Stripe writes it.

    >>> to_stripe(4900, "USD"), to_stripe(500, "JPY"), to_stripe(500, "ISK"), to_stripe(50000, "MGA")
    (4900, 500, 50000, 500)

    Raises:
        PermanentFault: it is more exact than Stripe takes, e.g. 5.124 KWD.
    """
    if code in _HUNDREDFOLD:
        return minor * 100
    if code in _WHOLE:
        return _checked(minor, code, 100) // 100
    if currency(code).exponent == _THREE_DECIMALS:
        return _checked(minor, code, 10)
    return minor


def from_stripe(amount: int, code: str) -> int:
    """Return what Stripe wrote in minor units.

    >>> from_stripe(50000, "ISK"), from_stripe(500, "MGA"), from_stripe(5120, "KWD")
    (500, 50000, 5120)
    """
    if code in _HUNDREDFOLD:
        return amount // 100
    return amount * 100 if code in _WHOLE else amount


def _checked(minor: int, code: str, step: int) -> int:
    if minor % step:
        least = Money(step, currency(code))
        raise PermanentFault(
            f"Stripe takes {code} in steps of {least.text}, not {Money(minor, currency(code)).text}",
            "amount_not_payable",
        )
    return minor
