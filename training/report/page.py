"""Writes an evaluation as one page that needs nothing else, for people who did not make it."""

import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.evaluation import Evaluation, Example
from training.report import figures as drawn
from training.report import plots, tables
from training.report.figures import Figure
from training.report.glossary import TERMS, explain, family
from training.report.tables import Table
from training.report.verdicts import Headline, headline, summary, tasks

MARKS = {"ahead": "▲", "behind": "▼", "cannot tell": "≈"}
HOUR, DAY = 3600, 86_400


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with what is below it."""

    title: str
    text: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """All about one task."""

    id: str
    headline: Headline
    standing: Figure | None
    parts: tuple[Part, ...]


def page(evaluation: Evaluation) -> str:
    """Return an HTML document with all that was found; it asks for nothing and runs no script."""
    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"drawing": drawing, "moment": moment, "span": span}
    chapters = [
        _chapter(evaluation, task, f"task-{n}") for n, task in enumerate(tasks(evaluation), 1)
    ]
    return environment.get_template("report.html").render(
        evaluation=evaluation,
        summary=summary(evaluation),
        chapters=chapters,
        kinds=_kinds(evaluation),
        examples=_examples(evaluation),
        costs=tables.costs(evaluation),
        settings=settings(evaluation),
        command=command(evaluation),
        glossary=_glossary(evaluation),
        marks=MARKS,
    )


def drawing(figure: Figure, id: str) -> Markup:
    """Return the drawing of a figure, named and described for who does not see it."""
    described = f"{figure.text} The figures are in the table below the drawing.".strip()
    return Markup(plots.accessible(figure.svg, id, figure.title, described))  # noqa: S704


def moment(at: int) -> str:
    """Return the time ``at``, UTC seconds, for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def span(seconds: int) -> str:
    """Return a length of time for people."""
    for unit, name in (DAY, "day"), (HOUR, "hour"), (60, "minute"):
        if seconds >= unit:
            count = f"{seconds / unit:.1f}".removesuffix(".0")
            return f"{count} {name}{'' if count == '1' else 's'}"
    return f"{seconds} seconds"


def settings(evaluation: Evaluation) -> str:
    """Return policy and recipe as the tables of a configuration, empty where nothing is known."""
    document = {
        name: _written(values)
        for name, values in (("policy", evaluation.policy), ("train", evaluation.recipe))
        if values
    }
    return tomlkit.dumps(document).strip()


def command(evaluation: Evaluation) -> str:
    """Return what to type to ask the same again: what was typed, with the days that it meant."""
    typed = shlex.split(evaluation.command)
    if not typed:
        typed = ["recsys", "evaluate", "--split", evaluation.split]
        typed += ["--warm-up", f"{evaluation.warm_up / HOUR:g}", "--seed", str(evaluation.seed)]
        for task in tasks(evaluation):
            typed += ["--task", task]
        for system in evaluation.systems:
            typed += ["--system", system.name]
    for option, at in ("--cut", evaluation.cut), ("--end", evaluation.end):
        if not any(word.partition("=")[0] == option for word in typed):
            typed += [option, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))]
    options = (
        f" \\\n    {word}" if word.startswith("--") else f" {word}"
        for word in map(shlex.quote, typed)
    )
    return "".join(options).strip()


def _chapter(evaluation: Evaluation, task: str, id: str) -> Chapter:
    reference = evaluation.systems[0].name
    rivals, own = tables.contenders(evaluation), tables.ablations(evaluation)
    main = tables.main(evaluation, task, rivals)
    rest, shares = tables.the_rest(evaluation, task), tables.shares(evaluation, task)
    parts = [
        Part(
            "Who does best",
            "The best first. What stands below a figure is its 95 % interval; a verdict is on the"
            f" difference to {reference}, question by question.",
            tuple(drawn.gaps(evaluation, task, rivals, f"Differences to {reference}")),
            (main,),
        ),
        Part("Over time", "", tuple(drawn.by_segment(evaluation, task, timed=True))),
        Part(
            "For whom and where",
            "The same figures where questions are told apart. Few questions make long whiskers.",
            tuple(drawn.by_segment(evaluation, task, timed=False)),
        ),
        Part(
            "What accuracy costs",
            "A box that shows everybody the same hits often and serves few articles.",
            (*drawn.trade_offs(evaluation, task), *drawn.breadth(evaluation, task)),
        ),
        Part(
            "Whether predictions can be believed",
            "",
            tuple(drawn.curves(evaluation, task)),
        ),
        Part("Where the links lead", "Shares of all links shown.", (), tuple(shares)),
        Part("Everything else", "", (), tuple(rest)),
    ]
    if own:
        part = Part(
            "What its parts are worth",
            "The same engine with a part of it switched off, or with one part alone. What is"
            f" below {reference} shows what the missing part adds.",
            tuple(drawn.gaps(evaluation, task, own, f"Parts beside {reference}")),
            (tables.ablation(evaluation, task, own),),
        )
        parts.insert(5, part)
    every = tables.every_difference(evaluation, task)
    if every.rows and len(every.head) > 1:
        text = f"Above {reference} is plus. A mark says where chance is ruled out."
        parts.append(Part("All differences", text, (), (every,)))
    standing = drawn.standing(evaluation, task)
    shown = tuple(part for part in parts if part.figures or any(t.rows for t in part.tables))
    found = headline(evaluation, task)
    return Chapter(id, found, standing[0] if standing else None, shown)


def _kinds(evaluation: Evaluation) -> dict[str, list[str]]:
    """Return the names of what was compared, by what kind of system it is."""
    found: dict[str, list[str]] = {}
    for system in evaluation.systems:
        found.setdefault(KINDS[system.kind], []).append(system.name)
    return found


KINDS = {
    "engine": "The engine",
    "ablation": "Parts of it",
    "baseline": "Simple systems",
    "peer": "Systems of others",
}


def _examples(evaluation: Evaluation) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for example in evaluation.examples:
        found.setdefault(example.task, []).append(example)
    return found


def _glossary(evaluation: Evaluation) -> dict[str, str]:
    """Return what words mean that stand on this page."""
    names = dict.fromkeys(family(m.metric) for m in evaluation.measures)
    metrics = {name: explain(name) for name in names}
    return {name: text for name, text in {**metrics, **TERMS}.items() if text}


def _written(values: Any) -> Any:
    """Return values as TOML knows them: nothing is unset, and what is no value is its text."""
    if isinstance(values, Mapping):
        return {str(name): _written(value) for name, value in values.items() if value is not None}
    if isinstance(values, str | bool | int | float):
        return values
    if isinstance(values, Iterable):
        return [_written(value) for value in values if value is not None]
    return str(values)
