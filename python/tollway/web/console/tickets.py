"""Tickets as operators work on them: the queue, a thread, answering, closing."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.kernel.errors import InvalidInput
from tollway.support.models import Author, Side, Ticket, TicketStatus
from tollway.support.service import TEXT_LIMIT
from tollway.web.console.context import Console
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.markdown import message_html
from tollway.web.ui.paging import page_number
from tollway.web.ui.routing import Routes

__all__ = ["add_pages"]

_ON_A_PAGE = 50

_WORDS = {
    TicketStatus.OPEN: ("Waits for us", "warn"),
    TicketStatus.ANSWERED: ("Answered", "good"),
    TicketStatus.CLOSED: ("Closed", ""),
}


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/tickets", pages.queue, access=Access.SIGNED_IN)
    routes.get("/tickets/{ticket}", pages.thread, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}", pages.answer, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}/close", pages.close, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}/reopen", pages.reopen, access=Access.SIGNED_IN)
    routes.nav("Tickets", "/tickets", order=25, group="Business")


class _Pages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._site = console.site
        self._tickets = console.tickets

    def queue(self, request: Request, status: str = "open") -> Response:
        chosen = TicketStatus(status) if status in set(TicketStatus) else None
        number = page_number(request)
        found = self._tickets.page(status=chosen, limit=_ON_A_PAGE + 1, skip=(number - 1) * _ON_A_PAGE)
        return self._site.render(
            request,
            "console/tickets.html",
            tickets=found[:_ON_A_PAGE],
            owners=self._console.owners.organisations([ticket.organisation for ticket in found]),
            chosen=chosen,
            counts=self._tickets.counts(),
            words=_WORDS,
            number=number,
            more=len(found) > _ON_A_PAGE,
        )

    def thread(self, request: Request, ticket: UUID) -> Response:
        return self._shown(request, self._tickets.ticket(ticket), Form(request))

    def answer(self, request: Request, ticket: UUID) -> Response:
        operator = self._console.operator(request).operator
        form = Form(request)
        text = form.text("text", longest=TEXT_LIMIT, lines=True)
        if form.ok:
            try:
                self._tickets.reply(ticket, Author(Side.OPERATOR, operator.id, operator.name), text)
            except InvalidInput as error:
                form.fault(error)
            else:
                return self._site.redirect(
                    f"/tickets/{ticket}#last", flash="Sent. The customer gets it by mail too."
                )
        return self._shown(request, self._tickets.ticket(ticket), form)

    def close(self, request: Request, ticket: UUID) -> Response:  # noqa: ARG002
        self._tickets.close(ticket)
        return self._site.redirect("/tickets", flash="Ticket closed.")

    def reopen(self, request: Request, ticket: UUID) -> Response:  # noqa: ARG002
        self._tickets.reopen(ticket)
        return self._site.redirect(f"/tickets/{ticket}", flash="Ticket opened again.")

    def _shown(self, request: Request, ticket: Ticket, form: Form) -> Response:
        return self._site.render(
            request,
            "console/ticket.html",
            status=form.status,
            ticket=ticket,
            owner=self._console.owners.organisations([ticket.organisation]).get(ticket.organisation),
            messages=[(message, message_html(message.text)) for message in ticket.messages],
            words=_WORDS,
            form=form,
        )
