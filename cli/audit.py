"""``recsys audit``: who changed what by hand, and when."""

import dataclasses
import getpass
import time
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import times

if TYPE_CHECKING:
    from data.audit import Actor


def actor() -> "Actor":
    """Return who types, for the audit log."""
    from data.audit import Actor

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run as somebody without a name
        user = "unknown"
    return Actor(f"command line ({user})")


def audit(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="Only from a time on (ISO 8601), or from a span ago, as 24h or 7d.")
    ] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Tell who changed what by hand, newest first.

    Rules made and undone, keys made, rotated and revoked, bundles rolled back,
    articles taken down, readers erased (not which), and who came to the desk.

    \b
      recsys audit                  the last fifty changes
      recsys audit --since 7d       those of the last seven days
      recsys audit --since 2026-11-24T06:00 --json
    """
    from data.audit import entries
    from data.store import Store

    now = int(time.time())
    begin = 0
    if since:
        ago = since[:1].isdigit() and since[-1:] in times.UNITS
        begin = now - times.span(since, "--since") if ago else times.moment(since, "--since", now)
    with Store.open(context.obj.store_url) as store:
        found = entries(store, most, since=begin)
    if json:
        typer.echo(orjson.dumps([dataclasses.asdict(entry) for entry in found]).decode())
        return
    table = Table("when (UTC)", "who", "what", "on", "detail")
    for entry in found:
        who = f"{entry.actor} [{entry.key}]" if entry.key else entry.actor
        detail = orjson.dumps(entry.detail).decode() if entry.detail else ""
        words = (who, entry.action, entry.subject, detail)
        table.add_row(times.shown(entry.at), *(Text(word, overflow="fold") for word in words))
    Console(highlight=False).print(table if found else "Nothing has been changed by hand.")
