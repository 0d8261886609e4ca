"""An invoice as plain text, for a terminal or a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tollway.web.invoice.page import figure

__all__ = ["invoice_text"]

_WIDTH = 78
_AMOUNT = 16


def invoice_text(invoice: Mapping[str, Any]) -> str:
    """Return what `invoice_json` returned as lines of at most 78 characters, as far as words allow."""
    return "\n".join(_lines(invoice)) + "\n"


def _lines(invoice: Mapping[str, Any]) -> Iterator[str]:
    title = f"Invoice {invoice['number']}" if invoice["number"] else f"Draft invoice {invoice['id']}"
    yield title + (" (test: nothing is owed)" if invoice["mode"] == "test" else "")
    if invoice["supplier"]:
        yield f"From  {_party(invoice['supplier'])}"
    yield f"To    {_party(invoice['recipient']) if invoice['recipient'] else _plain(invoice['customer'])}"
    if invoice["finalised_text"]:
        yield f"Issued {invoice['finalised_text']}"
    if invoice["period_text"]:
        yield f"Usage of {invoice['period_text']}"
    yield ""
    yield _row("", invoice["currency"])
    for line in invoice["lines"]:
        yield _row(f"{line['line']}  {_plain(line['description'])}", figure(line["total"]))
        details = [] if line["service_text"] in line["description"] else [line["service_text"]]
        details += [f"{step['description']} = {figure(step['amount'])}" for step in line["explanation"]]
        for detail in details:
            yield from textwrap.wrap(
                _plain(detail), _WIDTH - _AMOUNT, initial_indent="   ", subsequent_indent="     "
            )
    yield "-" * _WIDTH
    yield _row("Total", figure(invoice["total"]))


def _row(text: str, amount: str) -> str:
    wrapped = textwrap.wrap(text, _WIDTH - _AMOUNT - 1, subsequent_indent="   ") or [""]
    return "\n".join([f"{wrapped[0]:<{_WIDTH - _AMOUNT}}{amount:>{_AMOUNT}}", *wrapped[1:]])


def _party(details: Mapping[str, Any]) -> str:
    tax_ids = [f"{tax_id['kind']} {tax_id['value']}" for tax_id in details["tax_ids"]]
    parts = [details["name"] or "(no name set)", *details["address"], details["country"], *tax_ids]
    return _plain(", ".join(part for part in parts if part))


def _plain(text: str) -> str:
    # A name may hold anything; in a terminal, control characters would act.
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
