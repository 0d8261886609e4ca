"""`make screenshots`: the pictures in docs/images, taken from the shop that `make serve` opens."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import structlog
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from demo.shop.history import write_history
from demo.shop.people import OPERATOR, PASSWORD
from demo.stack import Stack, start

_FOLDER = Path(__file__).parents[1] / "docs" / "images"
_SIZE = (1280, 860)
_CUSTOMER = "owner@paper-planes.example"
_UPGRADING = "owner@delta-dispatch.example"  # in the middle of its period
_COLOURS = 96
_LARGEST = 150_000


def main() -> None:
    """Open the shop, take the pictures, close it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    def before(stack: Stack) -> None:
        write_history(stack.settings, stack.upstream_url, lambda: None)

    with start(before) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        width, height = _SIZE
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce"
        )
        context.set_default_timeout(60_000)
        _portal(context.new_page(), stack.url("portal"))
        _console(context.new_page(), stack.url("console"))
        browser.close()


def _portal(page: Page, url: str) -> None:
    page.goto(url)
    _take(page, "landing")
    _sign_in(page, url, _CUSTOMER)
    page.goto(f"{url}/reference/get-city")
    page.get_by_label("id", exact=True).fill("2950159")
    page.get_by_role("button", name="Send request").click()
    page.locator("#answer header").wait_for()
    _take(page, "try-it")
    page.goto(f"{url}/usage")
    _take(page, "usage")
    page.context.clear_cookies()
    _sign_in(page, url, _UPGRADING)
    page.goto(f"{url}/billing/change?plan=scale")
    _take(page, "preview")


def _console(page: Page, url: str) -> None:
    _sign_in(page, url, OPERATOR)
    page.goto(url)
    _take(page, "console")
    page.goto(f"{url}/customers?q=paper")
    page.get_by_role("link", name="Paper Planes Travel").first.click()
    page.wait_for_url("**/customers/*")
    _take(page, "customer")


def _sign_in(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/sign-in" not in address)


def _take(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    path = _FOLDER / f"{name}.png"
    picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    assert size <= _LARGEST, f"{path} has {size:,} bytes"
    print(f"{path}  {size:,} bytes")


if __name__ == "__main__":
    main()
