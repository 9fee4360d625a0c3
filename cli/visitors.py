"""``recsys visitors``: what is held of one reader, and how to forget them."""

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

from cli import times
from cli.audit import actor
from cli.setup import Setup
from recsys.errors import ConfigError

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
    id: Annotated[
        str, typer.Argument(help="The id under which the publisher knows the reader.")
    ] = "",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Instead of one: all whom `recsys visitors erased --json` named in this file, or"
            " a backup knows to be erased.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Delete a reader's events for good; no later bundle knows of them.

    Running services forget the reader within a second or two, whatever their
    bundle holds. Importing an old file again does not bring the reader back.
    """
    from data import restore
    from data.audit import record
    from data.store import Store

    setup: Setup = context.obj
    if bool(id) == (source is not None):
        raise ConfigError("recsys visitors erase wants the id of one reader, or --from FILE")
    now, who = int(time.time()), actor()
    if source is not None:
        named = restore.erasures_in(source)
        if not yes:
            typer.confirm(f"Erase everything of {len(named)} readers for good?", abort=True)
        with Store.open(setup.store_url) as store:
            readers, gone = restore.erase(store, named, who, now)
        _tell({"readers": readers, "events": gone}, f"erased {readers} readers;", gone, json)
        return
    if not yes:
        typer.confirm(f"Erase everything of {id!r} for good?", abort=True)
    with Store.open(setup.store_url) as store:
        gone = store.erase(
            setup.load_keyring().visitor(id),
            now,
            # Who was erased is not written down: that would keep them.
            lambda connection: record(connection, who, "visitor.erase", "", now),
        )
    _tell({"events": gone}, "erased;", gone, json)


@app.command(epilog="Example: recsys visitors erased --since 2026-11-24T03:15 --json > erased.json")
def erased(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="Only from a time on (ISO 8601); all by default.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """List who was erased, by pseudonym: whoever restores a backup must forget them again.

    See recsys restore --erasures, and recsys visitors erase --from.
    """
    from data.restore import erased_in
    from data.store import Store

    setup: Setup = context.obj
    begin = times.moment(since, "--since", int(time.time())) if since else 0
    with Store.open(setup.store_url) as store:
        found = erased_in(store, begin)
    if json:
        typer.echo(orjson.dumps([dataclasses.asdict(one) for one in found]).decode())
        return
    for one in found:
        typer.echo(f"{one.visitor}  {times.shown(one.at)}")
    if not found:
        typer.echo("Nobody was erased.")


def _tell(told: dict[str, int], what: str, gone: int, json: bool) -> None:
    typer.echo(orjson.dumps(told).decode() if json else f"{what} there were {gone} events")
