"""An invoice as a PDF, A4, with its fonts inside: the same bytes for the same invoice, at any time.

What names hold is drawn as text and nothing else. The embedded DejaVu fonts have Latin, Greek, Cyrillic,
Armenian, Georgian, Hebrew and Arabic letters; a letter they lack is drawn as an empty box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

from fpdf import FPDF

from tollway.web.invoice.page import figure

__all__ = ["invoice_pdf"]

_FONTS = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
_MARGIN, _FOOT = 20.0, 22.0  # mm
_WIDTH = 210 - 2 * _MARGIN
_QUANTITY, _AMOUNT = 30.0, 32.0
_TEXT = _WIDTH - _QUANTITY - _AMOUNT
_POINT = 0.3528  # mm
_LEADING = 1.42

_INK, _QUIET, _LINE, _BRAND, _SUNKEN = (
    (25, 26, 23),
    (95, 96, 88),
    (207, 206, 198),
    (13, 98, 118),
    (247, 247, 244),
)


def invoice_pdf(invoice: Mapping[str, Any]) -> bytes:
    """Return what `invoice_json` returned as a PDF. An invoice that is not final says so on every page."""
    sheet = _Sheet(invoice)
    sheet.add_page()
    _heading(sheet, invoice)
    _parties(sheet, invoice)
    _total(sheet, invoice)
    _lines(sheet, invoice)
    return bytes(sheet.output())


class _Sheet(FPDF):
    """A4 with our fonts, a foot on each page, and wrapping that never loses a letter."""

    def __init__(self, invoice: Mapping[str, Any]) -> None:
        super().__init__("P", "mm", "A4")
        folder = files("tollway.web.ui") / "static" / "vendor" / "fonts"
        for style, name in _FONTS.items():
            self.add_font("DejaVu", style, str(folder / name))
        self.title_text = _title(invoice)
        self.note = "Test: nothing is owed" if invoice["mode"] == "test" else ""
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.c_margin = 0  # text stands on the same edge as rules
        self.set_auto_page_break(False)  # rows are broken between their lines, with the head repeated
        self.set_title(self.title_text)
        self.set_creator("Tollway")
        self.set_producer("Tollway")
        self.set_lang("en")
        # The invoice's own time, not the clock's: who fetches it again gets the same bytes.
        self.set_creation_date(datetime.fromisoformat(invoice["finalised_at"] or invoice["period_end"]))
        if invoice["supplier"] and invoice["supplier"]["name"]:
            self.set_author(_plain(invoice["supplier"]["name"]))

    def footer(self) -> None:
        """Write the foot of a page; FPDF calls it."""
        self.set_y(-_FOOT + 6)
        self.style(8, _QUIET)
        parts = [self.title_text, self.note, f"Page {self.page_no()} of {{nb}}"]
        self.cell(_WIDTH, 5, " · ".join(part for part in parts if part))

    def style(self, size: float, colour: tuple[int, int, int] = _INK, *, bold: bool = False) -> None:
        """Choose size in points, colour and weight of what is written next."""
        self.set_font("DejaVu", "B" if bold else "", size)
        self.set_text_color(*colour)

    def wrapped(self, text: str, width: float) -> list[str]:
        """Return text as lines that fit into `width` mm in the present style."""
        lines = self.multi_cell(width, 5, _plain(text), dry_run=True, output="LINES", align="L")
        assert isinstance(lines, list)
        return [str(line) for line in lines] or [""]

    def rule(self, colour: tuple[int, int, int] = _LINE) -> None:
        """Draw a line across."""
        self.set_draw_color(*colour)
        self.set_line_width(0.2)
        self.line(_MARGIN, self.get_y(), _MARGIN + _WIDTH, self.get_y())

    def has_room(self, height: float) -> bool:
        """Say whether `height` mm are left above the foot."""
        return self.get_y() + height <= self.h - _FOOT


def _title(invoice: Mapping[str, Any]) -> str:
    return f"Invoice {_plain(invoice['number'])}" if invoice["number"] else "Draft invoice"


def _heading(sheet: _Sheet, invoice: Mapping[str, Any]) -> None:
    sheet.style(20, bold=True)
    sheet.cell(_WIDTH, 10, _title(invoice), new_x="LMARGIN", new_y="NEXT")
    notes = [
        *(["Draft: not final, and no document for any tax."] if invoice["status"] == "draft" else []),
        *(
            ["Test invoice: nothing is owed, and it is no document for any tax."]
            if invoice["mode"] == "test"
            else []
        ),
    ]
    for note in notes:
        sheet.set_fill_color(*_SUNKEN)
        sheet.style(9)
        sheet.cell(_WIDTH, 8, f"  {note}", fill=True, new_x="LMARGIN", new_y="NEXT")
        sheet.ln(1)
    sheet.ln(5)


def _parties(sheet: _Sheet, invoice: Mapping[str, Any]) -> None:
    top = sheet.get_y()
    gap = 6.0
    width = (_WIDTH - 2 * gap) / 3
    details = [("Number", invoice["number"]), ("Issued", invoice["finalised_text"])]
    details += [("Usage of", invoice["period_text"]), ("Consumer", invoice["consumer"])]
    supplier = _party(invoice["supplier"]) if invoice["supplier"] else []
    recipient = _party(invoice["recipient"]) if invoice["recipient"] else [invoice["customer"]]
    blocks: list[tuple[str, list[str]]] = [
        ("From", supplier),
        ("To", recipient),
        ("Details", [f"{name}: {value}" for name, value in details if value]),
    ]
    bottom = top
    for position, (name, texts) in enumerate(blocks):
        x = _MARGIN + position * (width + gap)
        sheet.set_xy(x, top)
        sheet.style(8, _QUIET)
        sheet.cell(width, 5, name)
        y = top + 5.5
        for number, text in enumerate(texts):
            sheet.style(9, bold=number == 0 and name != "Details")
            for line in sheet.wrapped(text, width):
                sheet.set_xy(x, y)
                sheet.cell(width, 4.6, line)
                y += 4.6
        bottom = max(bottom, y)
    sheet.set_xy(_MARGIN, bottom + 8)


def _total(sheet: _Sheet, invoice: Mapping[str, Any]) -> None:
    sheet.rule(_INK)
    sheet.ln(3)
    sheet.style(8, _QUIET)
    sheet.cell(_WIDTH, 5, "Total", new_x="LMARGIN", new_y="NEXT")
    whole, point, cents = figure(invoice["total"]).partition(".")
    for text, colour, bold in (
        (whole, _INK, True),
        (point + cents, _QUIET, False),
        (f" {invoice['currency']}", _QUIET, False),
    ):
        sheet.style(26, colour, bold=bold)
        sheet.cell(sheet.get_string_width(text) + 0.2, 13, text)
    sheet.ln(18)


def _lines(sheet: _Sheet, invoice: Mapping[str, Any]) -> None:
    _table_head(sheet, invoice["currency"])
    for position, line in enumerate(invoice["lines"]):
        if position:
            sheet.ln(1.6)
            sheet.rule()
            sheet.ln(1.6)
        if not sheet.has_room(16):
            _next_page(sheet, invoice["currency"])
        first = True
        for text, size, colour in _texts(line):
            sheet.style(size, colour)
            height = size * _POINT * _LEADING
            for part in sheet.wrapped(text, _TEXT - 2):
                if not sheet.has_room(height):
                    _next_page(sheet, invoice["currency"])
                    sheet.style(size, colour)
                figures = (figure(line["quantity"]), figure(line["total"])) if first else ("", "")
                _row(sheet, (part, *figures), height)
                first = False
    sheet.ln(1.6)
    if not sheet.has_room(16):
        _next_page(sheet, invoice["currency"])
    sheet.rule(_INK)
    sheet.ln(2)
    sheet.style(11, bold=True)
    _row(sheet, ("Total", "", f"{figure(invoice['total'])} {invoice['currency']}"), 7, wide=True)


def _texts(line: Mapping[str, Any]) -> Iterator[tuple[str, float, tuple[int, int, int]]]:
    yield line["description"], 9.5, _INK
    if line["service_text"] not in line["description"]:
        yield line["service_text"], 8, _QUIET
    for step in line["explanation"]:
        yield f"{step['description']} = {figure(step['amount'])}", 8, _QUIET


def _table_head(sheet: _Sheet, currency: str) -> None:
    sheet.style(8, _QUIET)
    _row(sheet, ("For", "Quantity", currency), 6)
    sheet.rule(_BRAND)
    sheet.ln(2)


def _next_page(sheet: _Sheet, currency: str) -> None:
    sheet.add_page()
    _table_head(sheet, currency)


def _row(sheet: _Sheet, texts: tuple[str, str, str], height: float, *, wide: bool = False) -> None:
    widths = (_TEXT - 20, _QUANTITY, _AMOUNT + 20) if wide else (_TEXT, _QUANTITY, _AMOUNT)
    aligns: tuple[Literal["L", "R"], ...] = ("L", "R", "R")
    for text, width, align in zip(texts, widths, aligns, strict=True):
        sheet.cell(width, height, text, align=align)
    sheet.ln(height)


def _party(details: Mapping[str, Any]) -> list[str]:
    tax_ids: Sequence[Mapping[str, str]] = details["tax_ids"]
    texts = [details["name"] or "(no name set)", *details["address"], details["country"] or ""]
    return [text for text in [*texts, *(f"{tax['kind']} {tax['value']}" for tax in tax_ids)] if text]


def _plain(text: str) -> str:
    """Return text without control characters, and without marks that turn the direction of what follows."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
