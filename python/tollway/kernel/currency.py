"""Currencies and how many decimals their minor unit has.

Source: ISO 4217, list one (current currencies and funds, maintained by SIX Financial Information), as of
2026. Metals, test codes and units of account, which have no minor unit, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tollway.kernel.errors import InvalidInput

__all__ = ["Currency", "currency"]

_BY_EXPONENT: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
        "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
        "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
        "XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: its ISO 4217 code and its exponent, the number of decimals of its minor unit."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code


@cache
def _known(code: str) -> Currency:
    return Currency(code, _EXPONENTS[code])


def currency(code: object, location: str = "currency") -> Currency:
    """Return the currency with this ISO 4217 code, e.g. `currency("USD").exponent == 2`.

    Raises:
        InvalidInput: it is no such code; `location` names where it was written.
    """
    if isinstance(code, str) and code in _EXPONENTS:
        return _known(code)
    if isinstance(code, str) and code.upper() in _EXPONENTS:
        raise InvalidInput(location, f"{code!r} is not written as ISO 4217 does", f'write "{code.upper()}"')
    shown = repr(code) if len(repr(code)) <= 40 else f"{repr(code)[:37]}..."
    raise InvalidInput(location, f"{shown} is no currency", 'write an ISO 4217 code, e.g. "USD"')
