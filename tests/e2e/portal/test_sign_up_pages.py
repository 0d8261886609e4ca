"""Signing up and in as a person does it, in Chromium; each page on the way is looked at by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import Tab, served
from tests.support.portal import Visitor
from tests.support.street import PASSWORD, Street


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


def test_from_the_form_to_the_plan(tab: Tab, street: Street) -> None:
    with served(street.app) as url:
        page = tab.open(f"{url}/sign-up")
        tab.check("sign-up")
        page.get_by_role("button", name="Sign up").click()
        page.get_by_text("4 things to mend").wait_for()
        tab.check("sign-up-faults")
        page.get_by_label("Organisation").fill("Meridian Freight")
        page.get_by_label("E-mail").fill("ines@meridian.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Sign up").click()
        page.wait_for_url("**/check-mail")
        tab.check("check-mail")
        page.goto(url + street.mail_link())
        tab.check("confirm")
        page.get_by_role("button", name="Confirm and sign in").click()
        page.wait_for_url("**/start")
        tab.check("start")
        page.goto(f"{url}/account")
        tab.check("account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{url}/")


def test_keys(tab: Tab, street: Street) -> None:
    owner = street.signed_up()
    with served(street.app) as url:
        page = _signed_in(tab, owner, f"{url}/start")
        page.get_by_role("radio").nth(1).check()
        page.get_by_role("button", name="Start with this plan").click()
        page.get_by_role("heading", name="Make your first call").wait_for()
        tab.check("first-call")
        page.goto(f"{url}/keys")
        tab.check("keys")
        page.get_by_role("link", name="Rotate…").click()
        page.get_by_role("heading", name="Rotate the key").wait_for()
        tab.check("key-rotate")
        page.get_by_text("In a day").click()
        page.get_by_role("button", name="Rotate key").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        tab.check("key-rotated")
        page.goto(f"{url}/keys")
        page.get_by_role("link", name="Revoke…").first.click()
        page.get_by_role("heading", name="Revoke the key").wait_for()
        tab.check("key-revoke")
        page.get_by_role("button", name="Revoke key").click()
        page.get_by_text("is revoked").wait_for()
        tab.check("keys-revoked")


def test_pages_on_the_way_back_in(tab: Tab, street: Street) -> None:
    with served(street.app) as url:
        for name in ("sign-in", "reset-password", "confirm?token=unknown", "nowhere"):
            tab.open(f"{url}/{name}")
            tab.check(name.partition("?")[0] + ("-unusable" if "?" in name else ""))


def test_without_scripts_everything_works_and_nothing_that_needs_them_is_shown(
    chromium: Browser, street: Street
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = Tab(context)
    with served(street.app) as url:
        page = _signed_in(tab, street.signed_up(), f"{url}/start")
        page.get_by_role("radio").first.check()
        page.get_by_role("button", name="Start with this plan").click()
        page.get_by_role("heading", name="Make your first call").wait_for()
        page.get_by_role("button", name="Copy key").wait_for(state="hidden")
        page.get_by_role("link", name="Look whether it has arrived").click()
        page.get_by_text("Waiting for your first call").wait_for()
        assert tab.script_bytes == 0
    context.close()


def _signed_in(tab: Tab, visitor: Visitor, url: str) -> Page:
    """Open a page with a visitor's session."""
    session = visitor.client.cookies["tollway_portal_session"]
    tab.context.add_cookies([{"name": "tollway_portal_session", "value": session, "url": url}])
    return tab.open(url)
