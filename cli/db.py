"""``recsys db``: looks after the database of the store."""

import dataclasses
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from cli.setup import Setup

app = typer.Typer(
    help="Look after the database: its schema, its soundness, moving to another one.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def migrate(context: typer.Context, json: Json = False) -> None:
    """Bring the schema up to date, and tell from which revision to which.

    Every command does that by itself when it opens the store, and of several
    that start at once one does it while the others wait. Doing it before a new
    version starts shortens its start: a large store may take minutes.

    \b
      recsys db migrate
      recsys --config staging.toml db migrate --json
    """
    from data import database

    setup: Setup = context.obj
    engine = database.connect(setup.store_url, migrating=False)
    try:
        before = database.revision(engine)
        with database.readable_errors(engine):
            database.migrate(engine)
        after = database.revision(engine)
    finally:
        engine.dispose()
    if json:
        typer.echo(orjson.dumps({"from": before, "to": after}).decode())
    elif before == after:
        typer.echo(f"the schema is up to date: {after}")
    else:
        typer.echo(f"migrated the schema from {before or 'nothing'} to {after}")


@app.command()
def check(context: typer.Context, json: Json = False) -> None:
    """Compare the store's schema with the one that this version expects.

    Tables, columns, indexes and keys; whether clocks are behind the rows that
    they number; on PostgreSQL also the parts of the events and their ids.
    Nothing is changed. Leaves with 2 where anything is wrong, and says what to
    do about it.

    \b
      recsys db check
      recsys db check --json
    """
    from data import checks, database

    setup: Setup = context.obj
    engine = database.connect(setup.store_url, migrating=False)
    try:
        found = checks.check(engine)
        name, revision = database.shown(engine.url), database.revision(engine)
    finally:
        engine.dispose()
    if json:
        told = {"store": name, "revision": revision, "sound": not found}
        told |= {"findings": [dataclasses.asdict(one) for one in found]}
        typer.echo(orjson.dumps(told).decode())
    elif found:
        for one in found:
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"{one}", markup=False)
    else:
        typer.echo(f"{name} is sound: revision {revision}")
    if found:
        raise typer.Exit(2)


@app.command()
def copy(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            help="SQLAlchemy URL of an empty database: postgresql://USER:PASSWORD@HOST/NAME, or"
            " sqlite:///FILE."
        ),
    ],
    json: Json = False,
) -> None:
    """Copy the whole store into an empty database, from SQLite to PostgreSQL or back.

    All of it or nothing: whatever stops it leaves the target empty, and in the
    end each row of the target is read again and compared. Numbers of arrival
    stay as they are, so that bundles go on where they were. Stop what writes
    before it, and name the new database as \\[store] url after it.

    \b
      recsys db copy --to postgresql://recsys:secret@db.example/recsys
      recsys --config new.toml db check
    """
    from data import copies
    from data.store import Store

    setup: Setup = context.obj
    bar = Progress(console=Console(stderr=True), transient=True, disable=json)
    tasks = {}

    def report(table: str, done: int, all_: int) -> None:
        if table not in tasks:
            tasks[table] = bar.add_task(table, total=all_)
        bar.update(tasks[table], completed=done)

    with (
        Store.open(setup.store_url) as source,
        Store.open(setup.store.address(to)) as target,
        bar,
    ):
        copied = copies.copy(source, target, report)
    if json:
        typer.echo(orjson.dumps([dataclasses.asdict(one) for one in copied]).decode())
        return
    rows = sum(one.rows for one in copied)
    told = ", ".join(f"{one.rows:,} {one.table}" for one in copied if one.rows)
    typer.echo(f"copied and compared {rows:,} rows: {told}")
