"""`python -m demo`: the story once, or with `serve` kept running until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys

from demo.narrator import Narrator
from demo.stack import Stack, StackError, start
from demo.story import Story
from demo.traffic import read_log


def main() -> int:
    """Tell the story; 1 where an answer or a book was not what it has to be."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve"], help="keep everything running afterwards")
    parser.add_argument("--lines", type=int, default=None, help="replay only the log's first lines")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the replay takes at least")
    options = parser.parse_args()
    lines, narrator = read_log(limit=options.lines), Narrator()
    narrator.title("Tollway sells an API: real traffic through the gateway, metered, priced, invoiced.")
    try:
        with start() as stack:
            narrator.facts(
                ("gateway", stack.url("proxy")),
                ("Admin API", stack.url("admin")),
                ("upstream", f"{stack.upstream_url}  the Atlas API: 34,006 cities, 252 countries (GeoNames)"),
            )
            story = Story(stack, narrator, lines, options.seconds)
            found = story.tell()
            right = found.agrees and not story.faults
            stack.keep = not right
            narrator.say(f"{narrator.elapsed:.0f} seconds from nothing to reconciled")
            narrator.conclude(found.verdict(story.limited))
            if options.command == "serve":
                with contextlib.suppress(KeyboardInterrupt):
                    _keep_running(stack, story, narrator)
            return 0 if right else 1
    except StackError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _keep_running(stack: Stack, story: Story, narrator: Narrator) -> None:
    """Say what to try, and wait for Ctrl-C."""
    narrator.section("Running until Ctrl-C; try")
    for plan, consumer in story.one_of_each_plan():
        narrator.facts((f"{plan} key", f"{story.keys[consumer]}  ({consumer})"))
    key = story.keys[story.one_of_each_plan()[-1][1]]
    proxy, admin = stack.url("proxy"), stack.url("admin")
    for text in (
        f"curl -i -H 'apikey: {key}' '{proxy}/v1/nearest?lat=48.85&lon=2.35'",
        f"curl -i '{proxy}/v1/states'    # no key: 401",
        f"curl '{admin}/consumers?size=3'",
    ):
        narrator.command(text)
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
