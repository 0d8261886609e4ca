"""`python -m demo`: one story of real traffic, told once; with `serve`, a shop with a past, kept open."""

from __future__ import annotations

import argparse
import sys

from demo.narrator import Narrator
from demo.shop.open import keep_open
from demo.stack import StackError, start
from demo.story import Story
from demo.traffic import read_log


def main() -> int:
    """Run it; 1 where an answer or a book was not what it has to be."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve"], help="open the shop, until Ctrl-C")
    parser.add_argument("--lines", type=int, default=None, help="replay only the log's first lines")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the replay takes at least")
    options = parser.parse_args()
    try:
        if options.command == "serve":
            return keep_open(Narrator())
        return _tell(options.lines, options.seconds)
    except StackError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _tell(limit: int | None, seconds: float) -> int:
    lines, narrator = read_log(limit=limit), Narrator()
    narrator.title("Tollway sells an API: real traffic through the gateway, metered, priced, invoiced.")
    with start() as stack:
        narrator.facts(
            ("gateway", stack.url("proxy")),
            ("Admin API", stack.url("admin")),
            ("upstream", f"{stack.upstream_url}  the Atlas API: 34,006 cities, 252 countries (GeoNames)"),
        )
        story = Story(stack, narrator, lines, seconds)
        found = story.tell()
        right = found.agrees and not story.faults
        stack.keep = not right
        narrator.say(f"{narrator.elapsed:.0f} seconds from nothing to reconciled")
        narrator.conclude(found.verdict(story.limited))
        return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
