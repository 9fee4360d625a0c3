"""Trains a bundle from the store and makes it current."""

import time
from collections.abc import Mapping, Sequence
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
    from recsys.bundle import Bundle

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
    reason: Annotated[str, typer.Option(help="Why it is forced, for those who come later.")] = "",
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

    The gate takes about as long as the training itself, twice as long where the
    recipe has changed; a first bundle has none.

    Exit code 3: it holds the bundle, and nothing has changed. Exit code 2:
    something failed, and nothing has changed.
    """
    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())
    if reason and not force:
        raise DataError("--reason is kept with what is forced; expected --force beside it")

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
            with Store.open(setup.store_url) as store, held(store, "job.retrain") as lease:
                bundle = trained(
                    setup,
                    store,
                    moment,
                    report=report,
                    before_publish=lease.check,
                    force=force,
                    reason=reason,
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
