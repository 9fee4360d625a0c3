"""``recsys evaluate``: how good the answers would have been, beside what is simpler."""

import dataclasses
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from cli.evaluated import show
from cli.files import write
from cli.histories import day, open_history
from cli.setup import Setup, parse_time, require_known
from recsys.errors import DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.bundle import Bundle
    from recsys.history import History
    from recsys.ranker import Ranker
    from training.evaluate import Ablate, Make, Plan
    from training.questions import Questions

TASKS = ("next click", "next article", "click in an impression")
SPLITS = ("one cut", "rolling", "per day")
KINDS = ("ablation", "baseline", "peer")
HOUR = 3600


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
    split: Annotated[
        str,
        typer.Option(
            help="Learn once (one cut), anew every --every hours (rolling), or anew at each"
            " midnight UTC (per day)."
        ),
    ] = "one cut",
    every: Annotated[
        float, typer.Option(min=0.01, help="Hours between trainings of --split rolling.")
    ] = 24.0,
    warm_up: Annotated[
        float,
        typer.Option(min=0.0, help="Hours after each cut in which all follow and nobody is asked."),
    ] = 0.0,
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
        typer.Option(
            help="next click (in a visit), next article (of a reader who comes back), click in an"
            " impression (of a box). All that the history can ask by default.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="Which systems to compare, by name or by kind (ablation, baseline, peer), or all."
            " The engine, the same with less to go by, and the baselines by default. Others are"
            " compared with the first one.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        int,
        typer.Option(min=0, help="About how many openings to ask about, drawn evenly; 0 for all."),
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Draws the questions and the resamples.")] = 0,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Where to keep what was found, as JSON for recsys report;"
            " VAR/evaluations/TIME.json by default.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write it as one HTML file with plots, too.", show_default=False),
    ] = None,
    check_leaks: Annotated[
        bool,
        typer.Option(
            "--check-leaks",
            help="Measure nothing; see that no answer changes when what comes after it does.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Replay history and measure what each system would have shown.

    Everything is learned from before the cut. Then each opening is asked
    about in its turn, against all articles eligible at that moment, and
    learned from afterwards, as a service would.

    \b
      recsys evaluate                        the last week of the store
      recsys evaluate --report week.html     with plots, for people
      recsys evaluate --cut 2026-11-01 --split "per day" --task "next click"
      recsys evaluate --system engine --system ablation
      recsys evaluate --globo ../shared/data/globo \\
          --cut 2017-10-11T03:00 --end 2017-10-13T03:00
    """
    from recsys.splits import windows
    from training.evaluate import Plan, askable
    from training.evaluate import evaluate as run

    setup: Setup = context.obj
    systems = _systems(system)
    require_known("--task", task or (), TASKS)
    require_known("--split", [split], SPLITS)
    until = parse_time(end, "--end") if end else int(time.time()) + 1
    history, start, until = open_history(
        setup, globo, parse_time(cut, "--cut") if cut else None, until
    )
    if start >= until:
        raise DataError(f"--cut {day(start)} is not before the end, {day(until)}")
    plan = Plan(
        windows=windows(split, start, until, int(every * HOUR)),
        tasks=tuple(task or (TASKS[:1] if globo else askable(history, start, until))),
        systems=systems,
        questions=questions,
        warm_up=int(warm_up * HOUR),
        seed=seed,
        split=split,
    )
    if check_leaks:
        _check(history, setup, plan, json)
        return
    with _learner(setup) as make, _progress() as progress:
        found = run(
            history,
            make,
            setup.policy,
            plan,
            ablate=_ablater(setup),
            data=f"the clicks of Globo.com in {globo}" if globo else f"the store {_named(setup)}",
            recipe=dataclasses.asdict(setup.recipe),
            report=progress,
        )
    found = dataclasses.replace(found, command=shlex.join(["recsys", *sys.argv[1:]]))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(found.created))
    save = save or setup.var / "evaluations" / f"{stamp}.json"
    write(save, found.dump())
    if report:
        from training.report.page import page

        write(report, page(found).encode())
    if json:
        typer.echo(found.dump().decode())
        return
    show(found)
    console = Console(highlight=False)
    console.print(f"Kept in {save}; look at it with: recsys report {save}", soft_wrap=True)
    if report:
        console.print(f"{report} is written.", soft_wrap=True)


def _named(setup: Setup) -> str:
    """Return the store's address without its password: what is kept is shown to people."""
    from sqlalchemy import make_url

    return make_url(setup.store_url).render_as_string(hide_password=True)


def _systems(names: list[str] | None) -> tuple[str, ...]:
    """Return the systems meant by names and kinds, in the order in which they were asked for."""
    from training.systems import SYSTEMS, USUAL

    if not names:
        return USUAL
    require_known("--system", names, (*SYSTEMS, *KINDS, "all"))
    found: dict[str, None] = {}
    for name in names:
        kinds = (kind for kind, entry in SYSTEMS.items() if name in (entry.kind, kind, "all"))
        found.update(dict.fromkeys([name] if name in SYSTEMS else kinds))
    return tuple(found)


@contextmanager
def _learner(setup: Setup) -> "Iterator[Make]":
    """Provide how to learn what is evaluated: written and opened again, just as it is served."""
    from training.learn import learn_as_served

    with TemporaryDirectory(prefix="recsys-") as folder:

        def make(past: "History", cut: int) -> "Bundle":
            with Console(stderr=True).status("learning") as status:

                def report(stage: Any) -> None:
                    status.update(f"learning: {stage.name}")

                known = past, setup.recipe, cut, setup.policy
                return learn_as_served(*known, folder=Path(folder), report=report)

        yield make


def _ablater(setup: Setup) -> "Ablate":
    """Return how to learn rankers that lack something, all of one cut from the same questions."""
    from training.rank import ask, learn

    asked: dict[int, Questions | None] = {}

    def ablate(past: "History", cut: int, group: str) -> "Ranker | None":
        with Console(stderr=True).status(f"learning without {group}"):
            if cut not in asked:
                asked[cut] = ask(past, setup.recipe, cut, setup.policy)
            of_cut = asked[cut]
            return learn(of_cut, setup.recipe, (group,)) if of_cut else None

    return ablate


def _check(history: "History", setup: Setup, plan: "Plan", json: bool) -> None:
    from training.evaluate import leaks

    console = Console(stderr=True, highlight=False)
    with _learner(setup) as make, console.status("learning and replaying everything twice"):
        found = leaks(history, make, setup.policy, plan)
    if json:
        answer = [{"task": t, "system": s, "leak": leak} for (t, s), leak in found.items()]
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    for (task, name), leak in found.items():
        if leak is None and not json:
            typer.echo(f"{task}: {name}: no answer changed with what came after it")
        elif leak is not None and not json:
            typer.echo(
                f"{task}: {name}: LEAK: question {leak.question} at {day(leak.at)} was answered"
                f" otherwise when what came after it changed: {leak.shown}, then {leak.altered}"
            )
    if leaking := [name for (_, name), leak in found.items() if leak]:
        raise DataError(f"these systems know what has not happened yet: {', '.join(leaking)}")


@contextmanager
def _progress() -> "Iterator[Callable[[str, int, int], None]]":
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bars: dict[str, TaskID] = {}

        def report(label: str, done: int, of: int) -> None:
            if label not in bars:
                bars[label] = progress.add_task(label, total=of)
            progress.update(bars[label], completed=done)

        yield report
