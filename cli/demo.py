"""``recsys demo``: from nothing to a page with the box under an article."""

import shutil
import socket
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli import imports, sample, serve, setup, train
from cli.sample import SizeName
from recsys.errors import ConfigError

STALE = 12 * 3600
"""Seconds after which the network is made anew: its trends would be old news."""


def demo(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to serve on.")] = 8000,
    size: Annotated[SizeName, typer.Option(help="Of the sample network.")] = sample.SMALL,
    seed: Annotated[int, typer.Option(help="Another seed, another network.")] = 1,
) -> None:
    """Generate a sample network, import it, train on it and serve it on this machine.

    Everything lies in VAR/demo and is used again for twelve hours; remove
    that directory to start afresh. Stop with Ctrl-C.
    """
    _refuse_busy(port)
    place: Path = context.obj.var / "demo" / f"{size}-{seed}"
    network = place / "network"
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    if not _is_fresh(network):
        say("[bold]1/3[/] generating a network of five sites")
        shutil.rmtree(place, ignore_errors=True)
        sample.generate_(place / "unfinished", size, seed)
        # Renamed when whole: what an interrupted run leaves is never taken for a network.
        (place / "unfinished").rename(network)
    context.obj = made = setup.load(network / "recsys.toml", place)
    if not (made.bundles / "current").exists():
        say("[bold]2/3[/] importing its articles and events")
        imports.articles(context, [str(network / "articles.parquet")])
        imports.events(context, [str(network / "events.parquet")])
        say("[bold]3/3[/] training on them")
        train.train(context)
    serve.serve(context, port=port, demo=True)


def _refuse_busy(port: int) -> None:
    """Say before minutes of work what the server would say after them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} is busy; choose another: make demo PORT={port + 1}, or recsys demo"
                f" --port {port + 1}"
            ) from error


def _is_fresh(network: Path) -> bool:
    return network.is_dir() and time.time() - network.stat().st_mtime < STALE
