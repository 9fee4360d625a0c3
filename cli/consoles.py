"""Gives commands a console to print tables to."""

from rich.console import Console


def wide(columns: int) -> Console:
    """Return standard output; what is no terminal, as a file, has room for ``columns`` at least."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, columns)
    return console
