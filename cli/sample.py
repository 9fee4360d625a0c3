"""Makes the sample network that the demo and the tests read."""

import dataclasses
import datetime
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.setup import parse_time
from data.sample.sizes import SIZES
from recsys.errors import ConfigError

app = typer.Typer(help="Make a sample network to try things on.", no_args_is_help=True)
SizeName = StrEnum("SizeName", list(SIZES))
SMALL = SizeName("small")


@app.callback()
def group() -> None:
    """Make a sample network to try things on."""


@app.command("generate")
def generate_(
    directory: Annotated[Path, typer.Argument(help="Where to write it; made if missing.")],
    size: Annotated[SizeName, typer.Option(help="How large.")] = SMALL,
    seed: Annotated[int, typer.Option(help="Another seed, another network.")] = 1,
    end: Annotated[
        str,
        typer.Option(
            help="When its history stops (ISO 8601, UTC unless it says otherwise);"
            " the present hour by default.",
            show_default=False,
        ),
    ] = "",
    articles: Annotated[
        int | None, typer.Option(help="Instead of the size's number.", show_default=False)
    ] = None,
    readers: Annotated[
        int | None, typer.Option(help="Instead of the size's number.", show_default=False)
    ] = None,
    events: Annotated[
        int | None, typer.Option(help="Instead of the size's number.", show_default=False)
    ] = None,
) -> None:
    """Write five sites' articles, their readers' events, recsys.toml and the truth behind them."""
    from data.sample.generate import generate  # and with it what reads and writes Parquet

    own = {"articles": articles, "readers": readers, "events": events}
    chosen = dataclasses.replace(
        SIZES[size], **{name: number for name, number in own.items() if number is not None}
    )
    until = parse_time(end, "--end") if end else int(time.time()) // 3600 * 3600
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        stages = {name: bars.add_task(name, total=None) for name in ("articles", "events")}

        def report(stage: str, done: int, total: int) -> None:
            bars.update(stages[stage], completed=done, total=total)

        try:
            made = generate(directory, chosen, seed, until, report)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            raise ConfigError(
                f"cannot write {error.filename or directory}: {error.strerror}"
            ) from error
    Console(highlight=False).print(
        f"{made.articles:,} articles, {made.readers:,} readers and {made.events:,} events"
        f" until {datetime.datetime.fromtimestamp(made.end, datetime.UTC):%Y-%m-%d %H:%M} UTC"
        f" in {directory}",
        soft_wrap=True,
    )
