"""``recsys job``: what a schedule runs with nobody watching, once each."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cli import times
from cli.consoles import log_for_whoever_watches, wide
from cli.setup import Setup, require_known
from recsys.errors import Busy, Held, RecsysError
from training.timetable import JOBS

if TYPE_CHECKING:  # what it takes to do a job takes seconds to load, and --help should not wait
    from data.leases import Lease
    from data.runs import Run
    from data.store import Store
    from training.jobs import Done, Work

FAILED, WRONG, HELD, BUSY = 1, 2, 3, 4
SIGNALLED = 128
CODES = (
    "Exit code 0: done. 1: failed. 2: the configuration, the store or its data are wrong."
    " 3: held by the gate. 4: another process is at it. 143: told to stop."
)
DAY = 86_400
MARKS = {"done": "green", "running": "cyan", "stopped": "yellow", "skipped": "yellow"}

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
After = Annotated[str | None, typer.Option("--after", hidden=True)]


@app.callback()
def jobs() -> None:
    """Work for a schedule (recsys schedule, cron, systemd, Kubernetes): each runs once.

    One process at a time does a job, on whatever machine: who comes second
    leaves with exit code 4. Each run is recorded, the killed ones by whoever
    comes next, which also removes what they left half done. Where the
    configuration or $RECSYS_WEBHOOK has a webhook, somebody is told of trouble,
    once, and of its end.

    \b
      recsys job retrain           one run, now
      recsys job list              what is due when, and how the last run went
      recsys job log retrain       how the runs before went

    \b
    Exit codes of a run:
      0    done
      1    failed unexpectedly; the log has the traceback
      2    the configuration, the store, its data or a disk is at fault
      3    the gate holds the new bundle; the old one stays in service
      4    another process is at it, nothing was done
      143  told to stop (SIGTERM); 130 by Ctrl-C
    """


@app.command(epilog=CODES)
def retrain(context: typer.Context, json: AsJson = False, after: After = None) -> None:
    """Learn a bundle and make it the one that is served, if the gate agrees.

    The same as `recsys train`, recorded. In a crontab:

    \b
      15 * * * *  recsys job retrain
    """

    def work(setup: Setup, store: "Store", lease: "Lease", now: int) -> "Done":
        from cli.trained import trained
        from training.stages import silent

        bundle = trained(setup, store, now, report=silent, before_publish=lease.check)
        stated = bundle.manifest
        detail = {"bundle": bundle.id, "shapes": dict(stated.shapes)}
        verdict = {"verdict": dict(stated.verdict)} if stated.verdict else {}
        return f"bundle {bundle.id} is current", detail | verdict

    _run(context, "retrain", work, json, after)


@app.command(epilog=CODES)
def retention(context: typer.Context, json: AsJson = False, after: After = None) -> None:
    """Delete events older than the configuration says, 395 days by default.

    It goes in small steps and may run while the service does. What bundles
    learned from them goes with the next training. Records of runs go too.

    \b
      10 4 * * *  recsys job retention --json
    """

    def work(setup: Setup, store: "Store", lease: "Lease", now: int) -> "Done":
        from data import runs

        before = int(now - setup.retention.days * DAY)
        gone = store.prune_events(before)
        records = runs.prune(store, before)
        summary = f"deleted {gone:,} events older than {setup.retention.days:g} days"
        return summary, {"deleted": gone, "before": before, "records": records}

    _run(context, "retention", work, json, after)


@app.command(epilog=CODES)
def backup(context: typer.Context, json: AsJson = False, after: After = None) -> None:
    """Copy everything this installation is, check the copy, and let the oldest go.

    The same as `recsys backup`, recorded; the configuration says where, how many.

    \b
      40 3 * * *  recsys job backup
    """

    def work(setup: Setup, store: "Store", lease: "Lease", now: int) -> "Done":
        from cli.backup import backed_up

        kept = {"keyring": setup.backup.keyring, "keep": setup.backup.keep}
        made, stated = backed_up(setup, store, setup.backups, now, **kept)
        detail = {"backup": str(made), "bytes": stated.bytes, "rows": stated.rows}
        return f"{made} holds {stated.bytes / 1e6:,.1f} MB, and was checked", detail

    _run(context, "backup", work, json, after)


@app.command(epilog=CODES)
def report(context: typer.Context, json: AsJson = False, after: After = None) -> None:
    """Replay the last days through the engine and simple rivals; write a page with plots.

    Into VAR/reports; the configuration says how many days, and how many stay.
    `recsys evaluate` compares more, by hand.

    \b
      20 5 * * *  recsys job report
    """

    def work(setup: Setup, store: "Store", lease: "Lease", now: int) -> "Done":
        from sqlalchemy import make_url

        from data.database import shown
        from training.review import review

        data = shown(make_url(setup.store_url))
        learned = setup.recipe, setup.policy
        return review(store, setup.reports, *learned, now, setup.report, f"the store {data}")

    _run(context, "report", work, json, after)


@app.command("list")
def list_(context: typer.Context, json: AsJson = False) -> None:
    """Show every job: when it is due, and how its last run went.

    \b
      recsys job list
      recsys job list --json | jq '.[] | select(.status != "done")'
    """
    from data import runs
    from data.store import Store

    setup: Setup = context.obj
    now = int(time.time())
    with Store.open(setup.store_url) as store:
        last, done = runs.last(store), runs.last(store, "done")
        first = {job: runs.first(store, job) for job in JOBS}
    rows = []
    for job in JOBS:
        run, well = last.get(job), done.get(job)
        since = well.started if well else first[job]
        stale = setup.jobs.stale(job, since) if since is not None else None
        rows.append(
            {
                "job": job,
                "cron": setup.jobs.of(job).cron,
                "timezone": setup.jobs.timezone,
                "due": setup.jobs.due(job, now),
                "last": runs.plain(run) if run else None,
                "status": run.status if run else None,
                "age": now - run.started if run else None,
                "succeeded": well.ended if well else None,
                "stale": stale is not None and now >= stale,
            }
        )
    if json:
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("job", "cron", "due (UTC)", "last run (UTC)", "ago", "status", "summary")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row, job in zip(rows, JOBS, strict=True):
        run = last.get(job)
        due = times.shown(row["due"]) if row["due"] else "never"
        ran = [times.shown(run.started), _span(now - run.started)] if run else ["never", ""]
        status = _status(run.status) + (" [red]stale[/]" if row["stale"] else "") if run else ""
        table.add_row(job, row["cron"] or "", due, *ran, status, _escaped(run))
    wide(160).print(table)


@app.command("log")
def log_(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="One job only.", show_default=False)] = "",
    most: Annotated[int, typer.Option(min=1, help="How many runs, the newest.")] = 20,
    json: AsJson = False,
) -> None:
    """Show how the last runs went, the newest first.

    \b
      recsys job log
      recsys job log retrain --most 100 --json
    """
    from data import runs
    from data.store import Store

    setup: Setup = context.obj
    if job:
        require_known("the job", [job], JOBS)
    with Store.open(setup.store_url) as store:
        found = runs.recent(store, job, most)
    if json:
        told = [runs.plain(run) for run in found]
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("began (UTC)", "job", "took", "status", "where", "summary")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for run in found:
        took = _span(run.ended - run.started) if run.ended else ""
        began = times.shown(run.started)
        table.add_row(began, run.job, took, _status(run.status), run.place, _escaped(run))
    wide(160).print(table)


def _run(context: typer.Context, job: str, work: Any, json: bool, after: str | None) -> None:
    """Run a job, print what became of it, and leave with its exit code."""
    from data import notices, runs
    from data.store import Store
    from training.jobs import Stopped, perform

    setup: Setup = context.obj
    log_for_whoever_watches()
    now = int(time.time())
    with Store.open(setup.store_url) as store:
        doing: Work = lambda lease: work(setup, store, lease, now)  # noqa: E731
        try:
            with Console(stderr=True).status(job):
                run, killed, error = perform(store, job, doing, now, after)
        except Busy as busy:
            _say(str(busy), error=True)
            raise typer.Exit(BUSY) from busy
        for one in (*killed[-1:], run):
            notices.tell(store, setup.alerts, one, int(time.time()))
    if json:
        told = runs.plain(run) | {"killed": [one.id for one in killed]}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        _say(f"{job} {run.status}: {run.summary}", error=error is not None)
    match error:
        case None:
            return
        case Held():
            raise typer.Exit(HELD)
        case Busy():
            raise typer.Exit(BUSY)
        case Stopped(number=number):
            raise typer.Exit(SIGNALLED + number)
        case RecsysError():
            raise typer.Exit(WRONG)
    import structlog

    log = structlog.get_logger(__name__)
    log.error("job failed", job=job, run=run.id, exc_info=error)
    raise typer.Exit(FAILED)


def _say(text: str, *, error: bool) -> None:
    Console(stderr=error, highlight=False, soft_wrap=True).print(text, markup=False)


def _status(status: str) -> str:
    return f"[{MARKS.get(status, 'red')}]{status}[/]"


def _escaped(run: "Run | None") -> str:
    from rich.markup import escape

    return escape(run.summary) if run else ""


def _span(seconds: int) -> str:
    """Return a span for people, to its largest unit or two."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
