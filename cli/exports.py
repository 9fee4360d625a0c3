"""``recsys export``: lands what the store holds where engines read it that know no database."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from cli.consoles import counting
from cli.setup import Setup

app = typer.Typer(
    help="Land articles and events where other engines read them.", no_args_is_help=True
)


@app.command(
    # Not the docstring: the screen would break lines where the source does.
    help="Land articles and events as Parquet, by month of publication and by day of happening."
    "\n\nDoing it again adds what has come since, removes what visitors wanted forgotten and what"
    " the store no longer keeps, and changes nothing where there is neither. A killed export has"
    " changed nothing: what counts is what the list _lake.json names, and that is written last."
    "\n\nWhat articles were before they were changed or withdrawn stays until --anew, which lands"
    " everything again in fewer and larger files. A training that reads the folder meanwhile must"
    " be begun again.",
    epilog="Example: recsys export parquet s3://network/lake, and then recsys train --engine spark"
    " --source s3://network/lake",
)
def parquet(
    context: typer.Context,
    folder: Annotated[
        str,
        typer.Argument(
            help="A folder here, or an address as s3://bucket/lake or gs://…", metavar="DIR"
        ),
    ],
    anew: Annotated[bool, typer.Option("--anew", help="Land everything, not what is new.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Land articles and events as Parquet."""
    # A second to load, which other commands should not wait for.
    from data import lake
    from data.leases import held
    from data.store import Store

    setup: Setup = context.obj
    with (
        counting("export") as progress,
        Store.open(setup.store_url) as store,
        held(store, "export"),
    ):
        done = lake.export(
            store,
            address(folder),
            anew=anew,
            progress=lambda rows, total: progress(rows, rows / total),
        )
    files = len(done.lake.files)
    if json:
        told = {"lake": folder, "articles": done.articles, "events": done.events}
        told |= {"removed": done.removed, "files": files, "mark": done.lake.mark}
        typer.echo(orjson.dumps(told).decode())
        return
    sentence = (
        f"{folder}: {done.articles:,} articles and {done.events:,} events added,"
        f" {done.removed:,} events removed; {files:,} files hold"
        f" {done.lake.rows('events'):,} events"
    )
    Console(highlight=False).print(sentence, soft_wrap=True, markup=False)


def address(folder: str) -> str:
    """Return the address of a folder, which may be a path of this machine."""
    return folder if "://" in folder else Path(folder).absolute().as_uri()
