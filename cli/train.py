"""Trains a bundle from the store and makes it current."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cli import gated
from cli.consoles import log_for_whoever_watches
from cli.setup import Setup, parse_time
from recsys.errors import DataError, Held
from training.stages import Stage

if TYPE_CHECKING:
    from data.store import Store
    from recsys.bundle import Bundle
    from training.spark.engine import SparkEngine


class Engine(StrEnum):
    """Where a bundle is learned."""

    LOCAL = "local"
    SPARK = "spark"


HELD = 3
"""Exit code where the gate does not let the bundle through."""


def train(
    context: typer.Context,
    now: Annotated[
        str,
        typer.Option(
            help="Train on what was known before this time (ISO 8601, UTC unless it says"
            " otherwise); the present by default.",
            show_default=False,
        ),
    ] = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Publish whatever the gate says; the audit log keeps it."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Learn all from scratch, and build upon no earlier bundle."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why it is forced, for those who come later.")] = "",
    engine: Annotated[
        Engine, typer.Option(help="Where it is computed: on this machine, or on a Spark cluster.")
    ] = Engine.LOCAL,
    source: Annotated[
        str,
        typer.Option(
            help="With spark: the folder of `recsys export parquet`, or jdbc for the store itself.",
            show_default=False,
        ),
    ] = "",
    master: Annotated[
        str,
        typer.Option(
            help="With spark: its cluster, as local[*], yarn or k8s://…; what Spark's own settings"
            " say by default.",
            show_default=False,
        ),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="With spark: a property of it, as spark.executor.memory=8g; may be repeated.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Learn a bundle from everything in the store, and make it the one that is served.

    Where one is served already, a gate comes before it: are the data as many
    and as new as usual; is the recipe no worse than that of the bundle in
    service, where both learn without the last day and are asked what was
    opened in it; has the bundle about the size of the other. The table gate of
    the configuration sets the bounds. The verdict stays with the bundle:
    `recsys bundles show`.

    \b
      recsys train
      recsys train --json                          for scripts
      recsys train --force --reason "site sold"    whatever the gate says
      recsys train --engine spark --source s3://network/lake --master yarn

    With `\\[train] renew` above 0 what still holds of an earlier bundle is taken
    over: what known texts say, and where readers' tastes begin. All is learned
    from scratch again once that share of the articles or events is new to it;
    `recsys bundles show` tells since when it is, and --full does it now. The
    gate's own bundles are built upon none that has seen its window.

    Where events are too many for one machine, a cluster learns of them and of
    texts, into the very same bundle; it takes the extra spark, and Java. The
    gate then asks of a sample of readers what it asks of all, and the ranker
    learns of the same sample.

    Exit code 3: it holds the bundle, and nothing has changed. Exit code 2:
    something failed, and nothing has changed.
    """
    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())
    if reason and not force:
        raise DataError("--reason is kept with what is forced; expected --force beside it")
    if engine is Engine.LOCAL and (source or master or settings):
        raise DataError("--source, --master and --set are Spark's; expected --engine spark")

    # the mathematics takes seconds to load, and other commands should not wait for it
    from cli.trained import trained
    from data.leases import held
    from data.store import Store

    log_for_whoever_watches()
    done: list[Stage] = []
    console = Console(stderr=True, highlight=False)
    bundle: Bundle | None = None
    with console.status("training") as status:

        def report(step: Stage) -> None:
            if step.done:
                done.append(step)
            else:
                status.update(step.name)

        try:
            with (
                Store.open(setup.store_url) as store,
                _engine(setup, store, engine, source, master, settings or ()) as other,
                held(store, "job.retrain") as lease,
            ):
                bundle = trained(
                    setup,
                    store,
                    moment,
                    report=report,
                    before_publish=lease.check,
                    force=force,
                    full=full,
                    reason=reason,
                    engine=other,
                )
            verdict, sentence = bundle.manifest.verdict, f"bundle {bundle.id} is current"
        except Held as error:
            verdict, sentence = error.verdict, str(error)
    if json:
        stages = [{"name": s.name, "seconds": s.seconds, "result": s.result} for s in done]
        of = {"id": bundle.id, "shapes": bundle.manifest.shapes} if bundle else {"id": ""}
        answer = {**of, "held": bundle is None, "verdict": verdict, "stages": stages}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(done, verdict)
        if bundle:
            Console(highlight=False).print(sentence, soft_wrap=True)
    if not bundle:
        Console(stderr=True, highlight=False).print(sentence, soft_wrap=True, markup=False)
        raise typer.Exit(HELD)


@contextmanager
def _engine(
    setup: Setup,
    store: "Store",
    engine: Engine,
    source: str,
    master: str,
    settings: Sequence[str],
) -> "Iterator[SparkEngine | None]":
    """Start the engine that was asked for; None is this machine."""
    if engine is Engine.LOCAL:
        yield None
        return
    from sqlalchemy.engine import make_url

    from cli.exports import address
    from training.spark.engine import SparkEngine
    from training.spark.session import Cluster, opened
    from training.spark.sources import JDBC, Jdbc, Parquet

    url = setup.store_url
    if not source and make_url(url).get_backend_name() == "sqlite":
        raise DataError(
            "--engine spark cannot read a store in SQLite; land it, and name the folder:"
            " recsys export parquet DIR, then --source DIR"
        )
    for setting in settings:
        if not setting.startswith("spark.") or "=" not in setting:
            raise DataError(f"--set {setting!r}: expected spark.NAME=VALUE")
    found = Jdbc(store, url) if source in ("", JDBC) else Parquet(address(source))
    cluster = Cluster(master, dict(setting.split("=", 1) for setting in settings))
    with opened(cluster) as spark:
        yield SparkEngine(spark, found)


def _print(done: Sequence[Stage], verdict: Mapping[str, Any]) -> None:
    out = Console(highlight=False)
    table = Table("stage", "seconds", "result")
    table.columns[1].justify = "right"
    for step in done:
        table.add_row(step.name, f"{step.seconds:.1f}", step.result)
    out.print(table)
    if verdict["champion"]:  # without one there is nothing to decide
        out.print(gated.checks(verdict))
        for sentence in gated.said(verdict):
            out.print(sentence, soft_wrap=True, markup=False)
