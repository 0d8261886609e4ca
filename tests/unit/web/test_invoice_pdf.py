"""The invoice as PDF, read with poppler, which nobody here wrote."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tollway.web.invoice.pdf import invoice_pdf

pytestmark = pytest.mark.one_database

HOSTILE = "(Tj) ET\nendstream <script>x</script> \\) \x00\x1b \u202eevil {nb} %PDF /JS"


def _line(number: int, description: str, **more: Any) -> dict[str, Any]:
    return {
        "line": number,
        "kind": "usage",
        "description": description,
        "quantity": "31280",
        "unit_amount": None,
        "amount": "62.56",
        "total": "62.56",
        "meter": "api_calls",
        "service_start": "2026-11-01T00:00:00Z",
        "service_end": "2026-12-01T00:00:00Z",
        "service_text": "1 to 30 November 2026",
        "price": "pro@1/prices/1",
        "phase": "0",
        "explanation": [
            {"description": "first 10,000 × 0", "quantity": "10000", "unit_amount": "0", "amount": "0"},
            {"description": "21,280 × 0.002", "quantity": "1", "unit_amount": "0.002", "amount": "42.56"},
        ],
        **more,
    }


def _invoice(**changed: Any) -> dict[str, Any]:
    return {
        "id": "0199",
        "number": "INV-000042",
        "status": "finalised",
        "mode": "live",
        "customer": "meridian",
        "consumer": "meridian-freight",
        "period_start": "2026-11-01T00:00:00Z",
        "period_end": "2026-12-01T00:00:00Z",
        "period_text": "1 to 30 November 2026",
        "currency": "USD",
        "total": "1111.56",
        "finalised_at": "2026-12-01T00:10:00Z",
        "finalised_text": "1 December 2026",
        "supplier": {
            "name": "Atlas Data Ltd",
            "address": ["1 Quay Street", "Dublin"],
            "country": "IE",
            "tax_ids": [{"kind": "eu_vat", "value": "IE1234567FA"}],
        },
        "recipient": {"name": "Meridian Freight GmbH", "address": ["Kai 3"], "country": "DE", "tax_ids": []},
        "lines": [_line(1, "Calls in November"), _line(2, "Pro plan", explanation=[])],
        **changed,
    }


def _poppler(program: str, pdf: bytes, folder: Path, *options: str) -> str:
    path = folder / "invoice.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        [program, *options, str(path), *(["-"] if program == "pdftotext" else [])],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""  # poppler complains of everything that is not as it should be
    return done.stdout.decode()


def test_it_says_all_that_an_invoice_must(tmp_path: Path) -> None:
    text = _poppler("pdftotext", invoice_pdf(_invoice()), tmp_path, "-layout")
    for expected in (
        "Invoice INV-000042",
        "Atlas Data Ltd",
        "1 Quay Street",
        "eu_vat IE1234567FA",
        "Meridian Freight GmbH",
        "Issued: 1 December 2026",
        "Usage of: 1 to 30",
        "Calls in November",
        "21,280 × 0.002 = 42.56",
        "31,280",
        "1,111.56 USD",
        "Page 1 of 1",
    ):
        assert expected in text
    assert re.search(r"Pro plan\s+31,280\s+62\.56", text)


def test_fonts_are_embedded_subsets(tmp_path: Path) -> None:
    rows = _poppler("pdffonts", invoice_pdf(_invoice()), tmp_path).splitlines()[2:]
    assert len(rows) == 2
    for row in rows:
        assert re.match(r"[A-Z]{6}\+DejaVu", row)
        assert re.search(r" yes +yes +yes ", row)


def test_the_same_invoice_has_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    here = invoice_pdf(_invoice())
    assert here == invoice_pdf(_invoice())
    script = tmp_path / "print.py"
    script.write_text(
        "import json, sys\nfrom tollway.web.invoice.pdf import invoice_pdf\n"
        "sys.stdout.buffer.write(invoice_pdf(json.load(sys.stdin)))\n"
    )
    other = subprocess.run(
        [sys.executable, script],
        input=json.dumps(_invoice()).encode(),
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert other.stdout == here


def test_hostile_names_are_drawn_as_text(tmp_path: Path) -> None:
    party = {
        "name": HOSTILE,
        "address": [HOSTILE] * 3,
        "country": "DE",
        "tax_ids": [{"kind": "x", "value": HOSTILE}],
    }
    pdf = invoice_pdf(
        _invoice(
            supplier=party, recipient=party, consumer=HOSTILE, number=HOSTILE, lines=[_line(1, HOSTILE * 3)]
        )
    )
    text = _poppler("pdftotext", pdf, tmp_path)
    assert "<script>x</script>" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    info = _poppler("pdfinfo", pdf, tmp_path)
    assert re.search(r"JavaScript: +no", info)
    assert b"/JavaScript" not in pdf
    assert b"/URI" not in pdf


def test_many_lines_go_over_pages_with_the_head_repeated(tmp_path: Path) -> None:
    lines = [_line(n, f"Line number {n}") for n in range(1, 101)]
    lines.append(_line(101, "W" * 6000))  # one word, longer than a page
    pdf = invoice_pdf(_invoice(lines=lines))
    pages = _poppler("pdftotext", pdf, tmp_path, "-layout").split("\f")[:-1]
    assert len(pages) > 8
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert re.search(r"For +Quantity +USD", page)
    whole = "".join(pages)
    assert all(f"Line number {n} " in whole for n in range(1, 101))
    assert whole.count("W") == 6000


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"status": "draft", "number": None, "finalised_at": None, "finalised_text": None},
            ["Draft invoice", "Draft: not final"],
        ),
        ({"mode": "test"}, ["Test invoice: nothing is owed", "INV-000042 · Test"]),
        ({"supplier": None, "recipient": None, "period_text": None, "lines": []}, ["meridian"]),
        ({"total": "-16.70"}, ["−16.70 USD"]),
    ],
)
def test_what_is_not_usual_is_said(changed: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    text = _poppler("pdftotext", invoice_pdf(_invoice(**changed)), tmp_path, "-layout")
    for words in expected:
        assert words in text
