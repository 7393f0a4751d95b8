"""Terminal output while the stack starts and works: numbered stages with their time, and a table at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


class Stages:
    """Prints "2/5 Prefect server ... 8.1 s", with a moving status where the terminal can show it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.number = 0

    @contextmanager
    def stage(self, title: str, live: bool = True) -> Iterator["Stage"]:
        """One numbered stage; its line gets a tick and the seconds, or a cross when it raises.

        ``live`` is for stages during which nothing else prints: a log line would break the moving status.
        """
        self.number += 1
        head = f"[bold]{self.number}/{self.total}[/] {title}"
        begin = time.monotonic()
        moving = console.status(head) if live and console.is_terminal else None
        if moving is None:
            console.print(head)
        with moving or nullcontext():
            stage = Stage(head, lambda text: moving.update(f"{head}  [dim]{text}[/]") if moving else None)
            try:
                yield stage
            except BaseException:
                console.print(f"[red]✗[/] {head}  {time.monotonic() - begin:.1f} s")
                raise
        notes = f"  {stage.note}" if stage.note else ""
        console.print(f"[green]✓[/] {head}  {time.monotonic() - begin:.1f} s{notes}")


class Stage:
    """Output of a stage: a status while it lasts (`now`), lines that stay (`line`), a closing note."""

    def __init__(self, head: str, show: Callable[[str], None]) -> None:
        self.head = head
        self.note = ""
        self.now = show

    def line(self, text: str) -> None:
        """Print a line that stays."""
        console.print(f"      {text}")


def summary_table(rows: Sequence[dict[str, Any]]) -> Table:
    """What each step made, from the pipeline's summary."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title="What each step made", title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in columns))
    return table
