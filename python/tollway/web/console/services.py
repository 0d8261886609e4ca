"""Services and routes: all of them, and forms to make, change and delete one."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from tollway.web.console.context import Console
from tollway.web.console.formats import url_of
from tollway.web.console.ports.routing import (
    Guards,
    Refused,
    RouteDraft,
    RouteView,
    ServiceDraft,
    ServiceView,
)
from tollway.web.ui.access import Access
from tollway.web.ui.forms import Form
from tollway.web.ui.routing import Routes

__all__ = ["add_pages", "service_draft"]

_ONE_DAY_MS = 86_400_000


def add_pages(routes: Routes, console: Console) -> None:
    """Register the pages."""
    pages = _Pages(console)
    routes.get("/services", pages.listing, access=Access.SIGNED_IN)
    routes.get("/services/new", pages.new_service, access=Access.SIGNED_IN)
    routes.post("/services/new", pages.create_service, access=Access.SIGNED_IN)
    routes.get("/services/{service}", pages.service, access=Access.SIGNED_IN)
    routes.post("/services/{service}", pages.change_service, access=Access.SIGNED_IN)
    routes.get("/services/{service}/delete", pages.ask_service, access=Access.SIGNED_IN)
    routes.post("/services/{service}/delete", pages.delete_service, access=Access.SIGNED_IN)
    routes.get("/routes/new", pages.new_route, access=Access.SIGNED_IN)
    routes.post("/routes/new", pages.create_route, access=Access.SIGNED_IN)
    routes.get("/routes/{route}", pages.route, access=Access.SIGNED_IN)
    routes.post("/routes/{route}", pages.change_route, access=Access.SIGNED_IN)
    routes.get("/routes/{route}/delete", pages.ask_route, access=Access.SIGNED_IN)
    routes.post("/routes/{route}/delete", pages.delete_route, access=Access.SIGNED_IN)
    routes.nav("Services and routes", "/services", order=50, group="Gateway")


class _Pages:
    def __init__(self, console: Console) -> None:
        self._routing = console.routing
        self._site = console.site

    def listing(self, request: Request) -> Response:
        return self._site.render(request, "console/services.html", view=self._routing.shown())

    def new_service(self, request: Request) -> Response:
        form = Form(request, retries="5", connect="60000", read="60000", write="60000", enabled="1", keys="1")
        return self._service_page(request, form, None)

    def create_service(self, request: Request) -> Response:
        return self._save_service(request, None)

    def service(self, request: Request, service: UUID) -> Response:
        view = self._routing.service(service)
        return self._service_page(request, Form(request, **_service_fields(view)), view)

    def change_service(self, request: Request, service: UUID) -> Response:
        return self._save_service(request, self._routing.service(service))

    def ask_service(self, request: Request, service: UUID) -> Response:
        return self._delete_page(request, self._routing.service(service))

    def delete_service(self, request: Request, service: UUID) -> Response:
        view = self._routing.service(service)
        try:
            self._routing.delete_service(service)
        except Refused as refused:
            return self._delete_page(request, view, "; ".join(refused.faults.values()))
        return self._site.redirect("/services", flash=f"Service {view.service.name or service} deleted.")

    def new_route(self, request: Request, service: str = "") -> Response:
        form = Form(request, service=service, strip_path="1", keys="")
        return self._route_page(request, form, None)

    def create_route(self, request: Request) -> Response:
        return self._save_route(request, None)

    def route(self, request: Request, route: UUID) -> Response:
        view = self._routing.route(route)
        return self._route_page(request, Form(request, **_route_fields(view)), view)

    def change_route(self, request: Request, route: UUID) -> Response:
        return self._save_route(request, self._routing.route(route))

    def ask_route(self, request: Request, route: UUID) -> Response:
        view = self._routing.route(route)
        return self._site.render(request, "console/delete_route.html", view=view)

    def delete_route(self, request: Request, route: UUID) -> Response:  # noqa: ARG002
        view = self._routing.route(route)
        self._routing.delete_route(route)
        return self._site.redirect("/services", flash=f"Route {view.route.name or route} deleted.")

    def _save_service(self, request: Request, view: ServiceView | None) -> Response:
        form = Form(request)
        draft = service_draft(form)
        if form.ok:
            try:
                self._routing.save_service(None if view is None else view.service.id, draft)
            except Refused as refused:
                _note(form, refused, _SERVICE_FIELDS)
            else:
                return self._site.redirect("/services", flash=f"Service {draft.name} saved.")
        return self._service_page(request, form, view)

    def _save_route(self, request: Request, view: RouteView | None) -> Response:
        form = Form(request)
        draft = RouteDraft(
            name=form.text("name", longest=200, required=False),
            service=self._service_of(form),
            paths=_lines(form, "paths"),
            methods=[method.upper() for method in _lines(form, "methods")],
            hosts=_lines(form, "hosts"),
            strip_path=form.checked("strip_path"),
            preserve_host=form.checked("preserve_host"),
            guards=_guards(form),
        )
        if form.ok:
            try:
                self._routing.save_route(None if view is None else view.route.id, draft)
            except Refused as refused:
                _note(form, refused, _ROUTE_FIELDS)
            else:
                return self._site.redirect(
                    "/services", flash=f"Route {draft.name or 'without a name'} saved."
                )
        return self._route_page(request, form, view)

    def _service_of(self, form: Form) -> UUID | None:
        known = {str(one.service.id): one.service.id for one in self._routing.shown().services}
        return known[form.choice("service", list(known))] if known else None

    def _service_page(self, request: Request, form: Form, view: ServiceView | None) -> Response:
        return self._site.render(
            request,
            "console/service.html",
            status=form.status,
            form=form,
            view=view,
            features=self._routing.shown().features,
        )

    def _route_page(self, request: Request, form: Form, view: RouteView | None) -> Response:
        shown = self._routing.shown()
        return self._site.render(
            request,
            "console/route.html",
            status=form.status,
            form=form,
            view=view,
            services=[
                (str(one.service.id), one.service.name or str(one.service.id)) for one in shown.services
            ],
            features=shown.features,
        )

    def _delete_page(self, request: Request, view: ServiceView, problem: str | None = None) -> Response:
        return self._site.render(
            request,
            "console/delete_service.html",
            status=422 if problem else 200,
            view=view,
            problem=problem,
        )


# Set through the Admin API; a URL with another scheme may not go with them.
_TLS = ("client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates")
_SERVICE_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(_TLS, "url"),
    "host": "url",
    "port": "url",
    "path": "url",
    "protocol": "url",
    "connect_timeout": "connect",
    "read_timeout": "read",
    "write_timeout": "write",
    "config": "feature",
}
_ROUTE_FIELDS: Mapping[str, str] = {"": "paths", "config": "feature"}


def service_draft(form: Form) -> ServiceDraft:
    """Read a service's fields; what is wrong is noted in the form."""
    return ServiceDraft(
        name=form.text("name", longest=200),
        url=form.text("url", longest=2500),
        retries=form.whole("retries", least=0, most=32_767),
        connect_timeout=form.whole("connect", least=1, most=_ONE_DAY_MS),
        read_timeout=form.whole("read", least=1, most=_ONE_DAY_MS),
        write_timeout=form.whole("write", least=1, most=_ONE_DAY_MS),
        enabled=form.checked("enabled"),
        guards=_guards(form),
    )


def _guards(form: Form) -> Guards:
    return Guards(keys=form.checked("keys"), feature=form.text("feature", longest=100, required=False))


def _lines(form: Form, name: str) -> list[str]:
    text = form.text(name, longest=5_000, required=False, lines=True)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _note(form: Form, refused: Refused, fields: Mapping[str, str]) -> None:
    """Put what the gateway would refuse beside the field that it is about."""
    for field, sentence in refused.faults.items():
        told = f"{field}: {sentence}" if field in _TLS else sentence
        form.fail(fields.get(field, field) or "name", f"The gateway would refuse this: {told}.")


def _service_fields(view: ServiceView) -> dict[str, str]:
    service, guards = view.service, view.placed.guards
    return {
        "name": service.name or "",
        "url": url_of(service),
        "retries": str(service.retries),
        "connect": str(service.connect_timeout),
        "read": str(service.read_timeout),
        "write": str(service.write_timeout),
        "enabled": "1" if service.enabled else "",
        "keys": "1" if guards.keys else "",
        "feature": guards.feature,
    }


def _route_fields(view: RouteView) -> dict[str, str]:
    route, guards = view.route, view.placed.guards
    return {
        "name": route.name or "",
        "service": "" if route.service_id is None else str(route.service_id),
        "paths": "\n".join(route.paths or ()),
        "methods": "\n".join(route.methods or ()),
        "hosts": "\n".join(route.hosts or ()),
        "strip_path": "1" if route.strip_path else "",
        "preserve_host": "1" if route.preserve_host else "",
        "keys": "1" if guards.keys else "",
        "feature": guards.feature,
    }
