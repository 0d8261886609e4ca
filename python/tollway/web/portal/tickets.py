"""Help: an organisation's tickets, asking, answering, closing."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.accounts.models import SignedIn
from tollway.kernel.errors import InvalidInput
from tollway.support.models import Author, Side, Ticket, TicketStatus
from tollway.support.service import SUBJECT_LIMIT, TEXT_LIMIT
from tollway.web.portal.context import Portal
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.markdown import message_html
from tollway.web.ui.paging import page_number
from tollway.web.ui.routing import Routes

__all__ = ["STATUS_WORDS", "add_pages"]

_ON_A_PAGE = 25

STATUS_WORDS = {
    TicketStatus.OPEN: ("Waits for us", "brand"),
    TicketStatus.ANSWERED: ("Answered", "good"),
    TicketStatus.CLOSED: ("Closed", ""),
}
"""What a customer reads for each status, and the badge's kind."""


def add_pages(routes: Routes, portal: Portal) -> None:
    """Register the pages."""
    pages = _Pages(portal)
    routes.get("/tickets", pages.listing, access=Access.SIGNED_IN)
    routes.get("/tickets/new", pages.new, access=Access.SIGNED_IN)
    routes.post("/tickets/new", pages.ask, access=Access.SIGNED_IN)
    routes.get("/tickets/{ticket}", pages.thread, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}", pages.reply, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}/close", pages.close, access=Access.SIGNED_IN)
    routes.post("/tickets/{ticket}/reopen", pages.reopen, access=Access.SIGNED_IN)
    routes.nav("Help", "/tickets", order=70)


class _Pages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._site = portal.site
        self._desk = portal.helpdesk

    def listing(self, request: Request) -> Response:
        organisation = self._portal.member(request).organisation.id
        number = page_number(request)
        found = self._desk.page(
            organisation=organisation, limit=_ON_A_PAGE + 1, skip=(number - 1) * _ON_A_PAGE
        )
        return self._site.render(
            request,
            "account/tickets.html",
            tickets=found[:_ON_A_PAGE],
            words=STATUS_WORDS,
            number=number,
            more=len(found) > _ON_A_PAGE,
        )

    def new(self, request: Request) -> Response:
        form = Form(request, subject=request.query_params.get("subject", "")[:SUBJECT_LIMIT])
        return self._site.render(request, "account/ticket_new.html", form=form)

    def ask(self, request: Request) -> Response:
        form = Form(request)
        member = self._portal.member(request)
        subject = form.text("subject", longest=SUBJECT_LIMIT)
        text = form.text("text", longest=TEXT_LIMIT, lines=True)
        if form.ok:
            try:
                ticket = self._desk.ask(member.organisation.id, _author(member), subject, text)
            except InvalidInput as error:
                form.fault(error)
            else:
                return self._site.redirect(
                    f"/tickets/{ticket.id}", flash="Sent. You get a mail when it is answered."
                )
        return self._site.render(request, "account/ticket_new.html", status=form.status, form=form)

    def thread(self, request: Request, ticket: UUID) -> Response:
        organisation = self._portal.member(request).organisation.id
        return self._shown(request, self._desk.ticket(ticket, organisation=organisation), Form(request))

    def reply(self, request: Request, ticket: UUID) -> Response:
        member = self._portal.member(request)
        organisation = member.organisation.id
        form = Form(request)
        text = form.text("text", longest=TEXT_LIMIT, lines=True)
        if form.ok:
            try:
                self._desk.reply(ticket, _author(member), text, organisation=organisation)
            except InvalidInput as error:
                form.fault(error)
            else:
                return self._site.redirect(f"/tickets/{ticket}#last", flash="Sent.")
        return self._shown(request, self._desk.ticket(ticket, organisation=organisation), form)

    def close(self, request: Request, ticket: UUID) -> Response:
        self._desk.close(ticket, organisation=self._portal.member(request).organisation.id)
        return self._site.redirect(f"/tickets/{ticket}", flash="Ticket closed.")

    def reopen(self, request: Request, ticket: UUID) -> Response:
        self._desk.reopen(ticket, organisation=self._portal.member(request).organisation.id)
        return self._site.redirect(f"/tickets/{ticket}", flash="Ticket opened again.")

    def _shown(self, request: Request, ticket: Ticket, form: Form) -> Response:
        return self._site.render(
            request,
            "account/ticket.html",
            status=form.status,
            ticket=ticket,
            messages=[(message, message_html(message.text)) for message in ticket.messages],
            words=STATUS_WORDS,
            form=form,
        )


def _author(member: SignedIn) -> Author:
    return Author(Side.CUSTOMER, member.user.id, member.user.email)
