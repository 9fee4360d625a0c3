"""Gives commands a console to print tables to, a bar for rows, and a log that is not in the way."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


def wide(columns: int) -> Console:
    """Return standard output; what is no terminal, as a file, has room for ``columns`` at least."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, columns)
    return console


@contextmanager
def counting(name: str) -> Iterator[Callable[[int, float], None]]:
    """Show a bar on a terminal, and nothing elsewhere.

    It is told the rows so far, and the share of the whole that they are; 0 where that is unknown.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=None, rows=0)

        def progress(rows: int, done: float) -> None:
            bars.update(bar, rows=rows, completed=done, total=1.0 if done else None)

        yield progress


def log_for_whoever_watches() -> None:
    """Send warnings to a person, who sees what came of it; where nobody watches, the log tells."""
    import structlog

    from service import logs

    logs.configure()
    if sys.stderr.isatty():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
