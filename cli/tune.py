"""``recsys tune``: search for better settings, and write what proved itself as a configuration."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cli import tuned
from cli.consoles import wide
from cli.histories import day, open_history
from cli.setup import Setup, parse_time, require_known
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.history import History
    from training.knobs import Settings, Value
    from training.study import Plan, Study, Trial
    from training.tune import Verdict

DAY = 86_400


def tune(
    context: typer.Context,
    name: Annotated[
        str, typer.Option(help="Of the search; it is kept in VAR/tuning/NAME.db.")
    ] = "tuning",
    trials: Annotated[
        int, typer.Option(min=2, help="Stop when so many have been made, in all runs together.")
    ] = 50,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.0, help="Stop this run after so many minutes.", show_default=False),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="What is turned: policy (weights and half-lives of the sources), train (how they"
            " are learned), ranker (its trees). Policy and train by default.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="MRR@10 (by default) or HR@10.", show_default=False)
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="next click (by default) or next article.", show_default=False),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(min=0.01, help="Days that trials are asked about; 3.", show_default=False),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(min=0.01, help="Days after them that decide at last; 3.", show_default=False),
    ] = None,
    end: Annotated[
        str,
        typer.Option(
            help="Look at nothing from this time on (ISO 8601); the last event's by default.",
            show_default=False,
        ),
    ] = "",
    questions: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="About how many openings are asked about in each window, drawn evenly; 0 for"
            " all; 5000.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws trials, questions and resamples; 0.")
    ] = None,
    globo: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Tune on DIR/clicks.parquet, the clicks of Globo.com, instead of the store.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the configuration; VAR/tuning/NAME.toml by default.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Search for settings under which readers would have been shown what they opened next.

    Every trial learns from what was before the last days of history and is
    asked about the first of these. The best is then asked, once, about the
    last of them, beside the settings as they are: only a gain that shows there
    is one. Quotas, diversity and exploration are rules of yours, and left alone.

    Stop it when you like (Ctrl-C, or worse): the same command goes on from the
    last trial that was finished.

    \b
      recsys tune                                  50 trials on the store
      recsys tune --minutes 30 --trials 1000       half an hour
      recsys tune --over policy --metric HR@10     quick: nothing is learned anew
      recsys tune --globo ../shared/data/globo --end 2017-10-11T03:00
      recsys --config var/tuning/tuning.toml train
    """
    from training.knobs import GROUPS, Settings
    from training.study import open_study, plan_of
    from training.tune import validate

    setup: Setup = context.obj
    settings = Settings(setup.recipe, setup.policy)
    path = setup.var / "tuning" / f"{name}.db"
    require_known("--metric", [metric] if metric else [], ("MRR@10", "HR@10"))
    require_known("--task", [task] if task else [], ("next click", "next article"))
    require_known("--over", over or [], tuple(GROUPS))
    if "ranker" in (over or []) and not setup.recipe.rank_questions:
        raise ConfigError("--over ranker, but [train] rank_questions = 0; expected more than 0")

    begun = plan_of(path)
    until = parse_time(end, "--end") if end else begun.until if begun else int(time.time()) + 1
    history, _, until = open_history(setup, globo, until, until)
    asked = {
        "until": until if end or not begun else None,
        "over": tuple(over) if over else None,
        "metric": metric,
        "task": task,
        "days": days,
        "holdout": holdout,
        "questions": questions,
        "seed": seed,
    }
    plan = _plan(begun, {k: v for k, v in asked.items() if v is not None}, path)
    first = int(history.interactions.at[0])
    if plan.cut <= first:
        raise DataError(
            f"the search begins at {day(plan.cut)}, but the first event is of {day(first)};"
            " expected fewer --days and --holdout, or more history"
        )
    data = str(globo.resolve()) if globo else setup.store_url
    out = out or path.with_suffix(".toml")
    console = Console(stderr=True, highlight=False)
    with open_study(path, plan, settings, data) as study:
        _search(study, history, settings, trials, minutes, console)
        best, importances = study.best, study.importances()
        changed = {
            path: value for path, value in best.values.items() if value != settings.value(path)
        }
        with console.status("asking about the days that the search never saw"):
            found = settings.turned(changed)
            verdict = validate(history, settings, found, plan) if changed else None
        tuned.write(out, setup.config, study, changed, found, verdict)
        if json:
            answer = {
                "plan": plan,
                "trials": study.trials,
                "best": best,
                "changed": changed,
                "importances": importances,
                "verdict": verdict,
                "proven": bool(verdict and verdict.proven),
                "config": str(out),
            }
            typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
            return
        _print(study, settings, changed, importances, verdict, out)


def _plan(begun: "Plan | None", asked: dict[str, Any], path: Path) -> "Plan":
    """Return what was begun, or what is asked for where nothing was."""
    from training.study import Plan

    if begun is None:
        end = asked["until"] - int(asked.pop("holdout", 3) * DAY)
        cut = end - int(asked.pop("days", 3) * DAY)
        groups = {"groups": asked.pop("over")} if "over" in asked else {}
        return Plan(cut=cut, end=end, **asked, **groups)
    was = {
        "until": begun.until,
        "over": begun.groups,
        "metric": begun.metric,
        "task": begun.task,
        "days": (begun.end - begun.cut) / DAY,
        "holdout": (begun.until - begun.end) / DAY,
        "questions": begun.questions,
        "seed": begun.seed,
    }
    for name, value in asked.items():
        if value != was[name]:
            option = "end" if name == "until" else name
            old, new = (day(v) if name == "until" else v for v in (was[name], value))
            raise ConfigError(
                f"--{option} is {new}, but the search in {path} was begun with {old}; expected the"
                " same, or another --name"
            )
    return begun


def _search(
    study: "Study",
    history: "History",
    settings: "Settings",
    trials: int,
    minutes: float | None,
    console: Console,
) -> None:
    from training.tune import search

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console) as progress:
        done = study.trials
        bar = progress.add_task(_best(study) if done else "first trial", total=trials)
        progress.update(bar, completed=len(done))

        def report(trial: "Trial") -> None:
            progress.update(bar, completed=trial.number + 1, description=_best(study))
            if not console.is_terminal:
                console.print(
                    f"trial {trial.number + 1} of {trials}: {study.plan.metric}"
                    f" {trial.score:.4f}; {_best(study)}"
                )

        seconds = {} if minutes is None else {"seconds": 60 * minutes}
        search(study, history, settings, trials=trials, **seconds, report=report)
    if not study.trials:
        raise ConfigError(f"--minutes {minutes} left no time for a trial; expected more")


def _best(study: "Study") -> str:
    best = study.best
    return f"best {best.score:.4f} (trial {best.number + 1})"


def _print(
    study: "Study",
    settings: "Settings",
    changed: "dict[str, Value]",
    importances: dict[str, float],
    verdict: "Verdict | None",
    out: Path,
) -> None:
    console = wide(120)
    metric = study.plan.metric
    title = f"{len(study.trials)} trials: {metric} {study.trials[0].score:.4f} as it was,"
    table = Table("setting", "was", "best", "importance", title=f"{title} {_best(study)}")
    for column in table.columns[1:]:
        column.justify = "right"
    for knob in sorted(study.knobs, key=lambda k: -importances.get(k.path, 0.0)):
        was = settings.value(knob.path)
        share = f"{importances[knob.path]:.0%}" if importances else "-"
        table.add_row(knob.path, f"{was:.8g}", f"{changed.get(knob.path, was):.8g}", share)
    console.print(table)
    if verdict:
        console.print(
            f"As it was {tuned.interval(verdict.before)}, now {tuned.interval(verdict.after)}."
        )
    console.print(tuned.words(verdict, metric), soft_wrap=True)
    console.print(f"{out} is written; train with: recsys --config {out} train", soft_wrap=True)
