"""Trains a bundle from the store and makes it current."""

import logging
import sys
import time
from typing import Annotated

import orjson
import structlog
import typer
from rich.console import Console
from rich.table import Table

from cli.setup import Setup, parse_time
from service import logs
from training.stages import Stage


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
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Learn a bundle from everything in the store, and make it the one that is served."""
    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())

    # the mathematics takes seconds to load, and other commands should not wait for it
    from data.rules import rules
    from data.store import Store
    from training.run import run
    from training.tone import corrections

    _configure_logs()
    done: list[Stage] = []
    console = Console(stderr=True, highlight=False)
    with console.status("training") as status:

        def report(step: Stage) -> None:
            if step.done:
                done.append(step)
            else:
                status.update(step.name)

        store = Store.open(setup.store_url)
        bundle = run(
            store,
            setup.bundles,
            setup.recipe,
            moment,
            policy=setup.policy,
            corrections=corrections(rules(store), moment),
            spare=setup.experiment.bundles if setup.experiment else (),
            report=report,
        )
    if json:
        stages = [{"name": s.name, "seconds": s.seconds, "result": s.result} for s in done]
        answer = {"id": bundle.id, "shapes": bundle.manifest.shapes, "stages": stages}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("stage", "seconds", "result")
    table.columns[1].justify = "right"
    for step in done:
        table.add_row(step.name, f"{step.seconds:.1f}", step.result)
    out = Console(highlight=False)
    out.print(table)
    out.print(f"bundle {bundle.id} is current", soft_wrap=True)


def _configure_logs() -> None:
    # a person sees the table; where nobody watches, the log keeps the run
    logs.configure()
    if sys.stderr.isatty():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
