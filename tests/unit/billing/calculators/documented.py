"""Worked examples of other billing systems' public documents, restated as questions and figures.

Only the facts are theirs: prices, quantities, dates and results. Where their document leaves a result to the
reader, it is worked out here by hand from the rule that they state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Fields = dict[str, Any]


class Example(NamedTuple):
    """A question without its id, and what the answer says."""

    source: str
    calculator: str
    question: Fields
    answer: Fields


def tier(up_to: str | None, unit_amount: str, flat_amount: str = "0") -> Fields:
    return {"up_to": up_to, "unit_amount": unit_amount, "flat_amount": flat_amount}


def price(source: str, model: Fields, facts: Fields, total: str) -> Example:
    return Example(source, "price", {"currency": "USD", "price": model, **facts}, {"total": total})


def tiers(source: str, model: str, steps: list[Fields], totals: dict[str, str]) -> list[Example]:
    of = {"model": model, "tiers": steps}
    return [price(source, of, {"quantity": quantity}, total) for quantity, total in totals.items()]


def proration(source: str, change: tuple[str, str], span: tuple[str, str, str], answer: Fields) -> Example:
    times = dict(zip(("period_start", "period_end", "change_at"), span, strict=True))
    question = {"currency": "USD", "old_amount": change[0], "new_amount": change[1], **times}
    return Example(source, "prorate", question, answer)


def boundaries(source: str, interval: str, anchor: str, following: list[str]) -> list[Example]:
    """Each boundary leads to the one after it."""
    return [
        Example(
            source,
            "periods",
            {"interval": interval, "anchor": anchor, "after": after},
            {"next": following[index]},
        )
        for index, after in enumerate([anchor, *following[:-1]])
    ]


def grants(
    source: str,
    held: list[Fields],
    usage: list[list[str]],
    balances: dict[str, str],
    overage: str = "0",
    **more: object,
) -> Example:
    question = {"start": "2024-01-01T00:00:00Z", "grants": held, "usage": usage, **more}
    return Example(source, "grants", question, {"balances": balances, "overage": overage})


FONTS = [tier("5", "7"), tier("10", "6.5"), tier(None, "6")]
STRIPE_TIERS = "Stripe, Set up tiered pricing"
STRIPE_PRICING = "Stripe, Recurring pricing models"
STRIPE_CARDS = {"model": "percentage", "rate_percent": "2.9", "fixed_per_event": "0.30"}
STRIPE: list[Example] = [
    *tiers(
        STRIPE_TIERS,
        "volume",
        FONTS,
        {"1": "7.00", "5": "35.00", "6": "39.00", "20": "120.00", "25": "150.00"},
    ),
    *tiers(
        STRIPE_TIERS,
        "graduated",
        FONTS,
        {"1": "7.00", "5": "35.00", "6": "41.50", "20": "127.50", "25": "157.50"},
    ),
    # per seat, and a package of units, the last of which is begun
    price(STRIPE_PRICING, {"model": "per_unit", "unit_amount": "15"}, {"quantity": "3"}, "45.00"),
    *(
        price(
            "Stripe, Price: transform_quantity, divided by 5, rounded up",
            {"model": "package", "package_size": "5", "package_amount": "15"},
            {"quantity": quantity},
            total,
        )
        for quantity, total in {"1": "15.00", "5": "15.00", "6": "30.00", "8": "30.00"}.items()
    ),
    *(
        price(
            "Stripe, Price: transform_quantity, rounded down",
            {
                "model": "per_unit",
                "unit_amount": "15",
                "unit_conversion": {"operation": "divide", "factor": "5", "quantity_rounding": "floor"},
            },
            {"quantity": quantity},
            total,
        )
        for quantity, total in {"4": "0.00", "8": "15.00"}.items()
    ),
    # a fee with so much included, and the rest by the piece
    *tiers(
        "Stripe, Fixed fee and overage",
        "graduated",
        [tier("100000", "0", "200"), tier(None, "0.001")],
        {"0": "200.00", "100000": "200.00", "120000": "220.00"},
    ),
    price(
        "Stripe, card payments (Lago's template of them)", STRIPE_CARDS, {"event_amounts": ["100"]}, "3.20"
    ),
    # halfway through a month from 10 to 20
    proration(
        "Stripe, Prorations",
        ("10", "20"),
        ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-06-16T00:00:00Z"),
        {"credit": "5.00", "charge": "10.00"},
    ),
    *boundaries(
        "Stripe, Billing cycle: an anchor on 31 January",
        "month",
        "2026-01-31",
        ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"],
    ),
    *boundaries(
        "Stripe, Billing cycle: the same in a leap year", "month", "2024-01-31", ["2024-02-29", "2024-03-31"]
    ),
    *boundaries("Stripe, Billing cycle: 2 September", "month", "2026-09-02", ["2026-10-02", "2026-11-02"]),
    *boundaries("Stripe, Billing cycle: every Friday", "week", "2022-06-03", ["2022-06-10", "2022-06-17"]),
]

CALLS = [
    tier("10000", "0.0010", "10"),
    tier("50000", "0.0008", "10"),
    tier("100000", "0.0006", "10"),
    tier(None, "0.0004", "10"),
]
LAGO_OF_BASE = {
    "model": "graduated_percentage",
    "tiers": [
        {"up_to": "1000", "rate_percent": "1", "flat_amount": "200"},
        {"up_to": "10000", "rate_percent": "2", "flat_amount": "300"},
        {"up_to": None, "rate_percent": "3", "flat_amount": "400"},
    ],
}
LAGO_MINIMUM = {"model": "per_unit", "unit_amount": "0.010", "minimum": "100"}
JANUARY = ("2026-01-01", "2026-02-01", "2026-01-15")
LAGO: list[Example] = [
    price("Lago, Standard", {"model": "per_unit", "unit_amount": "0.05"}, {"quantity": "1000"}, "50.00"),
    *tiers(
        "Lago, Graduated",
        "graduated",
        [tier("100", "1"), tier("200", "0.50"), tier(None, "0.10")],
        {"0": "0.00", "100": "100.00", "200": "150.00", "250": "155.00"},
    ),
    *tiers("Lago, Volume", "volume", CALLS, {"65000": "49.00", "10000": "20.00", "10001": "18.00"}),
    *(
        price(
            "Lago, Package: 5 for 100, the first 100 free",
            {"model": "package", "package_size": "100", "package_amount": "5", "free_units": "100"},
            {"quantity": quantity},
            total,
        )
        for quantity, total in {"100": "0.00", "101": "5.00", "200": "5.00", "201": "10.00"}.items()
    ),
    # three transactions one after the other, each billed at once
    price("Lago, Graduated percentage", LAGO_OF_BASE, {"base_amount": "500"}, "205.00"),
    price(
        "Lago, Graduated percentage",
        LAGO_OF_BASE,
        {"base_amount": "1050", "previous_quantity": "500"},
        "306.00",
    ),
    price(
        "Lago, Graduated percentage",
        LAGO_OF_BASE,
        {"base_amount": "5050", "previous_quantity": "1050"},
        "80.00",
    ),
    price("Lago, Graduated percentage", LAGO_OF_BASE, {"base_amount": "5050"}, "591.00"),
    price("Lago, Spending minimum", LAGO_MINIMUM, {"quantity": "5000"}, "100.00"),
    price(
        "Lago, Spending minimum, true-up",
        LAGO_MINIMUM,
        {"quantity": "5000", "previously_billed": "50"},
        "50.00",
    ),
    # of 100 in arrears 14 of 31 days are billed, 45.16; the rest of January at 200
    proration("Lago, Upgrades, in arrears", ("100", "200"), JANUARY, {"credit": "54.84", "charge": "109.68"}),
    # a seat of 10 for 22 of 30 days
    proration(
        "Lago, Prorated charges",
        ("0", "10"),
        ("2026-06-01", "2026-07-01", "2026-06-09"),
        {"credit": "0.00", "charge": "7.33"},
    ),
]

LEVELS = [tier("1000", "0.10"), tier("10000", "0.05"), tier(None, "0.01")]
G1, G2 = {"id": "g1", "amount": "100"}, {"id": "g2", "amount": "100"}
TWO = [G1 | {"priority": 1, "expires_after_days": 30}, G2 | {"priority": 2, "expires_after_days": 30}]
OPENMETER_ENGINE = "OpenMeter, credit engine"
FROM_DAY_TWO = {"effective_at": "2024-01-02T00:00:00Z", "priority": 1}
RECURRING = G2 | FROM_DAY_TWO | {"recurrence": "weekly", "recurrence_anchor": "2024-01-04T00:00:00Z"}
BEFORE = G1 | {"effective_at": "2023-12-31T00:00:00Z", "start_balance": "80", "priority": 3}
HOUR, DAY_TWO, DAY_FOUR = "2024-01-01T01:00:00Z", "2024-01-02T00:00:00Z", "2024-01-04T00:00:00Z"
USED = [[HOUR, "20"], ["2024-01-01T23:59:59Z", "20"], [DAY_TWO, "20"]]
RESET = {"resets": ["2024-01-01T05:00:00Z"], "until": DAY_TWO}
OPENMETER: list[Example] = [
    price(
        "OpenMeter, Per unit", {"model": "per_unit", "unit_amount": "0.01"}, {"quantity": "10000"}, "100.00"
    ),
    *tiers("OpenMeter, Graduated (as resold)", "graduated", LEVELS, {"15000": "600.00"}),
    *tiers("OpenMeter, Volume (as resold)", "volume", LEVELS, {"15000": "150.00"}),
    grants(OPENMETER_ENGINE, [], [[HOUR, "50"]], {}, "50"),
    grants(OPENMETER_ENGINE, [G1], [[HOUR, "50"]], {"g1": "50"}),
    grants(
        OPENMETER_ENGINE,
        [G1 | {"effective_at": "2024-01-11"}],
        [[HOUR, "50"]],
        {"g1": "0"},
        "50",
        until="2024-01-06",
    ),
    grants(OPENMETER_ENGINE, [G1 | {"voided_at": "2024-01-01"}], [[HOUR, "50"]], {"g1": "0"}, "50"),
    grants(
        OPENMETER_ENGINE,
        [G1 | {"voided_at": HOUR}],
        [["2024-01-01T00:59:00Z", "50"], ["2024-01-01T01:01:00Z", "50"]],
        {"g1": "0"},
        "50",
    ),
    grants(
        OPENMETER_ENGINE,
        [G1 | {"effective_at": "2023-01-01", "expires_after_days": 1}],
        [[HOUR, "50"]],
        {"g1": "0"},
        "50",
    ),
    grants(
        OPENMETER_ENGINE,
        [G1 | {"effective_at": DAY_TWO, "start_balance": "0"}],
        [["2024-01-01T23:00:00Z", "25"], ["2024-01-02T01:00:00Z", "25"]],
        {"g1": "50"},
    ),
    grants(OPENMETER_ENGINE, [G1, G2], [[HOUR, "200"]], {"g1": "0", "g2": "0"}),
    grants(OPENMETER_ENGINE, TWO[::-1], [[HOUR, "120"]], {"g2": "80", "g1": "0"}),
    grants(
        OPENMETER_ENGINE,
        [G2 | {"expires_after_days": 36500}, G1 | {"expires_after_days": 30}],
        [[HOUR, "120"]],
        {"g2": "80", "g1": "0"},
    ),
    grants(
        OPENMETER_ENGINE,
        [G1 | {"recurrence": "daily"}],
        [[HOUR, "120"]],
        {"g1": "80"},
        until="2024-01-02T01:00:00Z",
    ),
    # a weekly grant that begins before its anchor: until just before, and at, its recurrence
    grants(
        OPENMETER_ENGINE,
        [BEFORE, RECURRING],
        [*USED, [DAY_FOUR, "20"]],
        {"g1": "40", "g2": "80"},
        until="2024-01-10T23:00:00Z",
    ),
    grants(
        OPENMETER_ENGINE, [BEFORE, RECURRING], USED, {"g1": "40", "g2": "100"}, until="2024-01-11T00:00:00Z"
    ),
    # resets: at most the maximum is rolled over; overage that is preserved comes off what is rolled over
    grants("OpenMeter, reset", [G1 | {"max_rollover": "50"}], [[HOUR, "10"]], {"g1": "50"}, **RESET),
    grants(
        "OpenMeter, reset",
        [G1 | {"min_rollover": "50", "max_rollover": "50"}],
        [[HOUR, "10"], ["2024-01-01T02:00:00Z", "100"]],
        {"g1": "40"},
        preserve_overage=True,
        **RESET,
    ),
]

VIDEOS = [tier("5", "2"), tier(None, "1")]
APRIL = ("2013-04-01", "2013-05-01", "2013-04-16")
KILL_BILL: list[Example] = [
    *tiers(
        "Kill Bill, Consumable in arrear: the first 5 videos at 2, the next at 1",
        "graduated",
        VIDEOS,
        {"0": "0.00", "1": "2.00", "5": "10.00", "6": "11.00", "8": "13.00"},
    ),
    *tiers("Kill Bill, the same billed by the top tier", "volume", VIDEOS, {"5": "10.00", "8": "8.00"}),
    price("Kill Bill, Consumable in arrear: the base fee", {"model": "flat", "amount": "30"}, {}, "30.00"),
    proration(
        "Kill Bill, a month's fee begun on the 16th",
        ("0", "30"),
        APRIL,
        {"credit": "0.00", "charge": "15.00"},
    ),
    *boundaries(
        "Kill Bill, Billing cycle day 31",
        "month",
        "2012-05-31",
        ["2012-06-30", "2012-07-31", "2012-08-31", "2012-09-30"],
    ),
]

EXAMPLES = [*STRIPE, *LAGO, *OPENMETER, *KILL_BILL]
