"""How the demo speaks: numbered sections, aligned facts, tables, progress that suits where it is shown."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = ["Narrator"]

_PLAIN_WIDTH = 100
_INDENT = "   "
_LONG = 5000


class Narrator:
    """Tells the story on standard output: live bars on a terminal, plain lines anywhere else."""

    def __init__(self, console: Console | None = None) -> None:
        """Speak on `console`, by default standard output, at a fixed width where that is no terminal."""
        plain = Console()
        self._console = console or (plain if plain.is_terminal else Console(width=_PLAIN_WIDTH))
        self._sections = 0
        self._began = time.monotonic()
        self._after_gap = True

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def title(self, text: str) -> None:
        """Open the story."""
        self._line(Text(text, style="bold"))
        self._gap()

    def section(self, name: str) -> None:
        """Begin a part of the story."""
        self._sections += 1
        self._gap()
        self._line(Text.assemble((f"{self._sections}", "bold cyan"), "  ", (name, "bold")))

    def say(self, text: str) -> None:
        """Tell one fact."""
        self._line(Text(_INDENT + text))

    def conclude(self, text: str) -> None:
        """Tell the last line, as it stands."""
        self._gap()
        self._line(Text(text))

    def facts(self, *pairs: tuple[str, str]) -> None:
        """Tell facts in two aligned columns."""
        width = max(len(name) for name, _ in pairs)
        for name, value in pairs:
            self.say(f"{name:<{width}}  {value}")

    def command(self, text: str) -> None:
        """Show a command that does what comes next, or that is to be tried."""
        self._line(Text(f"{_INDENT}$ {text}", style="dim"))

    def quote(self, text: str) -> None:
        """Show what a command printed, as it printed it."""
        for line in text.strip("\n").splitlines():
            self._line(Text(f"{_INDENT}{line}".rstrip()))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
        """Show a table whose first `left` columns are words and whose others are numbers."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number < left else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._gap()
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self._line(Text.from_ansi(f"{_INDENT}{line}".rstrip()))
        self._gap()

    def _line(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)
        self._after_gap = not line.plain

    def _gap(self) -> None:
        """Leave one line free, however often it is asked for."""
        if not self._after_gap:
            self._line(Text())

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show that something takes its time, and then how long it took."""
        began = time.monotonic()
        spinner = self._console.status(what) if self._console.is_terminal else contextlib.nullcontext()
        with spinner:
            yield
        self.say(f"{what}, {time.monotonic() - began:.0f} s")

    @contextlib.contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show how far something is; call what is yielded once for each step."""
        if self._console.is_terminal:
            with self._live_bar(what, total) as step:
                yield step
        else:
            with self._plain_lines(what, total) as step:
                yield step

    @contextlib.contextmanager
    def _live_bar(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        columns = (
            TextColumn(_INDENT + "{task.description}"),
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)

    @contextlib.contextmanager
    def _plain_lines(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        done, began = 0, time.monotonic()

        def step() -> None:
            nonlocal done
            done += 1
            if done == total or (total >= _LONG and done % (total // 4) == 0):
                self.say(f"{done:,} of {total:,} {what}, {time.monotonic() - began:.0f} s")

        yield step
