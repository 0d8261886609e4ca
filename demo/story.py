"""The story: sell, traffic, bill, reconcile. Each part prints what a stranger needs and no more."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from demo.bills import Bills, read_bills, read_metered
from demo.mapping import Call, Mapper
from demo.narrator import Narrator
from demo.plans import CATALOG, SELLER, choose_plans, price_list
from demo.reconcile import Reconciliation, reconcile
from demo.replay import fetch_etags, plan_replay, replay
from demo.selling import configure_api, import_consumers, mint_keys, subscribe
from demo.stack import Stack
from demo.tally import Tally
from demo.traffic import Line, heaviest
from demo.upstream.dataset import load

__all__ = ["Story"]

_EARNED_BY = {
    200: "a good call",
    206: "a part of a file",
    301: "a path that moved",
    304: "nothing new since the last call",
    403: "an operation that isn't sold",
    404: "something that isn't there",
    416: "a part beyond the file's end",
    429: "more than the plan allows a minute",
    500: "a fault of the upstream's own",
}
_SHOWN_INVOICES = 8
_SHOWN_DIFFERENCES = 20
# Anniversary months from now on end within 31 days; the second ones don't.
_ONE_PERIOD = timedelta(days=32)


class Story:
    """One run against a running stack: `lines` of the log within `seconds`."""

    def __init__(self, stack: Stack, narrator: Narrator, lines: list[Line], seconds: float) -> None:
        self._stack = stack
        self._narrator = narrator
        self._lines = lines
        self._seconds = seconds
        self._sizes = dict(heaviest(lines))
        self._tally = Tally()
        self.plans = choose_plans(lines)
        self.keys: dict[str, str] = {}

    def tell(self) -> Reconciliation:
        """Tell all of it, and return how the books compare."""
        self._sell()
        self._replay_traffic()
        return self._reconcile(self._bill())

    @property
    def faults(self) -> list[str]:
        """Answers that were not what their call had earned, and calls without an answer."""
        return self._tally.faults

    @property
    def limited(self) -> int:
        """How many calls a plan's limit refused."""
        return self._tally.limited

    def _sell(self) -> None:
        narrator, stack, names = self._narrator, self._stack, list(self.plans)
        narrator.section("An API goes on sale")
        asyncio.run(configure_api(stack.url("admin"), stack.upstream_url))
        narrator.command(f"tollway catalog apply demo/{CATALOG.name}")
        stack.tollway("catalog", "apply", str(CATALOG))
        stack.tollway("seller", "set", *SELLER)
        customers = Counter(self.plans.values())
        narrator.table(
            ("plan", "price", "limit", "customers"),
            [(plan, price, limit, f"{customers[plan]:,}") for plan, price, limit in price_list()],
            left=3,
        )
        import_consumers(stack, names)
        narrator.command("tollway subscription import subscriptions.jsonl --mode test")
        with narrator.working(f"{len(names):,} subscriptions"):
            subscribe(stack, self.plans)
        with narrator.progress("API keys", len(names)) as step:
            self.keys = asyncio.run(mint_keys(stack.url("admin"), names, step))
        stack.wait_ready()

    def _replay_traffic(self) -> None:
        narrator, lines = self._narrator, self._lines
        narrator.section("Real traffic")
        mapper = Mapper(load())
        calls = [mapper.call(line) for line in lines]
        span = lines[-1].time - lines[0].time
        narrator.say(
            f"{len(lines):,} requests of {len(self.plans):,} clients, {lines[0].time:%d %B} to "
            f"{lines[-1].time:%d %B %Y}, {span / timedelta(hours=1):.0f} hours in {self._seconds:.0f} s"
        )
        self._tally.may_be_limited = frozenset(
            name for name, plan in self.plans.items() if plan == "free" and self._sizes[name] > 60
        )
        began = time.monotonic()
        with narrator.progress("requests", len(lines)) as step:
            asyncio.run(self._send(calls, step))
        seconds = time.monotonic() - began
        statuses = self._tally.statuses
        narrator.table(
            ("status", "earned by", "answers"),
            [(str(status), _EARNED_BY[status], f"{count:,}") for status, count in sorted(statuses.items())],
            left=2,
        )
        half, most = (1000 * self._tally.percentile(share) for share in (0.5, 0.99))
        narrator.say(
            f"{len(self._tally.answers) / seconds:,.0f} requests/s; half answered within {half:.1f} ms, "
            f"99 % within {most:.0f} ms"
        )

    async def _send(self, calls: list[Call], step: Callable[[], None]) -> None:
        await replay(
            plan_replay(self._lines, calls, self._seconds),
            proxy_url=self._stack.url("proxy"),
            keys=self.keys,
            etags=await fetch_etags(self._stack.upstream_url, calls),
            tally=self._tally,
            on_answer=step,
        )

    def _bill(self) -> Bills:
        narrator, stack = self._narrator, self._stack
        narrator.section("The month is closed")
        as_of = (datetime.now(UTC) + _ONE_PERIOD).strftime("%Y-%m-%dT%H:%M:%SZ")
        narrator.command(f"tollway billing run --as-of {as_of}")
        with narrator.working("invoices finalised"):
            stack.tollway("billing", "run", "--as-of", as_of)
        with narrator.working("invoices opened to their requests"):
            bills = read_bills(stack)
        largest = sorted(bills.invoices, key=lambda invoice: (-invoice.total, invoice.number))
        of_usage = [invoice for invoice in largest if invoice.calls]
        narrator.table(
            ("invoice", "customer", "plan", "calls", "total"),
            [
                (one.number, one.consumer, self.plans[one.consumer], f"{one.calls:,}", f"${one.total:,.2f}")
                for one in of_usage[:_SHOWN_INVOICES]
            ],
            left=3,
        )
        shown = next((one for one in of_usage if self.plans[one.consumer] == "pro"), of_usage[0])
        narrator.command(f"tollway invoice show {shown.number}")
        narrator.quote(stack.tollway("invoice", "show", shown.number, "--output", "table"))
        narrator.table(("plan", "customers", "invoices", "calls", "invoiced"), self._revenue(bills))
        return bills

    def _revenue(self, bills: Bills) -> list[tuple[str, ...]]:
        """Return a row per plan, the most expensive first."""
        rows: list[tuple[str, ...]] = []
        for plan, *_ in reversed(price_list()):
            own = [invoice for invoice in bills.invoices if self.plans[invoice.consumer] == plan]
            customers = sum(1 for other in self.plans.values() if other == plan)
            calls, total = sum(one.calls for one in own), sum(one.total for one in own)
            rows.append((plan, f"{customers:,}", f"{len(own):,}", f"{calls:,}", f"${total:,.2f}"))
        return rows

    def _reconcile(self, bills: Bills) -> Reconciliation:
        narrator = self._narrator
        narrator.section("The books, compared by customer and by request id")
        narrator.command("tollway usage events")
        found = reconcile(
            served=self._tally.served(),
            metered=read_metered(self._stack),
            invoiced=bills.entries,
            charged=bills.charged,
            seen=self._stack.seen_upstream(),
        )
        narrator.table(
            ("book", "kept by", "requests"),
            [
                ("answers, 2xx and 3xx", "the client", f"{found.served:,}"),
                ("usage events", "the gateway", f"{found.metered:,}"),
                ("invoice lines", "the biller", f"{found.invoiced:,}"),
            ],
            left=2,
        )
        differences = [*self._tally.faults, *found.differences]
        for difference in differences[:_SHOWN_DIFFERENCES]:
            narrator.say(difference)
        if len(differences) > _SHOWN_DIFFERENCES:
            narrator.say(f"… and {len(differences) - _SHOWN_DIFFERENCES:,} more")
        return found
