"""``recsys visitors``: what is held of one reader, and how to forget them."""

import dataclasses
import time
from typing import Annotated

import orjson
import typer

from cli.audit import actor
from cli.setup import Setup

app = typer.Typer(help="What is held of one reader: show it, erase it.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The id under which the publisher knows the reader.")]


@app.command(epilog="Example: recsys visitors show reader-17 > reader-17.json")
def show(context: typer.Context, id: Id) -> None:
    """Print everything that is held of a reader, as JSON."""
    from data.store import Store

    setup: Setup = context.obj
    visitor = setup.load_keyring().visitor(id)
    with Store.open(setup.store_url) as store:
        events = [dataclasses.asdict(event) for event in store.held(visitor)]
    for event in events:
        event["kind"] = event["kind"].name.lower()
        event["site"], event["key"] = event.pop("article")
    typer.echo(
        orjson.dumps({"visitor": visitor, "events": events}, option=orjson.OPT_INDENT_2).decode()
    )


@app.command()
def erase(
    context: typer.Context,
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Delete a reader's events for good; no later bundle knows of them.

    Running services forget the reader within a second or two, whatever their
    bundle holds. Importing an old file again does not bring the reader back.
    """
    from data.audit import record
    from data.store import Store

    setup: Setup = context.obj
    if not yes:
        typer.confirm(f"Erase everything of {id!r} for good?", abort=True)
    with Store.open(setup.store_url) as store:
        now, who = int(time.time()), actor()
        gone = store.erase(
            setup.load_keyring().visitor(id),
            now,
            # Who was erased is not written down: that would keep them.
            lambda connection: record(connection, who, "visitor.erase", "", now),
        )
    typer.echo(
        orjson.dumps({"events": gone}).decode() if json else f"erased; there were {gone} events"
    )
