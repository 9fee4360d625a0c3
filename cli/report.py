"""``recsys report``: what an evaluation found, as a page for people and files to go on with."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.files import write
from cli.setup import Setup
from recsys.errors import DataError


def report(
    context: typer.Context,
    evaluation: Annotated[
        Path | None,
        typer.Argument(
            help="What recsys evaluate kept; the newest file in VAR/evaluations by default.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the page; VAR/reports/NAME.html by default, where NAME is that of"
            " the evaluation.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write every figure here too, a row each.", show_default=False),
    ] = None,
    latex: Annotated[
        Path | None,
        typer.Option(help="Write the tables here too, for a paper.", show_default=False),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the evaluation as JSON instead of who won.")
    ] = False,
) -> None:
    """Write what an evaluation found as one HTML file.

    It holds everything: who won and how sure that is, all tables with
    their intervals, plots, examples, the settings. It opens in any
    browser, prints well, and asks the network for nothing.

    \b
      recsys evaluate                        find something out first
      recsys report                          VAR/reports/TIME.html
      recsys report week.json --out week.html
      recsys report --csv week.csv --latex week.tex
    """
    # the drawing library takes a second to load, and other commands should not wait for it
    from training.evaluation import Evaluation
    from training.report.exports import to_csv, to_latex
    from training.report.page import page
    from training.report.verdicts import headline, summary, tasks

    setup: Setup = context.obj
    source = evaluation or _newest(setup.var / "evaluations")
    found = Evaluation.load(source)
    out = out or setup.var / "reports" / f"{source.stem}.html"
    contents = {out: page(found)}
    if csv:
        contents[csv] = to_csv(found)
    if latex:
        contents[latex] = to_latex(found)
    for path, content in contents.items():
        write(path, content.encode())
    if json:
        typer.echo(found.dump().decode())
        return
    console = Console(highlight=False, markup=False)
    console.print(f"{summary(found)}.", soft_wrap=True)
    for task in tasks(found):
        told = headline(found, task)
        console.print(f"{task}: {' '.join(told.sentences)}", soft_wrap=True)
    for path in contents:
        console.print(f"{path} is written.", soft_wrap=True)


def _newest(folder: Path) -> Path:
    """Return what was evaluated last; raises ``DataError`` where nothing was."""
    kept = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name))
    if not kept:
        raise DataError(
            f"there is no evaluation in {folder}; make one with recsys evaluate, or name a file"
            " that recsys evaluate --save wrote"
        )
    return kept[-1]
