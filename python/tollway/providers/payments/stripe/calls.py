"""Calls to Stripe, and what its errors say of what was done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import stripe

from tollway.billing.payments.results import PermanentFault, TemporaryFault, UnknownOutcome

__all__ = ["asked", "moment"]

T = TypeVar("T")


def asked(call: Callable[[], T], *, declined: bool = False) -> T:
    """Make a call; whatever Stripe refuses becomes one of our faults. With `declined`, card errors pass.

    Raises:
        PermanentFault, TemporaryFault, UnknownOutcome.
    """
    try:
        return call()
    except stripe.CardError as error:
        if declined:
            raise
        raise PermanentFault(_text(error), error.code or "card_declined") from None
    except stripe.RateLimitError as error:
        raise TemporaryFault(_text(error), "rate_limited") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # Nothing was done, and it will be once the key is mended: that is no fault of the customer's card.
        raise TemporaryFault(f"Stripe refuses the key: {_text(error)}", "key_refused") from None
    except stripe.InvalidRequestError as error:
        raise PermanentFault(_text(error), error.code or "invalid_request") from None
    except stripe.StripeError as error:
        # No connection, no answer in time, 5xx, 409 (the first request with this key is still under way), or
        # a key that stands for something else: what is there must be looked at.
        raise UnknownOutcome(_text(error), error.code or "no_answer") from None


def _text(error: stripe.StripeError) -> str:
    return error.user_message or type(error).__name__


def moment(instant: datetime) -> int:
    """Return an instant as Stripe writes it: whole seconds since 1970."""
    return int(instant.timestamp())
