"""How the console writes money and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from tollway.gateway.models import Service
from tollway.kernel.currency import currency
from tollway.kernel.exact import to_text
from tollway.kernel.money import Money

__all__ = ["FILTERS", "GLOBALS", "money", "money_whole", "signed"]

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
"""What stands before an amount; other currencies by their code."""


def money(value: Money) -> str:
    """Return an amount as people write it: `$7,412.00`, `−€118.00`, `CHF 12.00`.

    >>> from tollway.kernel.currency import currency
    >>> money(Money(-11800, currency("EUR")))
    '−€118.00'
    """
    return f"{'−' if value.minor < 0 else ''}{_symbol(value)}{abs(value.amount):,f}"


def money_whole(value: Money) -> str:
    """Return an amount without its minor units, for axes and goals; they are cut off, not rounded."""
    whole = abs(value.minor) // 10**value.currency.exponent
    return f"{'−' if value.minor < 0 else ''}{_symbol(value)}{whole:,}"


def money_lead(value: Money) -> Markup:
    """Return the page's leading amount: its minor units are set lighter."""
    text = money(value)
    whole, point, cents = text.partition(".")
    return Markup('{}<span class="cents">{}{}</span>').format(whole, point, cents)


def signed(value: Money) -> str:
    """Return an amount with its sign: `+$464.00`."""
    return f"+{money(value)}" if value.minor > 0 else money(value)


def quantity(value: Decimal | Fraction | int) -> str:
    """Return an exact quantity with separators: `41,280`, `0.5`."""
    whole, point, decimals = to_text(value).partition(".")
    return f"{int(whole):,}{point}{decimals}"


def ago(then: datetime | None, now: datetime) -> str:
    """Return how long ago something was, in words: `3 min ago`; `never` where it was not."""
    if then is None:
        return "never"
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    return "just now"


def money_of(minor: int, code: str) -> Money:
    """Return minor units of a currency as money."""
    return Money(minor, currency(code))


def url_of(service: Service) -> str:
    """Return where a service's requests go, as it was given: the scheme's own port is left out."""
    if service.host.startswith("unix:"):
        return f"{service.protocol}://{service.host}{f':{service.path}' if service.path else ''}"
    usual = 443 if service.protocol in {"https", "grpcs", "tls"} else 80
    port = "" if service.port == usual else f":{service.port}"
    return f"{service.protocol}://{service.host}{port}{service.path or ''}"


def _symbol(value: Money) -> str:
    code = value.currency.code
    return _SYMBOLS.get(code, f"{code} ")


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "money": money,
        "money_whole": money_whole,
        "money_lead": money_lead,
        "signed": signed,
        "quantity": quantity,
        "ago": ago,
    }
)
"""What templates call them by."""

GLOBALS: Mapping[str, Callable[..., Any]] = MappingProxyType({"money_of": money_of, "url_of": url_of})
"""Functions that templates may call."""
