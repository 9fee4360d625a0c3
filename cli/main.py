"""The command ``recsys``."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli import (
    audit,
    backup,
    bundles,
    db,
    demo,
    digest,
    doctor,
    evaluate,
    experiment,
    explain,
    exports,
    imports,
    jobs,
    judge,
    keys,
    policy,
    recommend,
    report,
    rules,
    sample,
    schedule,
    serve,
    setup,
    simulate,
    tone,
    train,
    tune,
    visitors,
)
from recsys.errors import RecsysError

app = typer.Typer(
    help="A recommendation engine for publisher networks.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(train.train)
app.command()(recommend.recommend)
app.command()(explain.explain)
app.command()(digest.digest)
app.command()(evaluate.evaluate)
app.command()(report.report)
app.command()(tune.tune)
app.command()(judge.judge)
app.add_typer(policy.app, name="policy")
app.add_typer(experiment.app, name="experiment")
app.add_typer(tone.app, name="tone")
app.add_typer(bundles.app, name="bundles")
app.add_typer(imports.app, name="import")
app.add_typer(exports.app, name="export")
app.add_typer(sample.app, name="sample")
app.add_typer(simulate.app, name="simulate")
app.add_typer(keys.app, name="keys")
app.add_typer(rules.app, name="rules")
app.command()(audit.audit)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(visitors.app, name="visitors")
app.add_typer(jobs.app, name="job")
app.add_typer(db.app, name="db")
app.command()(schedule.schedule)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file; recsys.toml in VAR or here by default.", show_default=False),
    ] = None,
    var: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the database and bundles; $RECSYS_VAR or ./var by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """A recommendation engine for publisher networks."""
    if context.invoked_subcommand != "policy":  # which lists what is wrong with it
        # What is wrong with the configuration, a doctor tells among all else.
        load = partial(setup.load, config, var)
        context.obj = load if context.invoked_subcommand == "doctor" else load()


def run() -> None:
    """Run the command line; a known error becomes one sentence and exit code 2."""
    try:
        app()
    except RecsysError as error:
        # Text, not markup: a message may name a [table] of the configuration.
        sentence = Text.assemble(("error:", "red"), f" {error}")
        Console(stderr=True, highlight=False).print(sentence, soft_wrap=True)
        sys.exit(2)
