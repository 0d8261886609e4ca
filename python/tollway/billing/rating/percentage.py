"""`percentage`: a share of each event's amount, with a fixed part for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from tollway.billing.rating.parts import Part, amount_part, units_part
from tollway.billing.rating.wording import QUANTITY, Wording, grouped
from tollway.catalog.prices import Percentage

__all__ = ["percentage_parts"]


def percentage_parts(
    model: Percentage, amounts: Sequence[Fraction], share: Fraction, words: Wording
) -> Iterator[Part]:
    """Yield the rate on what is charged of the events, the fixed parts, and what bounds per event change.

    `amounts` are all events of the period in their order, which decides what is free.
    """
    charged = list(_charged(model, amounts, share))
    rate, fixed = Fraction(model.rate_percent) / 100, Fraction(model.fixed_per_event)
    base = sum(charged, Fraction(0))
    yield units_part("rate", f"{grouped(model.rate_percent)}% of {QUANTITY} {words.currency}", base, rate)
    if fixed:
        yield units_part("fixed", f"{QUANTITY} events {words.each(fixed)}", Fraction(len(charged)), fixed)
    raised = lowered = Fraction(0)
    for amount in charged:
        fee = amount * rate + fixed
        if model.min_per_event is not None and fee < model.min_per_event:
            raised += Fraction(model.min_per_event) - fee
            fee = Fraction(model.min_per_event)
        if model.max_per_event is not None and fee > model.max_per_event:
            lowered += fee - Fraction(model.max_per_event)
    if model.min_per_event is not None and raised:
        yield amount_part("raised", f"At least {words.money(model.min_per_event)} per event", raised)
    if model.max_per_event is not None and lowered:
        yield amount_part("lowered", f"At most {words.money(model.max_per_event)} per event", -lowered)


def _charged(model: Percentage, amounts: Sequence[Fraction], share: Fraction) -> Iterator[Fraction]:
    """Yield the part of each event's amount that is charged, for the events that pay at all.

    The allowance ends with the event that uses up the free amount or is the last free one; later events pay
    in full. The event that crosses the free amount pays on what lies above it.
    """
    free_events = None if model.free_events is None else Fraction(model.free_events) * share
    free_amount = None if model.free_amount is None else Fraction(model.free_amount) * share
    used, open_ = Fraction(0), free_events is not None or free_amount is not None
    for index, amount in enumerate(amounts):
        if open_ and (
            (free_events is not None and index >= free_events)
            or (free_amount is not None and used >= free_amount)
        ):
            open_ = False
        if not open_:
            yield amount
            continue
        used += amount
        if free_amount is not None and used > free_amount:
            open_ = False
            yield used - free_amount
