"""Gives commands a console to print tables to, and a log that does not get in its way."""

import logging
import sys

from rich.console import Console


def wide(columns: int) -> Console:
    """Return standard output; what is no terminal, as a file, has room for ``columns`` at least."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, columns)
    return console


def log_for_whoever_watches() -> None:
    """Send warnings to a person, who sees what came of it; where nobody watches, the log tells."""
    import structlog

    from service import logs

    logs.configure()
    if sys.stderr.isatty():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
