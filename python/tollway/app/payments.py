"""Payments as portal, console, API and CLI use them; no transaction may be open around a call.

The portal has three paths of its own for it: `/pay/return`, where a provider's page sends the browser back
(query `setup`: call `finish_setup`), and for the sandbox `/pay/sandbox` (query `setup`: show
`sandbox_cards`, then call `sandbox_choose`) and `/pay/sandbox/action` (query `charge`: ask, then call
`sandbox_confirm`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from tollway.app.collecting import Browser, Collecting
from tollway.app.payment_store import PaymentStore
from tollway.app.refunding import Refunding
from tollway.app.settings import Settings
from tollway.app.subscriptions import DEFAULT_SELLER
from tollway.billing.models import Customer
from tollway.billing.payments.errors import LiveProviderRefused, PaymentConflict
from tollway.billing.payments.models import (
    Account,
    InvoicePayment,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Setup,
)
from tollway.billing.payments.ports import PaymentProvider
from tollway.billing.payments.results import Capability, CustomerRequest, SetupRequest, SetupStatus
from tollway.billing.payments.wording import reason_for_customer
from tollway.kernel.clock import Clock, SystemClock
from tollway.kernel.errors import InvalidInput, NotFound
from tollway.kernel.ids import new_id
from tollway.kernel.mode import Mode
from tollway.providers.payments.base import Options, open_vendor
from tollway.providers.payments.sandbox import CARDS, Sandbox, TestCard
from tollway.storage.commerce import Commerce
from tollway.storage.database import Database

__all__ = ["Payments", "SandboxCharge", "SetupPage", "check_options", "open_payments", "open_provider"]

RETURN_PATH = "/pay/return"
"""Where a provider's page sends the browser back to; the query has `setup`."""


@dataclass(frozen=True, slots=True)
class SetupPage:
    """A setup that has begun, and where the customer's browser goes now."""

    setup: UUID
    redirect_url: str


@dataclass(frozen=True, slots=True)
class SandboxCharge:
    """What the sandbox's page asks the customer to confirm. `return_url` is where to go afterwards."""

    payment: Payment
    reference: str
    return_url: str


class Payments:
    """The use cases. Everything that takes a `customer` finds only what is that customer's."""

    def __init__(
        self, main: Database, provider: PaymentProvider, clock: Clock, *, timeout: timedelta
    ) -> None:
        self.provider = provider
        self._main = main
        self._clock = clock
        store = PaymentStore(main, clock, timeout)
        self._store = store
        self.collecting = Collecting(store, provider)
        self.refunding = Refunding(store, provider)

    # Saving a method

    def begin_setup(self, customer: UUID, origin: str) -> SetupPage:
        """Begin to save a card: send the customer's browser to the page that is returned.

        `origin` is the portal's as the browser sees it, e.g. `https://portal.example`, without a path.

        Raises:
            NotFound: there is no such customer.
            LiveProviderRefused: the customer is of test mode, and the provider moves real money.
            ProviderError: the provider did not do it; try again.
        """
        account, currency = self._account(customer)
        setup = Setup(
            id=new_id(),
            customer=customer,
            provider=self.provider.name,
            status=SetupStatus.OPEN,
            created_at=self._clock.now(),
        )
        self._save_setup(setup)
        started = self.provider.begin_setup(
            SetupRequest(
                setup=setup.id,
                account=account.reference,
                currency=currency,
                origin=origin,
                return_url=f"{origin}{RETURN_PATH}?{urlencode({'setup': setup.id})}",
                cancel_url=f"{origin}{RETURN_PATH}?{urlencode({'setup': setup.id})}",
            )
        )
        self._save_setup(replace(setup, reference=started.reference))
        return SetupPage(setup.id, started.redirect_url)

    def finish_setup(self, customer: UUID, setup: UUID) -> PaymentMethod | None:
        """Ask the provider what became of a setup; return the saved method, or None if there is none yet.

        Raises:
            NotFound: the customer has no such setup.
            ProviderError: the provider did not answer; the webhook or the next call will.
        """
        return self._finish(self._setup_of(customer, setup))

    def setup_changed(self, reference: str) -> None:
        """Ask what became of a setup, because something said that it changed."""
        with self._main.read() as connection:
            methods = Commerce(connection, self._clock).methods
            found = methods.setup_with(self.provider.name, reference)
        if found is not None:
            self._finish(found)

    def methods(self, customer: UUID) -> Sequence[PaymentMethod]:
        """Return the customer's saved methods at the provider in use, the default one first."""
        with self._main.read() as connection:
            return Commerce(connection, self._clock).methods.of_customer(customer, self.provider.name)

    def make_default(self, customer: UUID, method: UUID) -> None:
        """Collect from this method from now on.

        Raises:
            NotFound: the customer has no such method.
        """
        with self._main.write() as connection:
            methods = Commerce(connection, self._clock).methods
            methods.make_default(_own(methods.of_customer(customer), method))

    def remove_method(self, customer: UUID, method: UUID) -> None:
        """Forget a method, here and at the provider.

        Raises:
            NotFound: the customer has no such method.
            PaymentConflict: a payment with it is under way.
            ProviderError: the provider did not do it; try again.
        """
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            found = _own(commerce.methods.of_customer(customer), method)
            payments = commerce.payments.search(customer=customer)
        if any(
            one.last is not None and one.last.status.open and one.last.method == method for one in payments
        ):
            raise PaymentConflict("a payment with this card is under way; remove it when that is done")
        if found.provider == self.provider.name:
            self.provider.remove_method(found.reference)
        with self._main.write() as connection:
            Commerce(connection, self._clock).methods.remove(found, self._clock.now())

    # Paying

    def pay(
        self,
        customer: UUID,
        invoice: UUID,
        *,
        origin: str,
        return_url: str,
        method: UUID | None = None,
    ) -> Payment:
        """Pay an open invoice now, with the customer at the screen.

        If the payment then has status `requires_action`, send the browser to `payment.last.action_url`; it
        comes back to `return_url`, and `refresh` then says what came of it.

        Raises:
            NotFound: the customer has no such invoice or method.
            PaymentConflict: it is a draft, or paid, or there is no saved method.
        """
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).invoices.get(invoice)
        if found.customer != customer:
            raise NotFound("invoice", str(invoice))
        return self.collecting.collect(invoice, method=method, browser=Browser(origin, return_url))

    def refresh(self, customer: UUID, payment: UUID) -> Payment:
        """Ask the provider about whatever is open of a payment, and return it as it stands then.

        Raises:
            NotFound: the customer has no such payment.
        """
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).payments.get(payment)
        if found is None or found.customer != customer:
            raise NotFound("payment", str(payment))
        return self.reconcile(payment)

    def payments_of(
        self, customer: UUID, *, before: UUID | None = None, limit: int = 100
    ) -> Sequence[Payment]:
        """Return a customer's payments, the newest first; `before` goes on behind that payment."""
        return self.search(customer=customer, before=before, limit=limit)

    def of_invoices(self, invoices: Collection[UUID]) -> Mapping[UUID, InvoicePayment]:
        """Return of each final invoice whether it is paid, and if not, why and what is due."""
        with self._main.read() as connection:
            payments = Commerce(connection, self._clock).payments
            totals = payments.totals_of(invoices)
            found = payments.of_invoices(invoices)
        return {invoice: _state(invoice, total, found.get(invoice)) for invoice, total in totals.items()}

    def search(
        self,
        *,
        mode: Mode | None = None,
        customer: UUID | None = None,
        status: PaymentStatus | None = None,
        before: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Payment]:
        """Return the payments that match, the newest first; `before` goes on behind that payment."""
        with self._main.read() as connection:
            return Commerce(connection, self._clock).payments.search(
                mode=mode, customer=customer, status=status, before=before, limit=limit
            )

    def get(self, payment: UUID) -> Payment:
        """Return a payment.

        Raises:
            NotFound: there is none with this id.
        """
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).payments.get(payment)
        if found is None:
            raise NotFound("payment", str(payment))
        return found

    def refund(
        self, payment: UUID, amount: int | None = None, reason: str = "", *, refund: UUID | None = None
    ) -> Payment:
        """Give back `amount` minor units of a payment, or all that is left of it; see `Refunding.refund`."""
        return self.refunding.refund(payment, amount, reason, refund=refund)

    def reconcile(self, payment: UUID) -> Payment:
        """Ask the provider about whatever is open of a payment, and go on from there.

        Raises:
            NotFound: there is no such payment.
        """
        found, attempts, refunds = self._store.claim(payment)
        for attempt in attempts:
            found = self.collecting.take_up(found, attempt)
        for refund in refunds:
            found = self.refunding.take_up(found, refund)
        return found

    # The sandbox's pages, which the portal serves

    @property
    def sandbox_cards(self) -> Sequence[TestCard]:
        """The test cards to choose from; none where another provider is in use."""
        return tuple(CARDS.values()) if isinstance(self.provider, Sandbox) else ()

    def sandbox_choose(self, customer: UUID, setup: UUID, card: str) -> PaymentMethod:
        """Save the test card of this name, as chosen on `/pay/sandbox?setup=…`.

        Raises:
            NotFound: the customer has no such setup, or the sandbox is not in use.
            PermanentFault: there is no such card.
        """
        found = self._setup_of(customer, setup)
        assert found.reference is not None, "a setup that sent the browser here has a reference"
        self._sandbox().choose(found.reference, card)
        method = self._finish(found)
        assert method is not None, "a card was chosen"
        return method

    def sandbox_charge(self, customer: UUID, reference: str) -> SandboxCharge:
        """Return what `/pay/sandbox/action?charge=…` asks the customer to confirm.

        Raises:
            NotFound: the customer has no such charge, or the sandbox is not in use.
        """
        name = self._sandbox().name
        with self._main.read() as connection:
            payment = Commerce(connection, self._clock).payments.with_charge(name, reference)
        if payment is None or payment.customer != customer:
            raise NotFound("charge", reference)
        attempt = next(one for one in payment.attempts if one.reference == reference)
        return SandboxCharge(payment, reference, attempt.return_url)

    def sandbox_confirm(self, customer: UUID, reference: str, *, approve: bool) -> SandboxCharge:
        """Confirm a charge, or refuse it; then send the browser to `return_url`.

        Raises:
            NotFound: the customer has no such charge, or the sandbox is not in use.
        """
        self.sandbox_charge(customer, reference)
        self._sandbox().complete_action(reference, approve=approve)
        self.collecting.changed(reference)
        return self.sandbox_charge(customer, reference)

    def _sandbox(self) -> Sandbox:
        if not isinstance(self.provider, Sandbox):
            raise NotFound("payment provider", Sandbox.NAME, f"{self.provider.name} is in use")
        return self.provider

    def _account(self, customer: UUID) -> tuple[Account, str]:
        """Return a customer's account at the provider, made when first needed, and its currency."""
        with self._main.read() as connection:
            commerce = Commerce(connection, self._clock)
            who = commerce.parties.customer(customer)
            account = commerce.methods.account(customer, self.provider.name)
            seller = commerce.parties.seller_named(DEFAULT_SELLER)
        currency = who.billing_currency or (seller.home_currency if seller else None) or "USD"
        self._require_mode(who)
        if account is not None:
            return account, currency
        request = CustomerRequest(customer, who.details.name or who.name, who.mode)
        account = Account(customer, self.provider.name, self.provider.create_customer(request))
        with self._main.write() as connection:
            methods = Commerce(connection, self._clock).methods
            methods.save_account(account)
            kept = methods.account(customer, self.provider.name)
        return kept or account, currency

    def _require_mode(self, customer: Customer) -> None:
        if customer.mode is Mode.TEST and self.provider.moves_real_money:
            raise LiveProviderRefused(
                f"customer {customer.name!r} is of test mode, and {self.provider.name} takes real money; "
                "use the sandbox or a test key"
            )

    def _save_setup(self, setup: Setup) -> None:
        with self._main.write() as connection:
            Commerce(connection, self._clock).methods.save_setup(setup)

    def _setup_of(self, customer: UUID, setup: UUID) -> Setup:
        with self._main.read() as connection:
            found = Commerce(connection, self._clock).methods.setup(setup)
        if found is None or found.customer != customer or found.provider != self.provider.name:
            raise NotFound("card setup", str(setup))
        return found

    def _finish(self, setup: Setup) -> PaymentMethod | None:
        if setup.reference is None:
            return None
        if setup.method is not None:
            with self._main.read() as connection:
                return Commerce(connection, self._clock).methods.get(setup.method)
        result = self.provider.setup_result(setup.reference)
        with self._main.write() as connection:
            methods = Commerce(connection, self._clock).methods
            if result.method is None:
                methods.save_setup(replace(setup, status=result.status))
                return None
            method = methods.add(setup.customer, setup.provider, result.method, self._clock.now())
            methods.save_setup(replace(setup, status=SetupStatus.COMPLETE, method=method.id))
        return method


def open_provider(settings: Settings, clock: Clock) -> PaymentProvider:
    """Make the payment provider that the settings choose.

    Raises:
        InvalidInput: there is no such provider, or a setting of it is missing.
    """
    name = settings.payment_provider
    prefix = f"{name}_"
    values = {
        field.removeprefix(prefix): str(value)
        for field, value in settings.model_dump(exclude_none=True).items()
        if field.startswith(prefix)
    }
    timeout = timedelta(seconds=settings.payment_timeout_seconds)
    return open_vendor(name, Options(settings.data_dir, clock, timeout, values))


def check_options(settings: Settings) -> None:
    """Refuse settings with which payments could not start: a supervisor would try again and again.

    Raises:
        InvalidInput: names the setting.
    """
    provider = open_provider(settings, SystemClock())
    for setting, on, capability in (
        ("TOLLWAY_PAYMENT_USAGE_EXPORT", settings.payment_usage_export, Capability.USAGE_EXPORT),
        ("TOLLWAY_PAYMENT_ITEM_MIRROR", settings.payment_item_mirror, Capability.ITEM_MIRROR),
    ):
        if on and capability not in provider.capabilities:
            raise InvalidInput(setting, f"{provider.name} can't do that", "unset it, or use stripe")


def open_payments(main: Database, settings: Settings, clock: Clock) -> Payments:
    """Wire payments over a main database that is open and up to date."""
    timeout = timedelta(seconds=settings.payment_timeout_seconds)
    return Payments(main, open_provider(settings, clock), clock, timeout=timeout)


def _own(methods: Iterable[PaymentMethod], wanted: UUID) -> PaymentMethod:
    for method in methods:
        if method.id == wanted:
            return method
    raise NotFound("payment method", str(wanted))


def _state(invoice: UUID, total: int, payment: Payment | None) -> InvoicePayment:
    if payment is None:
        return InvoicePayment(invoice=invoice, paid=total <= 0, due=max(0, total))
    paid = payment.status.paid
    return InvoicePayment(
        invoice=invoice,
        paid=paid,
        due=0 if paid else payment.amount,
        status=payment.status,
        message=reason_for_customer(payment),
        action_url=None if payment.last is None else payment.last.action_url,
        payment=payment.id,
    )
