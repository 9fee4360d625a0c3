"""``recsys policy``: whether a policy is sound, and what another one would change."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli import diffed
from cli import setup as setups
from cli.consoles import wide
from cli.doubts import doubts
from cli.histories import day as named
from cli.histories import open_history
from cli.setup import Setup, parse_time
from recsys.config import Misread, Problem, flat
from recsys.errors import BundleMissing, DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from data.names import Names
    from recsys.bundle import Bundle
    from recsys.history import History
    from recsys.policy import Policy

DAY = 86_400

app = typer.Typer(help="Check a policy, and see what another one would change.")


@app.callback()
def policy() -> None:
    """Check a policy, and see what another one would change."""


@app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="The configuration to check; the one in use by default.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[
        int, typer.Option("-n", "--number", min=1, max=50, help="Cards of the usual box.")
    ] = 6,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List everything that is wrong in a configuration, and what surely is not meant.

    Wrong is what no command would start with. Warnings are about what is valid
    but does nothing, or cannot be done: names that no site, section or language
    has, quotas that cannot be met together, slots that no box has.
    Then the policy is shown as it holds, and what differs at each placement.

    \b
      recsys policy check                    the configuration in use
      recsys policy check new.toml --strict  exit code 2 where anything is odd

    Exit code: 0 where it is sound, 2 where anything is wrong (or odd, with --strict).
    """
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    setup = None
    try:
        setup = _setup(context, file)
        warnings = doubts(setup, _names(setup), n)
    except Misread as error:
        problems = error.problems
    if json:
        typer.echo(orjson.dumps(_checked(setup, problems, warnings), option=orjson.OPT_INDENT_2))
    else:
        if setup:
            out = wide(120)
            out.print(diffed.effective(setup.policy))
            where = setup.config or "There is no configuration, these are the defaults"
            odd = f"with warnings ({len(warnings)})" if warnings else "and nothing is odd"
            out.print(f"{where}: sound, {odd}.", soft_wrap=True, markup=False)
        notes = Console(stderr=True, highlight=False)
        for kind, told in (("error", problems), ("warning", warnings)):
            for problem in told:
                notes.print(f"{kind}: {problem}", soft_wrap=True, markup=False)
    if problems or (strict and warnings):
        raise typer.Exit(2)


@app.command()
def diff(
    context: typer.Context,
    first: Annotated[
        Path, typer.Argument(metavar="A", help="A configuration; the policy of before.")
    ],
    second: Annotated[
        Path | None,
        typer.Argument(
            metavar="[B]",
            help="The policy of after. Where there is only A, it is compared with what is in use.",
            show_default=False,
        ),
    ] = None,
    day: Annotated[
        str,
        typer.Option(
            metavar="DATE",
            help="The day (UTC) whose pages are played; the last whole day of the store if unset.",
            show_default=False,
        ),
    ] = "",
    requests: Annotated[
        int, typer.Option(min=0, help="About how many pages, drawn evenly; 0 for all.")
    ] = 2_000,
    placement: Annotated[
        str,
        typer.Option(
            help="Where the box stands: article, home (without an article above), newsletter, or a"
            " name of your own.",
        ),
    ] = "article",
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=50, help="Cards of the box.")] = 6,
    seed: Annotated[int, typer.Option(help="Draws the pages and the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show which settings differ, and what that would change on the pages of a day.

    Everything before the day is learned, the day is played again in its order,
    and on its pages both policies fill the box, right after readers opened them:
    same bundle, same knowledge of the moment, nothing left to chance.

    It tells what would be shown, not what would be clicked: readers saw neither
    slate. How often the article opened next is in a slate leans towards what
    the box of then showed. See recsys judge, and recsys experiment.

    \b
      recsys policy diff new.toml              the configuration in use → new.toml
      recsys policy diff old.toml new.toml --day 2026-11-20 --placement home
    """
    from training.pages import play, viewed
    from training.policies import compare

    used = _setup(context, None)
    old = setups.load(first, used.var) if second else used
    new = setups.load(second or first, used.var)
    names = str(first) if second else str(used.config or "defaults"), str(second or first)
    settings = differing(old.policy, new.policy)
    history, _, until = open_history(used, None, None, int(time.time()) + 1)
    start = _midnight(day) if day else (until - 1) // DAY * DAY - DAY
    views = viewed(history, start, start + DAY)
    if not views:
        begun, ended = (named(int(history.interactions.at[place])) for place in (0, -1))
        raise DataError(
            f"no article was opened on {named(start)[:10]}, so there is nothing to compare; the"
            f" store holds events from {begun} to {ended}, see --day"
        )
    bundle = _bundle(used, old, history, start)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("playing the day", total=views)
        pages = play(
            bundle,
            old.policy,
            new.policy,
            history,
            start=start,
            end=start + DAY,
            n=n,
            most=requests,
            placement=placement,
            seed=seed,
            tick=lambda: progress.advance(bar),
        )
    found = compare(pages, history, seed=seed)
    answer = {
        "before": names[0],
        "after": names[1],
        "settings": settings,
        "day": named(start)[:10],
        "bundle": bundle.id,
        "learned_until": bundle.manifest.data_until,
        "placement": placement,
        "seed": seed,
        "notes": _notes(old, new),
    }
    if json:
        told = answer | {"found": dataclasses.asdict(found)}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    diffed.show(answer, found)


def differing(old: "Policy", new: "Policy") -> dict[str, dict[str, Any]]:
    """Return the settings that two policies have different values of, by path; None is none."""
    before, after = flat(old), flat(new)
    return {
        path: {"before": before.get(path), "after": after.get(path)}
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    }


def _setup(context: typer.Context, file: Path | None) -> Setup:
    """Return a configuration, that in use where no file is named."""
    given = context.find_root().params
    return setups.load(file or given["config"], given["var"])


def _names(setup: Setup) -> "Names | None":
    """Return the names that the store knows, None where there is no store yet."""
    from data.names import names
    from data.store import Store

    if not setup.store.url and not (setup.var / "recsys.db").exists():
        return None
    with Store.open(setup.store_url) as store:
        found = names(store)
    return found if found.sites else None


def _checked(
    setup: Setup | None, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]
) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    placements: dict[str, Any] = {}
    if setup:
        policy = flat(setup.policy, "placements")
        placements = {
            name: {
                path: value for path, value in flat(other).items() if policy.get(path, ()) != value
            }
            for name, other in setup.policy.placements.items()
        }
    return {
        "file": str(setup.config) if setup and setup.config else None,
        "problems": problems,
        "warnings": warnings,
        "policy": policy,
        "placements": placements,
    }


def _midnight(day: str) -> int:
    return parse_time(day, "--day") // DAY * DAY


def _bundle(used: Setup, old: Setup, history: "History", start: int) -> "Bundle":
    """Return the current bundle where it ends before the day, else one that is learned now."""
    from recsys.bundle import current, open_bundle
    from training.learn import learn

    try:
        bundle = open_bundle(used.bundles / current(used.bundles))
        if bundle.manifest.data_until <= start:
            return bundle
    except BundleMissing:
        pass  # none was trained yet
    with Console(stderr=True).status("learning") as status:
        return learn(
            history.before(start),
            used.recipe,
            start,
            old.policy,
            report=lambda stage: status.update(f"learning: {stage.name}"),
        )


def _notes(old: Setup, new: Setup) -> list[str]:
    """Return what differs and is not told by a replay."""
    notes = []
    if old.recipe != new.recipe:
        notes.append("[train] differs, too: one bundle answers for both, so that is not compared")
    if flat(old.policy.still()) == flat(new.policy.still()) and old.policy != new.policy:
        notes.append("only exploration differs: what is tried out, a replay cannot tell")
    elif old.policy.exploration != new.policy.exploration:
        notes.append("exploration differs, too: what is tried out, a replay cannot tell")
    return notes
