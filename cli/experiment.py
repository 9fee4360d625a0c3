"""``recsys experiment``: which arm readers click more, and who is in which."""

import dataclasses
import time
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import verdicts
from cli.compared import Asked, Report, compare, told
from cli.consoles import wide
from cli.histories import day
from cli.setup import Setup, parse_time
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.inference import Interval

app = typer.Typer(
    help="Arms of an experiment: what came of them, who is in which.", no_args_is_help=True
)


@app.command()
def report(
    context: typer.Context,
    id: Annotated[
        str,
        typer.Argument(help="Which experiment; that of the configuration by default."),
    ] = "",
    per: Annotated[
        Literal["card", "slate", "reader"],
        typer.Option(help="What clicks are counted against; choose before you look."),
    ] = "card",
    against: Annotated[
        str,
        typer.Option(
            metavar="ARM",
            help="Compare the others with this arm; the first by default.",
            show_default=False,
        ),
    ] = "",
    effect: Annotated[
        float,
        typer.Option(
            min=0.001, max=10.0, help="A difference worth finding, in proportion to the rate."
        ),
    ] = 0.1,
    since: Annotated[
        str,
        typer.Option(help="Only what was seen from this time on (ISO 8601).", show_default=False),
    ] = "",
    until: Annotated[
        str, typer.Option(help="Only what was seen before this time.", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Tell which arm is clicked more, and how far to believe it.

    Readers are what is drawn, so intervals are over readers. There are two for
    each difference: one that holds for a single look at a time set beforehand,
    and a wider one that holds however often you look. Decide by the second, or
    by the first at the planned end.

    \b
      recsys experiment report
      recsys experiment report --per reader --effect 0.05
      recsys experiment report summer           one that is over
    """
    from data.exposures import exposures, labels
    from data.store import Store

    setup: Setup = context.obj
    first = parse_time(since, "--since") if since else 0
    end = parse_time(until, "--until") if until else int(time.time()) + 1
    if first >= end:
        raise DataError(f"--since {day(first)} is not before the end, {day(end)}")
    with Console(stderr=True).status("reading"), Store.open(setup.store_url) as store:
        asked = _asked(setup, id, labels(store), against)
        shown = exposures(store, [f"{asked.id}/{arm}" for arm in asked.arms])
    made = compare(asked, shown, first, end, per, effect)
    if json:
        typer.echo(orjson.dumps(told(made), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(made)


@app.command()
def assign(
    context: typer.Context,
    readers: Annotated[
        list[str], typer.Argument(help="Ids under which pages know readers.", metavar="READER...")
    ],
    session: Annotated[
        bool, typer.Option("--session", help="They are ids of sessions: readers without consent.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Tell which arm readers are in now, as the service does.

    \b
      recsys experiment assign anna@example.org
      recsys experiment assign --session tab-5f2c
    """
    setup: Setup = context.obj
    experiment = setup.experiment
    if experiment is None:
        raise ConfigError(_missing(setup))
    keyring, now = setup.load_keyring(), int(time.time())
    found = {}
    for reader in readers:
        pseudonym = keyring.session(reader) if session else keyring.visitor(reader)
        arm = experiment.arm_of(pseudonym, now)
        found[reader] = arm.name if arm else None
    if json:
        typer.echo(orjson.dumps({"experiment": experiment.id, "arms": found}).decode())
        return
    for reader, name in found.items():
        typer.echo(f"{reader}: {name or 'no arm, so [policy]'}")
    if now < experiment.start:
        typer.echo(f"{experiment.id} begins at {day(experiment.start)}.")
    elif experiment.end and now >= experiment.end:
        typer.echo(f"{experiment.id} ended at {day(experiment.end)}.")


def _missing(setup: Setup) -> str:
    return f"{setup.config or 'the configuration'} has no table [experiment]; expected one"


def _asked(setup: Setup, id: str, labels: list[str], against: str) -> Asked:
    """Return what the report is about: of the configuration, else what the store knows of it."""
    experiment = setup.experiment
    arms: dict[str, list[str]] = {}
    for label in labels:
        of, _, arm = label.partition("/")
        arms.setdefault(of, []).append(arm)
    known = sorted({*arms, *([experiment.id] if experiment else [])})
    if not id and experiment is None:
        named = f", or one of these ids: {', '.join(known)}" if known else ""
        raise ConfigError(_missing(setup) + named)
    if experiment is not None and id in ("", experiment.id):
        names = tuple(arm.name for arm in experiment.arms)
        asked = Asked(
            experiment.id,
            names,
            tuple(arm.share for arm in experiment.arms),
            experiment.start,
            experiment.end,
            tuple(arm for arm in arms.get(experiment.id, []) if arm not in names),
        )
    elif id in arms:
        asked = Asked(id, tuple(arms[id]))
    else:
        raise DataError(f"experiment {id!r} is unknown; known: {', '.join(known) or 'none'}")
    if against and against not in asked.arms:
        raise DataError(f"--against {against!r} is no arm; known: {', '.join(asked.arms)}")
    return asked if not against else _with_first(asked, asked.arms.index(against))


def _with_first(asked: Asked, place: int) -> Asked:
    order = [place, *(n for n in range(len(asked.arms)) if n != place)]
    arms = tuple(asked.arms[n] for n in order)
    shares = tuple(asked.shares[n] for n in order if asked.shares)
    return dataclasses.replace(asked, arms=arms, shares=shares)


def _print(made: Report) -> None:
    out = wide(120)
    units = ("card", "slate") if made.per != "reader" else ("slate", "reader")
    table = Table(
        *("arm", "readers", "slates", "cards seen", "clicks"),
        *(f"clicks per {unit}" for unit in units),
        title=f"{made.asked.id}, {verdicts.length(made.days)}",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, o in zip(made.asked.arms, made.outcomes, strict=True):
        counts = (f"{n:,}" for n in (o.readers, o.slates, o.cards, o.clicks))
        table.add_row(name, *counts, *(_rate(getattr(o, f"per_{unit}")) for unit in units))
    out.print(table)
    base, *others = made.asked.arms
    table = Table(
        *(f"above {base}", "difference", "for one look", "p", "at any time", "p"),
        title=f"clicks per {made.per}, 95 % intervals",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, compared in zip(others, made.comparisons, strict=True):
        d = compared.difference
        if d.once.low != d.once.low:
            table.add_row(name, *"-----")
            continue
        bounds = (verdicts.interval(d.once), _p(d.p_once), verdicts.interval(d.always))
        table.add_row(name, f"{d.once.mean:+.4f}", *bounds, _p(d.p_always))
    if made.readers:
        out.print(table)
        for compared in made.comparisons:
            out.print(Text(compared.verdict, "bold"), soft_wrap=True)
    for note in made.notes:
        out.print(Text(note), soft_wrap=True)


def _rate(found: "Interval") -> str:
    if found.low != found.low:
        return "-" if found.mean != found.mean else f"{found.mean:.4f}"
    return f"{found.mean:.4f} [dim]{found.low:.4f}-{found.high:.4f}[/]"


def _p(value: float) -> str:
    if value != value:
        return "-"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"
