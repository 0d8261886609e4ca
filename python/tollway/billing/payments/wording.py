"""What a customer reads of a payment that is not done. A provider's own text is for the operator."""

from __future__ import annotations

from tollway.billing.payments.models import AttemptStatus, Payment

__all__ = ["reason_for_customer"]

_DECLINED = {
    "amount_not_payable": "This amount can't be paid by card. Open a ticket, and we find another way.",
    "amount_too_small": "This amount is too small for a card. Open a ticket, and we find another way.",
    "authentication_required": "Your bank wants you to confirm this payment: pay the invoice here.",
    "authentication_failed": "The payment was not confirmed.",
    "expired_card": "The card has expired. Save another one and pay again.",
    "incorrect_cvc": "The card's security code is wrong. Save the card again.",
    "insufficient_funds": "The card has not enough funds.",
    "method_missing": "The card is not saved any more. Save one and pay again.",
    "processing_error": "The bank could not process the payment. Try again in a while.",
}


def reason_for_customer(payment: Payment) -> str | None:
    """Return why a payment isn't done and what to do, or None where it is or was never tried."""
    last = payment.last
    if payment.status.paid or last is None:
        return None
    if last.status is AttemptStatus.REQUIRES_ACTION:
        return "Your bank wants you to confirm this payment."
    if last.status is AttemptStatus.DECLINED:
        return _DECLINED.get(last.code or "", "The card was declined. Try another one or ask your bank.")
    if last.status is AttemptStatus.CANCELLED:
        return "The payment was given up. Pay again."
    return "The payment is on its way."
