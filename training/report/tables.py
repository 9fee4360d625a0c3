"""Lays figures out in rows and columns, the same for the page, for LaTeX and for screen readers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    verdict,
)

KINDS = {
    "engine": "this engine",
    "ablation": "a part of it",
    "baseline": "simple",
    "peer": "of others",
}
MAIN = ("HR@10", "MRR@10", "nDCG@10", "AUC")
SHARES = ("site", "section", "source", "hits by source")


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
    order = sorted(systems, key=lambda s: -ranked[s.name].mean if s.name in ranked else 1.0)
    rows = tuple(
        (
            Cell(system.name, detail=KINDS[system.kind]),
            *(measured(values[metric].get(system.name)) for metric in metrics),
            *beside(found.get(system.name)),
        )
        for system in order
    )
    asked = next((a for a in evaluation.asked if a.task == task), None)
    caption = f"{task}: {asked.questions:,} questions of {asked.of:,}" if asked else task
    head = ("system", *metrics, f"{judged} beside {reference}", "adjusted p", "verdict")
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


def the_rest(evaluation: Evaluation, task: str) -> Table:
    """Return what else was measured over all questions of ``task``, shares left out."""
    seen = {m.metric for m in evaluation.measures if m.task == task and not m.segment}
    known = [*ACCURACY, *ENTRIES, *sorted(seen)]
    metrics = [
        metric
        for metric in dict.fromkeys(known)
        if metric in seen and metric not in MAIN and family(metric) not in SHARES
    ]
    values = {metric: _by_system(evaluation.select(task, metric)) for metric in metrics}
    rows = tuple(
        (Cell(s.name), *(measured(values[metric].get(s.name)) for metric in metrics))
        for s in evaluation.systems
    )
    strong = evaluation.systems[0].name
    return Table(f"{task}: everything else", ("system", *metrics), rows, strong)


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
    ranked = _by_system(evaluation.select(task, metric)) if metric else {}
    names = [s.name for s in others if s.kind in RIVALS and s.name in ranked]
    return [first.name, *sorted(names, key=lambda name: -ranked[name].mean)][:count]


def measured(measure: Measure | None) -> Cell:
    """Return the cell of a measure, a dash where there is none."""
    if measure is None:
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
