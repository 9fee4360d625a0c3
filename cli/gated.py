"""Draws what the gate said of a bundle, wherever a command tells it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

Plain = Mapping[str, Any]
"""A verdict as ``training.verdict.plain`` makes it, and manifests and records of runs keep it."""


def checks(verdict: Plain) -> Table:
    """Return a table of everything that was looked at."""
    head = "value", "in service, usual", "difference (95 %)", "bound", ""
    table = Table(Column("check", no_wrap=True), *head)
    for column in table.columns[1:5]:
        column.justify = "right"
    for one in verdict["checks"]:
        interval = "" if one["low"] is None else f"{_number(one['low'])} to {_number(one['high'])}"
        figures = (_number(one["value"]), _number(one["against"]), interval, _number(one["bound"]))
        ok = "ok" if one["ok"] else "[red]no[/]"
        table.add_row(escape(one["name"]), *figures, ok)
    return table


def said(verdict: Plain) -> Iterator[str]:
    """Yield the verdict in sentences: what it is, why, and what must be known to read it."""
    if verdict["forced"]:
        why = f": {verdict['why']}" if verdict["why"] else ", and nobody said why"
        yield f"It did not pass and was forced by {verdict['by'] or 'somebody'}{why}."
    elif not verdict["champion"]:
        yield "There was nothing to hold it against."
    else:
        yield "It passed." if verdict["passed"] else "It is held, and nothing has changed."
    yield from verdict["reasons"]
    yield from verdict["notes"]


def _number(value: float | None) -> str:
    """Return a number in at most eight places."""
    if value is None:
        return ""
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.2f} M"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
