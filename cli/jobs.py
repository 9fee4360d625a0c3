"""``recsys job``: what a schedule runs with nobody watching."""

import time
from typing import Annotated

import orjson
import typer

from cli.setup import Setup

app = typer.Typer(help="Work for a schedule (cron, systemd): each runs once.", no_args_is_help=True)
DAY = 86_400


@app.callback()
def jobs() -> None:
    """Work for a schedule (cron, systemd): each runs once."""


@app.command(epilog="Example, in a crontab: 15 4 * * * recsys job retention --json")
def retention(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Delete events older than `[retention] days` (395 by default).

    It goes in small steps and may run while the service does. What bundles
    learned from them goes with the next training.
    """
    from data.store import Store

    setup: Setup = context.obj
    before = int(time.time() - setup.retention.days * DAY)
    with Store.open(setup.store_url) as store:
        gone = store.prune_events(before)
    typer.echo(
        orjson.dumps({"deleted": gone, "before": before}).decode()
        if json
        else f"deleted {gone:,} events older than {setup.retention.days:g} days"
    )
