"""Lays figures out in rows and columns, the same for the page, for LaTeX and for screen readers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from training.evaluation import Contender, Difference, Evaluation, Measure
from training.report.glossary import ENTRIES, family
from training.report.verdicts import (
    ACCURACY,
    RIVALS,
    Verdict,
    chance,
    differences,
    interval,
    judged_by,
    number,
    tasks,
    verdict,
)

KINDS = {
    "engine": "this engine",
    "ablation": "a part of it",
    "baseline": "simple",
    "peer": "of others",
}
MAIN = ("HR@10", "AUC", "MRR@10", "nDCG@10")
SHARES = ("site", "section", "source", "hits by source")
COLUMNS = 7
"""Metrics that stand side by side on a sheet of paper."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure with what belongs to it."""

    text: str
    value: float | None = None
    """In full, where ``text`` is rounded."""
    detail: str = ""
    """Such as the interval."""
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column heads, and rows whose first cell is their head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    strong: str = ""
    """Head of the row that the others are compared with."""


NONE = Cell("–")


def main(evaluation: Evaluation, task: str, systems: Sequence[Contender]) -> Table:
    """Return what ``systems`` reach on ``task`` beside the reference, the best first."""
    reference = evaluation.systems[0].name
    judged = judged_by(evaluation, task)
    metrics = [m for m in MAIN if evaluation.select(task, m)] or ([judged] if judged else [])
    values = {metric: _by_system(evaluation.select(task, metric)) for metric in metrics}
    found = differences(evaluation, task, judged) if judged else {}
    ranked = values.get(judged or "", {})
    tested = any(system.name in found for system in systems)
    rows = tuple(
        (
            Cell(system.name, detail=KINDS[system.kind]),
            *(measured(values[metric].get(system.name)) for metric in metrics),
            *(beside(found.get(system.name)) if tested else ()),
        )
        for system in best_first(systems, ranked.values())
    )
    asked = next((a for a in evaluation.asked if a.task == task), None)
    caption = f"{task}: {asked.questions:,} questions of {asked.of:,}" if asked else task
    head = ("system", *metrics)
    if tested:
        head = (*head, f"{judged} beside {reference}", "adjusted p", "verdict")
    return Table(caption, head, rows, reference)


def every_difference(evaluation: Evaluation, task: str) -> Table:
    """Return how far each system is above the reference, in each metric that was compared."""
    reference = evaluation.systems[0].name
    named = [d.metric for d in evaluation.differences if d.task == task]
    metrics = list(dict.fromkeys(named))
    found = {metric: differences(evaluation, task, metric) for metric in metrics}
    rows = tuple(
        (
            Cell(system.name),
            *(_difference(found[metric].get(system.name)) for metric in metrics),
        )
        for system in evaluation.systems[1:]
        if any(system.name in of_metric for of_metric in found.values())
    )
    return Table(f"{task}: differences to {reference}", ("system", *metrics), rows)


def the_rest(evaluation: Evaluation, task: str) -> list[Table]:
    """Return what else was measured over all questions of ``task``, shares left out.

    Metrics that the glossary does not know come last, in tables no wider than a sheet of paper.
    """
    seen = {m.metric for m in evaluation.measures if m.task == task and not m.segment}
    seen = {metric for metric in seen if metric not in MAIN and family(metric) not in SHARES}
    accuracy = [metric for metric in ACCURACY if metric in seen]
    beyond = [metric for metric in ENTRIES if metric in seen and metric not in accuracy]
    beyond += sorted(seen - {*accuracy, *beyond})
    found = [_by_metric(evaluation, task, f"{task}: more on what was opened", accuracy)]
    for start in range(0, len(beyond), COLUMNS):
        title = "further figures" if start else "beyond what was opened"
        some = beyond[start : start + COLUMNS]
        found.append(_by_metric(evaluation, task, f"{task}: {title}", some))
    return [table for table in found if table.rows]


def shares(evaluation: Evaluation, task: str) -> list[Table]:
    """Return which sites, sections and sources were shown, and which sources were opened."""
    found = [
        _shares(evaluation, task, f"{task}: links to each {kind}", kind)
        for kind in ("site", "section")
    ]
    reference = evaluation.systems[0].name
    columns = {
        head: {
            m.metric.partition(": ")[2]: m
            for m in evaluation.measures
            if m.task == task
            and not m.segment
            and m.system == reference
            and family(m.metric) == metric
        }
        for head, metric in (("of its links", "source"), ("of its hits", "hits by source"))
    }
    columns = {head: of_name for head, of_name in columns.items() if of_name}
    names = dict.fromkeys(name for of_name in columns.values() for name in of_name)
    rows = tuple(
        (Cell(name), *(measured(of_name.get(name)) for of_name in columns.values()))
        for name in names
    )
    sources = Table(f"{task}: where {reference} has it from", ("source", *columns), rows)
    return [table for table in (*found, sources) if table.rows]


def costs(evaluation: Evaluation) -> Table:
    """Return what each system cost."""
    rows = tuple(
        (
            Cell(system.name, detail=KINDS[system.kind]),
            Cell(f"{system.milliseconds:,.2f}", system.milliseconds),
            Cell(f"{system.fit_seconds:,.1f}", system.fit_seconds) if system.fit_seconds else NONE,
            Cell(f"{system.fit_peak_bytes / 1e6:,.0f}", system.fit_peak_bytes / 1e6)
            if system.fit_peak_bytes
            else NONE,
        )
        for system in evaluation.systems
    )
    head = ("system", "an answer, ms", "learning, s", "memory to learn, MB")
    return Table("What each system costs", head, rows, evaluation.systems[0].name)


def every(evaluation: Evaluation) -> list[Table]:
    """Return all tables that have rows, in the order of the page."""
    found = []
    for task in tasks(evaluation):
        found += [main(evaluation, task, contenders(evaluation))]
        if parts := ablations(evaluation):
            found += [ablation(evaluation, task, parts)]
        found += [every_difference(evaluation, task), *the_rest(evaluation, task)]
        found += shares(evaluation, task)
    return [table for table in (*found, costs(evaluation)) if table.rows and len(table.head) > 1]


def ablation(evaluation: Evaluation, task: str, parts: Sequence[Contender]) -> Table:
    """Return what the reference reaches with some of its parts only."""
    whole = main(evaluation, task, [evaluation.systems[0], *parts])
    rows = tuple((replace(head, detail=""), *cells) for head, *cells in whole.rows)
    return replace(whole, caption=f"{task}: what each part is worth", rows=rows)


def contenders(evaluation: Evaluation) -> list[Contender]:
    """Return the reference and what it must beat: all but its own parts."""
    first, *others = evaluation.systems
    return [first, *(s for s in others if s.kind not in ("ablation",))]


def ablations(evaluation: Evaluation) -> list[Contender]:
    """Return the reference's own parts."""
    return [s for s in evaluation.systems[1:] if s.kind == "ablation"]


def leaders(evaluation: Evaluation, task: str, count: int = 3) -> list[str]:
    """Return the reference and its best rivals, at most ``count`` of them together."""
    metric = judged_by(evaluation, task)
    first, *others = evaluation.systems
    found = evaluation.select(task, metric) if metric else []
    rivals = [s for s in others if s.kind in RIVALS and s.name in _by_system(found)]
    return [first.name, *(s.name for s in best_first(rivals, found))][:count]


def best_first(systems: Iterable[Contender], measures: Iterable[Measure]) -> list[Contender]:
    """Return ``systems`` by what they reach, those of which nothing is known last."""
    means = {measure.system: measure.mean for measure in measures}
    means = {system: mean for system, mean in means.items() if math.isfinite(mean)}
    return sorted(systems, key=lambda system: -means.get(system.name, -math.inf))


def measured(measure: Measure | None) -> Cell:
    """Return the cell of a measure, a dash where there is none."""
    if measure is None or not math.isfinite(measure.mean):
        return NONE
    return Cell(number(measure.mean), measure.mean, interval(measure.low, measure.high))


def beside(difference: Difference | None) -> tuple[Cell, Cell, Cell]:
    """Return difference, p and verdict as three cells."""
    if difference is None:
        return NONE, NONE, NONE
    stands = verdict(difference)
    return (
        _difference(difference, alone=False),
        Cell(chance(difference.adjusted), difference.adjusted),
        Cell(stands, verdict=stands),
    )


def _difference(difference: Difference | None, *, alone: bool = True) -> Cell:
    if difference is None:
        return NONE
    return Cell(
        number(difference.mean, signed=True),
        difference.mean,
        interval(difference.low, difference.high, signed=True),
        verdict(difference) if alone else None,
    )


def _by_system(measures: Iterable[Measure]) -> dict[str, Measure]:
    return {measure.system: measure for measure in measures}


def _by_metric(evaluation: Evaluation, task: str, caption: str, metrics: Sequence[str]) -> Table:
    values = {metric: _by_system(evaluation.select(task, metric)) for metric in metrics}
    rows = tuple(
        (Cell(s.name), *(measured(values[metric].get(s.name)) for metric in metrics))
        for s in evaluation.systems
        if any(s.name in of_metric for of_metric in values.values())
    )
    return Table(caption, ("system", *metrics), rows, evaluation.systems[0].name)


def _shares(evaluation: Evaluation, task: str, caption: str, kind: str) -> Table:
    systems = leaders(evaluation, task)
    found: dict[str, dict[str, Measure]] = {}
    for m in evaluation.measures:
        if m.task == task and not m.segment and m.system in systems and family(m.metric) == kind:
            found.setdefault(m.metric.partition(": ")[2], {})[m.system] = m
    names = sorted(found, key=lambda name: -_largest(found[name].values()))
    rows = tuple(
        (Cell(name), *(measured(found[name].get(system)) for system in systems)) for name in names
    )
    return Table(caption, (kind, *systems), rows)


def _largest(measures: Iterable[Measure]) -> float:
    return max((m.mean for m in measures if math.isfinite(m.mean)), default=0.0)
