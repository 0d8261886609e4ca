"""Signing up and in as a person does it, in Chromium; each page on the way is looked at by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import Tab, served
from tests.support.street import Street


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


def test_from_the_form_to_the_account(tab: Tab, street: Street) -> None:
    with served(street.app) as url:
        page = tab.open(f"{url}/sign-up")
        tab.check("sign-up")
        page.get_by_role("button", name="Sign up").click()
        tab.check("sign-up-faults")
        page.get_by_label("Organisation").fill("Meridian Freight")
        page.get_by_label("E-mail").fill("ines@meridian.example")
        page.get_by_label("Password").fill("a short sentence")
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Sign up").click()
        page.wait_for_url("**/check-mail")
        tab.check("check-mail")
        page.goto(url + street.mail_link())
        tab.check("confirm")
        page.get_by_role("button", name="Confirm and sign in").click()
        page.wait_for_url("**/start")
        tab.check("start")
        page.get_by_role("radio").nth(1).check()
        page.get_by_role("button", name="Start with this plan").click()
        page.get_by_role("heading", name="Make your first call").wait_for()
        tab.check("first-call")
        page.goto(f"{url}/keys")
        tab.check("keys")
        page.get_by_role("link", name="Rotate…").click()
        tab.check("key-rotate")
        page.get_by_text("In a day").click()
        page.get_by_role("button", name="Rotate key").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        tab.check("key-rotated")
        page.goto(f"{url}/keys")
        page.get_by_role("link", name="Revoke…").first.click()
        tab.check("key-revoke")
        page.get_by_role("button", name="Revoke key").click()
        page.wait_for_url("**/keys")
        tab.check("keys-revoked")
        page.goto(f"{url}/account")
        tab.check("account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{url}/")
        page.goto(f"{url}/sign-in")
        tab.check("sign-in")
        page.goto(f"{url}/reset-password")
        tab.check("reset-password")
        page.goto(f"{url}/confirm?token=unknown")
        tab.check("link-unusable")
        page.goto(f"{url}/nowhere")
        tab.check("not-found")
