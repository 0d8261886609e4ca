"""Opens the shop: writes its past, starts everything, and says who may sign in where."""

from __future__ import annotations

import contextlib
import logging
import signal

import structlog

from demo.narrator import Narrator
from demo.shop.cast import DAYS
from demo.shop.history import Shown, write_history
from demo.shop.people import OPERATOR, PASSWORD, address_of
from demo.stack import Stack, start

__all__ = ["keep_open"]

_PRESENTED = ("paper-planes", "tram-and-train", "little-atlas")


def keep_open(narrator: Narrator) -> int:
    """Open the shop, and keep it open until Ctrl-C."""
    # Three months of invoices and payments have much to say that nobody asked for.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    narrator.title("Tollway: a shop that has been selling the Atlas API for three months.")
    firms: list[Shown] = []

    def before(stack: Stack) -> None:
        with narrator.progress("days of the past", DAYS + 1) as step:
            firms.extend(write_history(stack.settings, stack.upstream_url, step))

    with start(before) as stack:
        _introduce(narrator, stack, firms)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


def _introduce(narrator: Narrator, stack: Stack, firms: list[Shown]) -> None:
    narrator.section("Open in a browser, until Ctrl-C")
    narrator.facts(
        ("portal", f"{stack.url('portal')}  what customers see; sign up, or sign in as one of them"),
        ("console", f"{stack.url('console')}  what the seller sees"),
        ("gateway", stack.url("proxy")),
        ("Admin API", stack.url("admin")),
    )
    narrator.section("Sign in")
    presented = [shown for shown in firms if shown.firm.slug in _PRESENTED]
    narrator.table(
        ("where", "as", "password", "who"),
        [
            ("console", OPERATOR, PASSWORD, "the seller"),
            *(("portal", address_of(shown.firm), PASSWORD, shown.firm.name) for shown in presented),
        ],
        left=4,
    )
    narrator.say(f"Mails of this shop are files in {stack.folder / 'data' / 'mail'}")
    narrator.section("Try")
    proxy, key = stack.url("proxy"), presented[0].key
    narrator.command(f"curl -i -H 'apikey: {key}' '{proxy}/v1/countries/IE'")
    narrator.command(
        f"curl -i -H 'apikey: {key}' '{proxy}/v1/downloads/cities.csv'    # not in the plan: 403"
    )
