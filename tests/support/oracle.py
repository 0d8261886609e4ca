"""A second opinion on every figure: rating, proration, periods and grants, worked out another way.

It knows nothing of the product: it reads the same questions as the calculators (CONTRACTS) and computes in
fractions, without lines, steps or schedules. Where the two differ, one of them has read the contract wrong.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

Question = dict[str, Any]

EXPONENTS = {"JPY": 0, "USD": 2, "EUR": 2, "BHD": 3, "CLF": 4}


def half_away(number: Fraction, decimals: int = 0) -> Fraction:
    """Round to so many decimals, halves away from zero."""
    scaled = abs(number) * 10**decimals
    rounded = Fraction(floor(scaled + Fraction(1, 2)), 10**decimals)
    return rounded if number >= 0 else -rounded


def optional(fields: Question, name: str) -> Fraction | None:
    return None if fields.get(name) is None else Fraction(str(fields[name]))


def number(fields: Question, name: str, default: int = 0) -> Fraction:
    found = optional(fields, name)
    return Fraction(default) if found is None else found


# --- price -----------------------------------------------------------------------------------------------


def price(question: Question) -> tuple[Fraction, Fraction]:
    """Return the exact amount, and the total in the currency's decimals."""
    amount = bounded(question, usage_amount(question), last=question.get("last", True))
    exponent = EXPONENTS[question["currency"]]
    billed = optional(question, "previously_billed")
    if billed is not None:
        if half_away(billed, exponent) == billed:
            return amount - billed, half_away(amount, exponent) - billed
        amount -= billed
    else:
        earlier = before(question)
        if earlier is not None:
            amount -= bounded(question, usage_amount(earlier), last=False)
    return amount, half_away(amount, exponent)


def before(question: Question) -> Question | None:
    """Return the question as it would have been for what was billed before."""
    if question["price"]["model"] == "dynamic":
        cost = question.get("previous_cost")
        return None if cost is None else question | {"cost": cost}
    quantity = question.get("previous_quantity")
    return None if quantity is None else question | {"quantity": quantity, "base_amount": quantity}


def bounded(question: Question, amount: Fraction, *, last: bool) -> Fraction:
    of = question["price"]
    amount *= 1 - number(of, "percent_discount") / 100
    most, least = optional(of, "maximum"), optional(of, "minimum")
    if most is not None:
        amount = min(amount, most)
    return amount if least is None or not last else max(amount, least)


def usage_amount(question: Question) -> Fraction:
    of = question["price"]
    if of["model"] == "percentage":
        return percentage(of, [Fraction(str(amount)) for amount in question["event_amounts"]])
    fact = {"graduated_percentage": "base_amount", "dynamic": "cost"}.get(of["model"], "quantity")
    quantities = [question.get(fact, 0)] if question.get("bucket_quantities") is None else []
    quantities += question.get("bucket_quantities") or []
    return sum((model(of, priced(of, Fraction(str(quantity)))) for quantity in quantities), Fraction(0))


def priced(of: Question, quantity: Fraction) -> Fraction:
    conversion = of.get("unit_conversion")
    if conversion:
        factor = number(conversion, "factor")
        quantity = quantity * factor if conversion["operation"] == "multiply" else quantity / factor
        rounding = conversion.get("quantity_rounding", "none")
        if rounding in ("round", "half_up"):
            quantity = half_away(quantity)
        elif rounding != "none":
            quantity = Fraction(ceil(quantity) if rounding == "ceil" else floor(quantity))
    return max(quantity - number(of, "free_units"), Fraction(0))


def model(of: Question, units: Fraction) -> Fraction:
    name = of["model"]
    if name == "flat":
        return number(of, "amount")
    if name == "per_unit":
        return units * number(of, "unit_amount")
    if name == "dynamic":
        return units * number(of, "multiplier", 1)
    if name == "package":
        packages = units / number(of, "package_size")
        up = of.get("package_rounding", "up") == "up"
        return Fraction(ceil(packages) if up else floor(packages)) * number(of, "package_amount")
    bounds = [Fraction(0), *(optional(tier, "up_to") for tier in of["tiers"])]
    total = Fraction(0)
    for index, (tier, (lower, upper)) in enumerate(zip(of["tiers"], pairwise(bounds), strict=True)):
        assert lower is not None
        if name == "volume":
            if upper is None or units <= upper:
                return tier_amount(tier, units)
        elif index == 0 or units > lower:
            total += tier_amount(tier, (units if upper is None else min(units, upper)) - lower)
    return total


def tier_amount(tier: Question, units: Fraction) -> Fraction:
    each = number(tier, "rate_percent") / 100 if "rate_percent" in tier else number(tier, "unit_amount")
    cost, cap = units * each + number(tier, "flat_amount"), optional(tier, "tier_cap")
    return cost if cap is None else min(cost, cap)


def percentage(of: Question, amounts: list[Fraction]) -> Fraction:
    events, allowance = optional(of, "free_events"), optional(of, "free_amount")
    least, most = optional(of, "min_per_event"), optional(of, "max_per_event")
    total = Fraction(0)
    for index, amount in enumerate(amounts):
        seen = sum(amounts[:index], Fraction(0))
        free = events is not None or allowance is not None
        free = free and (events is None or index < events) and (allowance is None or seen < allowance)
        if free:
            paying = Fraction(0) if allowance is None else max(seen + amount - allowance, Fraction(0))
            if not paying:
                continue
            amount = paying  # noqa: PLW2901 - the part above the allowance
        fee = amount * number(of, "rate_percent") / 100 + number(of, "fixed_per_event")
        fee = fee if least is None else max(fee, least)
        total += fee if most is None else min(fee, most)
    return total


# --- proration ---------------------------------------------------------------------------------------------


def share_left(question: Question) -> Fraction:
    start, end, change = (moment(question[name]) for name in ("period_start", "period_end", "change_at"))
    micro = timedelta(microseconds=1)
    left = Fraction((end - change) // micro, (end - start) // micro)
    return min(max(left, Fraction(0)), Fraction(1))


def prorate(question: Question) -> tuple[Fraction, ...]:
    """Return credit and charge, or the quantity alone."""
    share = share_left(question)
    if "quantity" in question:
        return (half_away(number(question, "quantity") * share, question.get("decimals", 8)),)
    exponent = EXPONENTS[question["currency"]]
    return tuple(half_away(number(question, name) * share, exponent) for name in ("old_amount", "new_amount"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00").astimezone(UTC)


# --- periods -----------------------------------------------------------------------------------------------


def step(anchor: date, interval: str, times: int) -> date:
    if interval in ("day", "week"):
        return anchor + timedelta(days=times * (7 if interval == "week" else 1))
    months = anchor.year * 12 + anchor.month - 1 + times * {"month": 1, "quarter": 3, "year": 12}[interval]
    year, month = divmod(months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def next_boundary(question: Question) -> date | datetime:
    """Return the first boundary after a date or an instant."""
    interval, zone = question["interval"], ZoneInfo(question.get("timezone", "UTC"))
    if "T" not in question["after"]:
        midnight = datetime.combine(date.fromisoformat(question["anchor"]), time())
        return next_instant(midnight, interval, ZoneInfo("UTC"), moment(question["after"])).date()
    if "T" not in question["anchor"]:
        midnight = datetime.combine(date.fromisoformat(question["anchor"]), time())
        return next_instant(midnight, interval, zone, moment(question["after"]))
    anchor = moment(question["anchor"])
    local = anchor.astimezone(zone).replace(tzinfo=None, fold=0)
    return next_instant(local, interval, zone, moment(question["after"]), anchor)


def next_instant(
    anchor: datetime, interval: str, zone: ZoneInfo, after: datetime, itself: datetime | None = None
) -> datetime:
    """Return the first boundary after an instant: every candidate near it is tried.

    `anchor` is a local time; `itself` the instant that it was, where clocks showed it twice.
    """
    days = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}[interval]
    near = round((after.astimezone(zone).date() - anchor.date()).days / days)
    slack = 4 + abs(near) // 50
    found = [
        first_shown(datetime.combine(step(anchor.date(), interval, near + n), anchor.time()), zone)
        if itself is None or near + n
        else itself
        for n in range(-slack, slack + 1)
    ]
    return min(instant for instant in found if instant > after)


def first_shown(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant at which clocks show `local` or, if they never do, something later."""
    low = local.replace(tzinfo=UTC) - timedelta(hours=30)
    if local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local:
        return min(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    high = low + timedelta(hours=60)
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        low, high = (low, middle) if middle.astimezone(zone).replace(tzinfo=None) >= local else (middle, high)
    return high


# --- grants ------------------------------------------------------------------------------------------------


def grants(question: Question) -> tuple[dict[str, Fraction], Fraction]:
    """Return what is left of each grant, and the overage: instant by instant, looking at all grants anew."""
    start = moment(question["start"])
    held = [Held(fields, start) for fields in question["grants"]]
    held.sort(key=lambda one: (one.priority, one.expires, one.starts, one.id))
    usage = [(moment(at), Fraction(str(quantity))) for at, quantity in question["usage"]]
    resets = {moment(at) for at in question.get("resets", [])}
    until = moment(question["until"])
    overage = Fraction(0)
    edges = {at for at, _ in usage} | resets
    edges |= {edge for one in held for edge in (one.starts, one.expires, one.voided, *one.recurrences(until))}
    for at in sorted(edge for edge in edges | {start} if start <= edge <= until):
        for one in held:
            if at >= min(one.expires, one.voided):
                one.left = Fraction(0)
        begun = [one for one in held if one.starts < at or at == start >= one.starts]
        begun = [one for one in begun if at < min(one.expires, one.voided)]
        if at in resets and at > start:
            for one in begun:
                one.left = min(one.most, max(one.least, one.left))
            overage = burn(begun, overage) if question.get("preserve_overage") else Fraction(0)
        for one in held:
            if one.starts == at > start and at < min(one.expires, one.voided):
                one.left = one.amount
                overage = burn([one], overage)
                begun.append(one)
        for one in held:
            if one in begun and at > max(start, one.starts) and at in one.recurrences(until):
                one.left = one.amount
                overage = burn([one], overage)
        overage += sum((quantity for when, quantity in usage if when == at), Fraction(0))
        overage = burn([one for one in held if one in begun], overage)
    return {one.id: one.left for one in held}, overage


def burn(held: list[Held], owed: Fraction) -> Fraction:
    for one in held:
        one.left, owed = max(one.left - owed, Fraction(0)), max(owed - one.left, Fraction(0))
    return owed


class Held:
    """A grant and what is left of it."""

    def __init__(self, fields: Question, start: datetime) -> None:
        self.since = start
        never = datetime.max.replace(tzinfo=UTC)
        days = fields.get("expires_after_days")
        self.id, self.amount, self.priority = (
            fields["id"],
            number(fields, "amount"),
            fields.get("priority", 0),
        )
        self.starts = moment(fields["effective_at"]) if fields.get("effective_at") else start
        self.expires = never if days is None else self.starts + timedelta(days=days)
        self.voided = moment(fields["voided_at"]) if fields.get("voided_at") else never
        self.least, self.most = number(fields, "min_rollover"), number(fields, "max_rollover")
        opening = optional(fields, "start_balance")
        self.left = Fraction(0) if self.starts > start else self.amount if opening is None else opening
        self._every = fields.get("recurrence")
        self._anchor = moment(fields["recurrence_anchor"]) if fields.get("recurrence_anchor") else self.starts

    @cache  # noqa: B019 - a question's grants live no longer than the question
    def recurrences(self, until: datetime) -> set[datetime]:
        interval = {"daily": "day", "weekly": "week", "monthly": "month"}.get(self._every or "")
        reach = max(abs((at - self._anchor).days) for at in (self.since, until)) + 31
        days = (step(self._anchor.date(), interval or "day", n) for n in range(-reach, reach + 1))
        return {datetime.combine(day, self._anchor.time(), UTC) for day in days} if interval else set()
