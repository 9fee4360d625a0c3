"""``recsys doctor``: checks a deployment and says the next step for each fault."""

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated

import orjson
import typer
from rich.table import Table
from rich.text import Text

from cli import consoles
from cli.checks.finding import Finding, Level, fault
from cli.setup import Setup
from recsys.errors import ConfigError

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAULT: "bold red"}


def doctor(
    context: typer.Context,
    url: Annotated[
        list[str] | None,
        typer.Option(help="Ask a running service, too; may be repeated.", show_default=False),
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Ask the services only, nothing of this machine.")
    ] = False,
    host: Annotated[str, typer.Option(help="Where `recsys serve` is to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Its port.")] = 8000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Look at everything a deployment needs, and say the next step where something is amiss.

    Libraries, configuration, files and their modes, disk, store, schema, clocks,
    bundle, jobs, leases, spool, keys, sites, alerts and the port; of a service
    its readiness, answers, signatures, widget, headers and metrics. It changes
    nothing, and brings no schema up to date.

    \b
      recsys doctor
      recsys doctor --url http://10.0.0.1:8000 --url http://10.0.0.2:8000
      recsys doctor --remote --url https://recs.example --json

    Exit code 0: all is well. 1: warnings; it works, and will hurt. 2: faults.
    """
    now = int(time.time())
    found = list(_all(context.obj, url or [], remote, host, port, now))
    worst = max(found, key=lambda one: list(Level).index(one.level), default=None)
    code = list(Level).index(worst.level) if worst else 0
    if json:
        told = {"worst": worst.level if worst else Level.OK, "findings": found}
        typer.echo(orjson.dumps(told, default=dataclasses.asdict, option=orjson.OPT_INDENT_2))
    else:
        _print(found)
    sys.exit(code)


def _all(
    load: Callable[[], Setup], urls: list[str], remote: bool, host: str, port: int, now: int
) -> Iterator[Finding]:
    # Here and not above: other commands start faster without what these load.
    from cli.checks import files, machine, served, stored

    if not remote:
        yield from machine.libraries()
    try:
        setup = load()
    except ConfigError as error:
        step = "correct it; recsys policy check tells more of [policy]"
        yield fault("configuration", str(error), step)
        return
    if not remote:
        yield from files.configuration(setup)
        yield from files.sites(setup)
        yield from machine.directory(setup.var)
        yield from machine.space(setup.var)
        yield from files.keyring(setup)
        yield from stored.store(setup, now)
        yield from files.bundle(setup, now)
        yield from files.spool(setup)
        yield from files.telling(setup)
        yield from machine.port(host, port)
    for url in urls:
        yield from served.service(setup, url.rstrip("/"), now)


def _print(found: list[Finding]) -> None:
    table = Table("", "what", "found", "next step", box=None, pad_edge=False)
    for one in found:
        words = (one.level.value, one.name, one.said, one.step)
        styles = (COLOURS[one.level], "", "", "")
        table.add_row(*(Text(w, s, overflow="fold") for w, s in zip(words, styles, strict=True)))
    console = consoles.wide(120)
    console.print(table)
    counts = Counter(one.level for one in found)
    console.print(
        f"{counts[Level.FAULT]} faults, {counts[Level.WARN]} warnings, {counts[Level.OK]} well"
    )
