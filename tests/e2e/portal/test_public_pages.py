"""The public pages in Chromium: looked at by axe, used with and without scripts, within their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Tab, served
from tests.support.portal import Storefront
from tollway.accounts.models import SignedIn
from tollway.web.openapi.call import Call
from tollway.web.portal.ports.trial import TrialAnswer

_ROOT = Path(__file__).parents[3]
expect.set_options(timeout=20_000)  # a busy machine takes its time
_SWAGGER = 1_000_000  # packed, and loaded by a click alone


class _Gateway:
    """Takes the place of the gateway: answers with what it was asked."""

    def key(self, _member: SignedIn) -> str:
        return "key"

    def send(self, call: Call) -> TrialAnswer:
        status = 403 if call.target.endswith("/403") else 200
        body = (
            b'{"feature":"data_v2","addons":["extra"]}'
            if status == 403
            else f'{{"asked":"{call.target}"}}'.encode()
        )
        headers = (
            ("content-type", "application/json"),
            ("ratelimit", '"minute";r=998;t=41'),
            ("x-kong-request-id", "7f3c"),
        )
        return TrialAnswer(status, 17, headers, body, cut=False)


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storefront]:
    monkeypatch.setattr("tollway.app.portal.ProxyTrial", lambda *_, **__: _Gateway())
    catalog = (_ROOT / "demo/shop/catalog.yaml").read_text()
    front = Storefront(tmp_path, catalog=catalog, portal_dir=_ROOT / "demo/portal")
    yield front
    front.close()


def _sign_in(tab: Tab, front: Storefront, url: str) -> None:
    slug = front.join("Meridian Freight", "growth").organisation.slug
    tab.context.add_cookies([{"name": "tollway_portal_session", "value": slug, "url": url}])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/pricing",
        "/reference",
        "/reference/get-city",
        "/reference/look-up-cities",
        "/guides",
        "/guides/keys-and-limits",
        "/reference?q=city",
        "/explorer",
    ],
)
def test_pages_are_as_every_page_should_be(tab: Tab, front: Storefront, path: str) -> None:
    with served(front.app) as url:
        tab.open(f"{url}{path}")
        tab.check("learn-" + (path.strip("/").replace("/", "-").replace("?q=", "-search-") or "home"))


def test_the_slider_moves_the_price(tab: Tab, front: Storefront) -> None:
    with served(front.app) as url:
        page = tab.open(f"{url}/")
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("End")
        expect(page.locator("[data-volume]")).to_have_text("1,000,000")
        expect(slider).to_have_attribute("aria-valuetext", "1,000,000 calls")
        page.keyboard.press("Home")
        expect(page.locator("[data-volume]")).to_have_text("10")
        assert tab.complaints == []


def test_samples_change_language_in_place(tab: Tab, front: Storefront) -> None:
    with served(front.app) as url:
        page = tab.open(f"{url}/reference/get-city")
        page.get_by_role("link", name="Python").click()
        expect(page.locator("#sample")).to_contain_text("import requests")
        expect(page).to_have_url(f"{url}/reference/get-city?lang=python")
        assert tab.complaints == []


def test_a_call_is_tried_with_scripts(tab: Tab, front: Storefront) -> None:
    with served(front.app) as url:
        _sign_in(tab, front, url)
        page = tab.open(f"{url}/reference/get-city")
        page.get_by_label("id", exact=True).fill("12 / 3")
        page.get_by_role("button", name="Send request").click()
        expect(page.locator("#answer")).to_contain_text('"asked": "/v1/cities/12%20%2F%203"')
        tab.check("tried")
        page.get_by_label("id", exact=True).fill("403")
        page.get_by_role("button", name="Send request").click()
        expect(page.get_by_role("link", name="Add extra")).to_have_attribute("href", "/billing/add-ons/extra")
        tab.check("tried-refused")
        page.get_by_label("id", exact=True).fill("")
        page.get_by_role("button", name="Send request").click()
        expect(page.locator(".err")).to_contain_text("It is needed")
        tab.check("tried-fault")


def test_a_call_is_tried_without_scripts(chromium: Browser, front: Storefront) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = Tab(context)
    with served(front.app) as url:
        _sign_in(tab, front, url)
        page = tab.open(f"{url}/reference/look-up-cities")
        page.get_by_role("button", name="Send request").click()
        expect(page.locator("#answer")).to_contain_text('"asked": "/v1/cities/lookup"')
        page.goto(f"{url}/pricing")
        page.locator("#at").fill("1000")
        page.get_by_role("button", name="Work it out").click()
        expect(page.locator("[data-volume]")).to_have_text("1,000,000")
    context.close()


def test_the_explorer_calls_through_this_site(tab: Tab, front: Storefront) -> None:
    with served(front.app) as url:
        _sign_in(tab, front, url)
        page = tab.open(f"{url}/explorer")
        assert tab.script_bytes < 60_000
        page.get_by_role("button", name="Load the explorer").click()
        page.locator("#operations-Countries-getCountry").get_by_role("button").first.click()
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            # Swagger UI takes itself for a whole page, with a `main` and headings so: no failure of WCAG.
            found = [fault for fault in tab.faults() if not fault.startswith(("landmark-", "heading-order"))]
            assert found == [], theme
        page.get_by_role("button", name="Try it out").click()
        page.get_by_placeholder("code").fill("PT")
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table").first).to_contain_text("/v1/countries/PT")
        assert tab.script_bytes < _SWAGGER
        assert tab.foreign == []
        assert tab.complaints == []
