"""The repositories of catalog, billing and ledger over one transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from tollway.kernel.clock import Clock
from tollway.storage.catalog import SqlCatalog
from tollway.storage.directory import SqlDirectory
from tollway.storage.inbox import SqlInbox
from tollway.storage.insight import SqlRevenue
from tollway.storage.invoices import SqlInvoices, SqlNumberSeries
from tollway.storage.ledger import SqlJournal
from tollway.storage.listings import SqlListings
from tollway.storage.parties import SqlParties
from tollway.storage.payment_methods import SqlMethods
from tollway.storage.payments import SqlPayments
from tollway.storage.subscriptions import SqlSubscriptions
from tollway.storage.usage_reports import SqlUsageReports

__all__ = ["Commerce"]


class Commerce:
    """Make one of it per transaction: what is done through it is committed or undone together."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.catalog = SqlCatalog(connection)
        self.parties = SqlParties(connection, clock)
        self.subscriptions = SqlSubscriptions(connection)
        self.invoices = SqlInvoices(connection)
        self.numbers = SqlNumberSeries(connection)
        self.journal = SqlJournal(connection, clock)
        self.directory = SqlDirectory(connection)
        self.revenue = SqlRevenue(connection)
        self.methods = SqlMethods(connection)
        self.payments = SqlPayments(connection)
        self.inbox = SqlInbox(connection)
        self.usage_reports = SqlUsageReports(connection)
        self.listings = SqlListings(connection, clock)
