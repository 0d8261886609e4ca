"""The calculators `price`, `prorate`, `periods`, `grants`: JSON lines in, JSON lines out, no database."""

from __future__ import annotations

from tollway.cli.json_lines import answer_lines
from tollway.cli.main import app
from tollway.cli.output import Output, OutputOption

__all__ = ["grants", "periods", "price", "prorate"]


@app.command()
def price(output: OutputOption = Output.JSON) -> None:
    """Say what a price comes to, line by line.

    Example:  echo '{"id":1,"currency":"USD","price":{"model":"per_unit","unit_amount":"0.002"},
    "quantity":"121"}' | tollway price
    """
    from tollway.billing.calculators.answer import answer_line
    from tollway.billing.calculators.price import calculate_price

    answer_lines(lambda line: answer_line(line, calculate_price), output)


@app.command()
def prorate(output: OutputOption = Output.JSON) -> None:
    """Say what a change in mid-period gives back and charges.

    Example:  echo '{"id":1,"currency":"USD","old_amount":"30","new_amount":"60","period_start":"2026-06-01",
    "period_end":"2026-07-01","change_at":"2026-06-16","basis":"days"}' | tollway prorate
    """
    from tollway.billing.calculators.answer import answer_line
    from tollway.billing.calculators.prorate import calculate_proration

    answer_lines(lambda line: answer_line(line, calculate_proration), output)


@app.command()
def periods(output: OutputOption = Output.JSON) -> None:
    """Say when the next billing period begins.

    Example:  echo '{"id":1,"interval":"month","anchor":"2026-01-31","timezone":"UTC","after":"2026-02-01"}'
    | tollway periods
    """
    from tollway.billing.calculators.answer import answer_line
    from tollway.billing.calculators.periods import calculate_boundary

    answer_lines(lambda line: answer_line(line, calculate_boundary), output)


@app.command()
def grants(output: OutputOption = Output.JSON) -> None:
    """Say what is left of grants once usage has burned them down.

    Example:  echo '{"id":1,"start":"2026-01-01","grants":[{"id":"free","amount":"100"}],
    "usage":[["2026-01-05T12:00:00Z","30"]]}' | tollway grants
    """
    from tollway.billing.calculators.answer import answer_line
    from tollway.billing.calculators.grants import calculate_grants

    answer_lines(lambda line: answer_line(line, calculate_grants), output)
