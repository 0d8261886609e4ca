"""A seller's world with a way to be paid: invoices that are final, customers with test cards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from tests.support.commerce import SELLER, World
from tollway.app.payments import Payments
from tollway.billing.models import Invoice, Subscription
from tollway.billing.payments.models import Payment, PaymentMethod
from tollway.billing.payments.ports import PaymentProvider
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.ledger.models import Account, AccountKind, Book, Entry, Transaction
from tollway.ledger.service import post
from tollway.providers.payments.base import Options
from tollway.providers.payments.sandbox import Sandbox

__all__ = ["ORIGIN", "TIMEOUT", "Till"]

ORIGIN = "http://portal.test"
TIMEOUT = timedelta(seconds=30)


class Till:
    """Payments over a world; the sandbox unless another provider is given."""

    def __init__(self, folder: Path, provider: PaymentProvider | None = None) -> None:
        self.world = World(folder)
        self.provider = provider or Sandbox(Options(folder, self.world.clock, TIMEOUT, {}))
        self.payments = Payments(self.world.main, self.provider, self.world.clock, timeout=TIMEOUT)

    def close(self) -> None:
        self.world.close()

    def subscribe(self, plan: str = "pro", *, mode: Mode = Mode.LIVE) -> tuple[Subscription, Invoice]:
        """Subscribe a new customer; return its first invoice, which is final."""
        subscription = self.world.subscribe(plan, mode=mode)
        self.world.run()
        (invoice,) = self.world.invoices(subscription)
        return subscription, invoice

    def card(self, customer: UUID, card: str = "succeeds") -> PaymentMethod:
        """Save one of the sandbox's test cards."""
        page = self.payments.begin_setup(customer, ORIGIN)
        return self.payments.sandbox_choose(customer, page.setup, card)

    def later(self, **step: float) -> None:
        """Let time pass."""
        self.world.go_to(self.world.clock.now() + timedelta(**step))

    def look(self, payment: Payment) -> Payment:
        """Let the lease end, and find out what became of what is open."""
        self.later(hours=7)
        return self.payments.reconcile(payment.id)

    def owe(self, customer: UUID, amount: int) -> None:
        """Have the seller owe a customer `amount` minor units, as an invoice below zero makes it."""
        book = Book(SELLER, Mode.LIVE)
        credit = Account(book, "customer_credit", AccountKind.LIABILITY, "USD", customer)
        fees = Account(book, "revenue:fees", AccountKind.REVENUE, "USD")
        owed = Transaction(
            id=new_id(),
            book=book,
            key=f"owed:{customer}",
            description="Credit",
            effective_at=self.world.clock.now(),
            entries=(Entry(fees, amount), Entry(credit, -amount)),
        )
        with self.world.main.write() as connection:
            post(self.world.commerce(connection).journal, owed)

    def balances(self, mode: Mode = Mode.LIVE) -> dict[str, int]:
        """Return the ledger's balances by account name, in minor units; they sum to zero."""
        with self.world.main.read() as connection:
            found = self.world.commerce(connection).journal.balances(Book(SELLER, mode))
        balances: dict[str, int] = {}
        for account, balance in found.items():
            balances[account.name] = balances.get(account.name, 0) + balance
        assert sum(balances.values()) == 0
        return {name: balance for name, balance in balances.items() if balance}
