"""The console's first page: revenue against its goal, what needs somebody, and how the API does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fastapi import Request
from markupsafe import Markup
from starlette.responses import Response

from tollway.kernel.money import Money
from tollway.support.models import TicketStatus
from tollway.web.console.context import Console
from tollway.web.console.formats import money, money_whole
from tollway.web.console.ports.revenue import RevenueView
from tollway.web.ui.access import Access
from tollway.web.ui.charts import Arm, Post, bars, compact, ruler, swatch, twin
from tollway.web.ui.columns import Column, Goal, columns
from tollway.web.ui.routing import Routes

__all__ = ["Todo", "add_pages"]

_NEWEST = 6


@dataclass(frozen=True, slots=True)
class Todo:
    """Something that waits for the operator, and the one thing to do about it."""

    title: str
    text: str
    action: str
    path: str
    bad: bool = False


def add_pages(routes: Routes, console: Console) -> None:
    """Register the page."""

    def home(request: Request) -> Response:
        revenue = console.revenue.revenue()
        usage = console.watch.usage()
        return console.site.render(
            request,
            "console/home.html",
            now=revenue.now,
            revenue=revenue,
            share_of_goal=_percent(revenue.mrr, revenue.goal),
            gauge=_gauge(revenue),
            chart=_chart(revenue),
            table=_table(revenue),
            fees_swatch=swatch("s1"),
            usage_swatch=swatch("s4"),
            calls=sum(usage.hours),
            errors=sum(usage.errors),
            today=usage.days[-1].calls,
            call_bars=bars(usage.hours),
            error_bars=bars(usage.errors, series="s6"),
            todos=_todos(console),
            newest=console.customers.newest(_NEWEST),
        )

    routes.get("/", home, access=Access.SIGNED_IN)
    routes.nav("Home", "/", order=0, group="Business")


def _todos(console: Console) -> Sequence[Todo]:
    found = list(_unfinished(console))
    unpaid = console.invoices.unpaid()
    if unpaid.count:
        found.append(
            Todo(
                f"{unpaid.count} {'invoice is' if unpaid.count == 1 else 'invoices are'} unpaid",
                f"{', '.join(money(due) for due in unpaid.due)} is due.",
                "Look at them",
                "/invoices?unpaid=1",
                bad=True,
            )
        )
    waiting = console.tickets.counts()[TicketStatus.OPEN]
    if waiting:
        found.append(
            Todo(
                f"{waiting} {'ticket waits' if waiting == 1 else 'tickets wait'} for an answer",
                "A customer has written last.",
                "Answer",
                "/tickets",
            )
        )
    found += [
        Todo(
            "Usage of a gateway is not complete",
            f"Node {node.node[:8]} has not been metered for five minutes; invoices wait for it.",
            "Look at nodes",
            "/health",
            bad=True,
        )
        for node in console.watch.health().nodes
        if node.lagging
    ]
    return found


def _unfinished(console: Console) -> Iterator[Todo]:
    """What setting up has left undone."""
    state = console.setup.state()
    if not state.seller_known:
        yield Todo(
            "Invoices can't be finalised",
            "They have to name who issues them: name, address, country.",
            "Fill it in",
            "/setup/seller",
            bad=True,
        )
    if not state.routes:
        yield Todo(
            "No call reaches an API", "There is no service with a route yet.", "Add an API", "/setup/api"
        )
    if not state.plans:
        yield Todo(
            "Nothing is for sale",
            "There is no plan to choose on the portal.",
            "Publish a plan",
            "/setup/plan",
        )


def _percent(part: Money, whole: Money) -> str:
    if whole.minor <= 0:
        return "100"
    tenths = part.minor * 1000 // whole.minor
    return f"{tenths // 10}.{tenths % 10}"


def _gauge(revenue: RevenueView) -> Markup:
    """The ruler from nothing to the goal, or to MRR where that is past it."""
    before, now, goal = revenue.movements.before, revenue.mrr, revenue.goal
    end = max(goal, now, before)
    posts = [Post(at=goal.minor, lines=("Goal", money_whole(goal)), arm=Arm.LOWERED)]
    if before:
        month = f"{revenue.since.day} {revenue.since:%b}"
        posts.insert(0, Post(at=before.minor, lines=(month, money_whole(before))))
    return ruler(
        end=max(end.minor, 1),
        used=now.minor,
        posts=posts,
        now=f"now {money_whole(now)}",
        title=(
            f"MRR is {money(now)} of the goal of {money(goal)}; it was {money(before)}"
            f" on {revenue.since.day} {revenue.since:%B}"
        ),
    )


def _chart(revenue: RevenueView) -> Markup:
    exponent = 10**revenue.goal.currency.exponent
    last = len(revenue.history) - 1
    shown = [
        Column(
            label=f"{month.start:%b}",
            title=(f"{month.start:%B %Y}: fees {money(month.recurring)}, usage {money(month.usage)}"),
            parts=(
                ("s1", Fraction(month.recurring.minor, exponent)),
                ("s4", Fraction(month.usage.minor, exponent)),
            ),
            strong=index == last,
        )
        for index, month in enumerate(revenue.history)
    ]
    goal = Goal(at=revenue.goal.amount, text=money_whole(revenue.goal))
    symbol = money_whole(revenue.goal).rstrip("0123456789,")
    return columns(
        shown,
        title="Recurring fees and invoiced usage by month",
        goal=goal,
        figure=lambda value: f"{symbol}{compact(value)}",
    )


def _table(revenue: RevenueView) -> Markup:
    rows = [(f"{month.start:%B %Y}", money(month.recurring), money(month.usage)) for month in revenue.history]
    return twin(("Month", "MRR at its end", "Usage invoiced"), rows)
