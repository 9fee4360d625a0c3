"""``recsys judge``: what another policy would have earned on the slates that were logged."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli import judged
from cli import setup as setups
from cli.histories import day, open_history
from cli.setup import Setup, parse_time, require_known
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.bundle import Bundle
    from recsys.history import History
    from recsys.offpolicy import Estimate
    from recsys.replay import System
    from training.hindsight import Fill
    from training.offpolicy import LoggedSlate, Target

ENGINE, RANDOM = "engine", "random"
USUAL = (ENGINE, "recent popularity (1 h)", "most popular", "latest")
FILLS = ("order", "slate")


def judge(
    context: typer.Context,
    cut: Annotated[
        str,
        typer.Option(
            help="Learn from what was before this time (ISO 8601), judge by slates from it on; a"
            " week before the end if unset.",
            show_default=False,
        ),
    ] = "",
    end: Annotated[
        str,
        typer.Option(
            help="Judge by slates before this time; the last event's by default.",
            show_default=False,
        ),
    ] = "",
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Judge the engine as this configuration would have it, too.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="What to judge: engine, random, or another system that recsys evaluate knows. The"
            " engine and simple baselines by default.",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="Judge this bundle instead of learning one from before the cut.",
            show_default=False,
        ),
    ] = "",
    fill: Annotated[
        str,
        typer.Option(
            help="order: the cards that were shown in another order, where boxes shuffle them."
            " slate: the box filled anew, where chance took part in filling it. As the log"
            " has it by default.",
            show_default=False,
        ),
    ] = "",
    clip: Annotated[
        float | None,
        typer.Option(
            help="Count heavier weights as this: steadier, but biased. None by default.",
            show_default=False,
        ),
    ] = None,
    slates: Annotated[
        int, typer.Option(min=0, help="About how many slates, drawn evenly; 0 for all.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Draws the slates.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Tell from the slates that were logged what others would have earned.

    Boxes that leave something to chance, and log how likely each card was,
    tell what readers would have clicked had other cards stood there, without
    showing anything to anybody. Each policy is learned from before the cut and
    sees the log in its order, so it knows what it would have known then.

    Weights (how likely the policy shows a card, by how likely the log did)
    give an estimate with an interval that holds the truth in 95 of 100 logs.
    Where the log cannot tell, that is said instead of a number.

    \b
      recsys judge                               the last week of the store
      recsys judge --policy bold.toml --policy shy.toml
      recsys judge --system engine --system random --cut 2026-11-01 --json
    """
    from training.hindsight import even, seen
    from training.systems import SYSTEMS

    setup: Setup = context.obj
    require_known("--system", system or (), (*SYSTEMS, RANDOM))
    require_known("--fill", [fill] if fill else (), FILLS)
    systems = tuple(dict.fromkeys(system or USUAL))
    if clip is not None and not clip > 0:
        raise ConfigError(f"--clip {clip} is no bound of weights; expected more than 0")
    others = {str(file): setups.load(file, setup.var) for file in policy or ()}
    until = parse_time(end, "--end") if end else int(time.time()) + 1
    history, start, until = open_history(
        setup, None, parse_time(cut, "--cut") if cut else None, until
    )
    if start >= until:
        raise DataError(f"--cut {day(start)} is not before the end, {day(until)}")
    every = _some(seen(history.interactions, start, until), history, setup, start, until)
    chosen: Fill = "slate"
    if fill == "order" or (not fill and 2 * sum(map(even, every)) > len(every)):
        chosen = "order"
    usable = tuple(filter(even, every)) if chosen == "order" else every
    drawn = _drawn(usable, slates, seed)
    if chosen == "slate" and RANDOM in systems:
        raise DataError(
            "--system 'random' puts the shown cards in any order; with --fill slate expected others"
        )
    answer: dict[str, Any] = {
        "cut": start,
        "end": until,
        "fill": chosen,
        "seed": seed,
        "logged": len(every),
        "set_aside": len(every) - len(usable),
        "slates": len(drawn),
        "cards": sum(len(s.rows) for s in drawn),
        "left_to_chance": sum(int((s.propensity < 1.0).sum()) for s in drawn),
        "targets": [],
    }
    answer["refusal"] = _refusal(answer)
    if not answer["refusal"]:
        targets = _targets(history, setup, others, systems, bundle, drawn, start, until, chosen)
        answer["targets"] = [
            {"target": name, "estimates": _estimates(drawn, target, clip)}
            for name, target in targets
        ]
    if json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    judged.show(answer)


def _some(
    slates: "tuple[LoggedSlate, ...]", history: "History", setup: Setup, start: int, until: int
) -> "tuple[LoggedSlate, ...]":
    """Return ``slates``; raises ``DataError`` where there is none, saying what there is."""
    if slates:
        return slates
    events = history.interactions
    boxed = events.at[events.slate >= 0]
    if not len(boxed):
        raise DataError(
            f"no event before {day(until)} in the store {setup.store_url} says of which slate it"
            " is; expected impressions and clicks with slate, position and propensity, as the"
            " widget sends them"
        )
    raise DataError(
        f"no slate was first seen from {day(start)} to {day(until)}; the store holds some from"
        f" {day(int(boxed[0]))} to {day(int(boxed[-1]))}, see --cut and --end"
    )


def _drawn(slates: "tuple[LoggedSlate, ...]", most: int, seed: int) -> "tuple[LoggedSlate, ...]":
    import numpy as np

    if not most or most >= len(slates):
        return slates
    places = np.random.default_rng(seed).choice(len(slates), most, replace=False)
    return tuple(slates[place] for place in np.sort(places).tolist())


def _refusal(answer: dict[str, Any]) -> str:
    """Return why the log cannot answer at all, nothing where it may."""
    if not answer["slates"]:
        return (
            "No slate shows its cards in an order that was drawn evenly: the log cannot tell what"
            " another order would have earned. See --fill slate."
        )
    if not answer["left_to_chance"]:
        return (
            "Nothing was left to chance: every card stood where it stood for certain, so the log"
            " cannot tell what others would have earned in its place. Set [policy] exploration"
            " above 0, and ask again when readers have seen what it shows."
        )
    return ""


def _targets(
    history: "History",
    setup: Setup,
    others: dict[str, Setup],
    systems: tuple[str, ...],
    bundle: str,
    slates: "tuple[LoggedSlate, ...]",
    start: int,
    until: int,
    fill: "Fill",
) -> "Iterator[tuple[str, Target]]":
    """Yield each policy with its name."""
    from training.hindsight import hindsight
    from training.learn import learn, taught
    from training.offpolicy import shuffled
    from training.systems import SYSTEMS, Given

    bundles: dict[str, Bundle] = {}

    def made(name: str, under: Setup) -> "System":
        key = bundle or f"{under.recipe.hash} {taught(under.policy).id}"
        if key not in bundles and bundle:
            bundles[key] = _opened(setup, bundle, start)
        elif key not in bundles:
            bundles[key] = learn(history.before(start), under.recipe, start, under.policy)
        given = Given(bundles[key], under.policy, history, start, 0)
        return SYSTEMS[name].make(given)

    wanted = [(name, name, setup) for name in systems]
    wanted[1:1] = [(file, ENGINE, under) for file, under in others.items()]
    openings = len(history.interactions.reads().between(start, until))
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        for label, name, under in wanted:
            if name == RANDOM:
                yield label, shuffled
                continue
            system = made(name, under)
            bar = progress.add_task(escape(label), total=openings)
            yield (
                label,
                hindsight(
                    system,
                    history,
                    slates,
                    cut=start,
                    end=until,
                    fill=fill,
                    tick=lambda bar=bar: progress.advance(bar),
                ),
            )


def _opened(setup: Setup, id: str, start: int) -> "Bundle":
    """Return a bundle from the shelf, unless it has seen the clicks that it would be judged by."""
    from recsys.bundle import open_bundle

    found = open_bundle(setup.bundles / id)
    if found.manifest.data_until > start:
        raise DataError(
            f"bundle {id} has learned from what was before {day(found.manifest.data_until)}, and"
            f" the slates that it would be judged by begin at {day(start)}; expected a --cut no"
            " earlier, or no --bundle"
        )
    return found


def _estimates(
    slates: "tuple[LoggedSlate, ...]", target: "Target", clip: float | None
) -> "tuple[Estimate, ...]":
    from training.offpolicy import click_rates
    from training.offpolicy import judge as judged

    return judged(slates, target, fit=click_rates, clip=clip)
