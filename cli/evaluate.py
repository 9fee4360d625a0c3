"""``recsys evaluate``: how good the answers would have been, beside what is simpler."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.histories import day, open_history
from cli.setup import Setup, parse_time
from recsys.errors import DataError

TASKS = ("next click", "next article")


def evaluate(
    context: typer.Context,
    cut: Annotated[
        str,
        typer.Option(
            help="Learn from what was before this time (ISO 8601); a week before the end if unset.",
            show_default=False,
        ),
    ] = "",
    end: Annotated[
        str,
        typer.Option(
            help="Replay what was before this time; the last event's by default.",
            show_default=False,
        ),
    ] = "",
    globo: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Replay DIR/clicks.parquet, the clicks of Globo.com, instead of the store.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="next click, next article; --globo asks the first alone by default."),
    ] = None,
    system: Annotated[
        list[str] | None, typer.Option(help="Which systems to compare; all by default.")
    ] = None,
    questions: Annotated[
        int,
        typer.Option(min=0, help="About how many openings to ask about, drawn evenly; 0 for all."),
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Draws the questions and the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Replay history and measure what each system would have shown.

    Everything is learned from before the cut. Then each opening is asked
    about in its turn, against all articles eligible at that moment, and
    learned from afterwards, as a service would.

    \b
      recsys evaluate                        the last week of the store
      recsys evaluate --cut 2026-11-01 --task "next click"
      recsys evaluate --globo ../shared/data/globo \\
          --cut 2017-10-11T03:00 --end 2017-10-13T03:00
    """
    # the mathematics takes seconds to load, and other commands should not wait for it
    from training.evaluate import SYSTEMS, compare
    from training.evaluate import evaluate as run

    setup: Setup = context.obj
    chosen = _known("--system", system or list(SYSTEMS), SYSTEMS)
    tasks = _known("--task", task or (TASKS[:1] if globo else TASKS), TASKS)
    until = parse_time(end, "--end") if end else int(time.time()) + 1
    past, history, start, until = open_history(
        setup, globo, parse_time(cut, "--cut") if cut else None, until
    )
    if start >= until:
        raise DataError(f"--cut {day(start)} is not before the end, {day(until)}")
    bundle = _learn(past, history, setup, start)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bars: dict[str, Any] = {}

        def report(label: str, done: int, of: int) -> None:
            if label not in bars:
                bars[label] = progress.add_task(label, total=of)
            progress.update(bars[label], completed=done)

        lines = run(
            bundle,
            setup.policy,
            history,
            cut=start,
            end=until,
            tasks=tasks,
            systems=chosen,
            questions=questions,
            seed=seed,
            report=report,
        )
    if json:
        answer = {"cut": start, "end": until, "seed": seed, "lines": lines}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = max(out.width, 120)  # a file has room for whole intervals
    out.print(
        f"Learned from {len(past.interactions):,} events before {day(start)}, replayed"
        f" {len(history.interactions.between(start, until)):,} up to {day(until)}.",
        soft_wrap=True,
    )
    for name in tasks:
        mine = [line for line in lines if line.task == name]
        out.print(_table(name, mine))
        out.print(compare(mine), soft_wrap=True)
        out.print(_by_reader(name, mine))


def _known(option: str, names: Iterable[str], known: Iterable[str]) -> list[Any]:
    for name in names:
        if name not in known:
            raise DataError(f"{option} {name!r} is unknown; known: {', '.join(known)}")
    return list(names)


def _learn(past: Any, history: Any, setup: Setup, cut: int) -> Any:
    from training.fit import fit
    from training.rank import with_ranker

    with Console(stderr=True).status("learning") as status:

        def report(stage: Any) -> None:
            status.update(stage.name)

        bundle = fit(
            past.articles, past.visitors, past.interactions, setup.recipe, cut, report=report
        )
        # It looks at nothing that was not known at the cut.
        return with_ranker(bundle, history, setup.recipe, cut, report=report)


def _table(task: str, lines: list[Any]) -> Table:
    table = Table(
        "system", "HR@10", "MRR@10", "nDCG@10", "coverage", "other sites", "diversity", "ms"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    table.title = f"{task}, {lines[0].questions:,} questions" if lines else task
    for line in lines:
        rate = line.hit_rate
        table.add_row(
            line.system,
            f"{rate.mean:.3f} [dim]{rate.low:.3f}-{rate.high:.3f}[/]",
            f"{line.mrr.mean:.3f} [dim]{line.mrr.low:.3f}-{line.mrr.high:.3f}[/]",
            f"{line.ndcg.mean:.3f}",
            f"{line.coverage:.3f}",
            f"{line.elsewhere:.3f}",
            "-" if line.diversity != line.diversity else f"{line.diversity:.3f}",
            f"{line.milliseconds:.1f}",
        )
    return table


def _by_reader(task: str, lines: list[Any]) -> Table:
    table = Table("system", title=f"{task}, HR@10 by reader")
    for group in lines[0].readers if lines else ():
        table.add_column(f"{group.kind} to the bundle ({group.questions:,})", justify="right")
    for line in lines:
        rates = (group.hit_rate for group in line.readers)
        table.add_row(
            line.system, *(f"{r.mean:.3f} [dim]{r.low:.3f}-{r.high:.3f}[/]" for r in rates)
        )
    return table
