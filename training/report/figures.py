"""Chooses what an evaluation is drawn as, each figure with the table that says the same."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.arrays import Float64
from training.evaluation import Contender, Evaluation, Measure, Point
from training.report import plots
from training.report.glossary import CURVES, SEGMENTS, explain
from training.report.plots import Series
from training.report.tables import (
    Cell,
    Table,
    best_first,
    contenders,
    every_difference,
    leaders,
    measured,
)
from training.report.verdicts import differences, interval, judged_by, number

ON_TOP = 8
"""Systems in the first figure of a task: the reference and the best of the others."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing for who sees it, and a table for who does not or wants the figures."""

    title: str
    svg: str
    table: Table
    text: str = ""
    """How to read it."""
    legend: tuple[str, ...] = field(default=())
    """Names of the series, in order; empty where there is one only."""


def standing(evaluation: Evaluation, task: str) -> list[Figure]:
    """Return what the reference and its best rivals reach in the metric that decides."""
    metric = judged_by(evaluation, task)
    first, *others = contenders(evaluation)
    found = _finite(evaluation.select(task, metric)) if metric else []
    of_system = {m.system: m for m in found}
    best = [first, *best_first(others, found)[: ON_TOP - 1]]
    shown = [of_system[s.name] for s in best_first(best, found) if s.name in of_system]
    if metric is None or len(shown) < 2:
        return []
    return [_ranking(metric, shown, first.name, f"{task}: {metric}")]


def gaps(
    evaluation: Evaluation, task: str, systems: Sequence[Contender], title: str
) -> list[Figure]:
    """Return how far ``systems`` are above or below the reference in the metric that decides."""
    metric = judged_by(evaluation, task)
    found = differences(evaluation, task, metric) if metric else {}
    names = [s.name for s in systems if s.name in found and math.isfinite(found[s.name].mean)]
    names.sort(key=lambda name: -found[name].mean)
    if metric is None or not names:
        return []
    series = Series(
        metric,
        _array(found[name].mean for name in names),
        _array(found[name].low for name in names),
        _array(found[name].high for name in names),
    )
    reference = plots.shortened(evaluation.systems[0].name)
    table = every_difference(evaluation, task)
    rows = tuple(row for row in table.rows if row[0].text in names)
    return [
        Figure(
            title,
            plots.dots(names, [series], f"{metric} above {reference}", zero=True),
            Table(title, table.head, rows),
            f"The line at 0 is {evaluation.systems[0].name}. What lies left of it with its whole"
            " whisker is worse, what lies right of it is better.",
        )
    ]


def by_segment(evaluation: Evaluation, task: str, *, timed: bool) -> list[Figure]:
    """Return the metric that decides in every part of the questions: by time, or else by kind."""
    segments = dict.fromkeys(m.segment for m in evaluation.measures if m.task == task)
    known = [s for s in SEGMENTS if s in segments] + [s for s in segments if s not in SEGMENTS]
    figures: list[Figure] = []
    for segment in known:
        if segment and (segment in ("day", "hour")) == timed:
            figures += _segment(evaluation, task, segment)
    return figures


def trade_offs(evaluation: Evaluation, task: str) -> list[Figure]:
    """Return accuracy beside what may have to be paid with it."""
    metric = judged_by(evaluation, task)
    if metric is None:
        return []
    accuracy = {m.system: m for m in _finite(evaluation.select(task, metric))}
    figures = []
    for other in ("diversity", "other sites"):
        beside = {m.system: m for m in _finite(evaluation.select(task, other))}
        names = [s.name for s in contenders(evaluation) if s.name in accuracy and s.name in beside]
        if len(names) < 2 or names[0] != evaluation.systems[0].name:
            continue
        title = f"{metric} against {other}"
        rows = tuple((Cell(n), measured(accuracy[n]), measured(beside[n])) for n in names)
        svg = plots.scatter(
            names,
            _array(beside[name].mean for name in names),
            _array(accuracy[name].mean for name in names),
            (other, metric),
        )
        text = (
            "Up is more accurate, right is more of the other: what is above and right of a system"
            " beats it in both."
        )
        figures.append(Figure(title, svg, Table(title, ("system", metric, other), rows), text))
    return figures


def breadth(evaluation: Evaluation, task: str) -> list[Figure]:
    """Return how much of all articles systems show, and how evenly."""
    figures = []
    for metric in ("coverage", "Gini"):
        found = {m.system: m for m in _finite(evaluation.select(task, metric))}
        shown = [found[s.name] for s in contenders(evaluation) if s.name in found]
        if len(shown) > 1:
            ranked = sorted(shown, key=lambda m: m.mean if metric == "Gini" else -m.mean)
            reference = evaluation.systems[0].name
            title = {"coverage": "Coverage", "Gini": "Unevenness (Gini)"}[metric]
            figures.append(_ranking(metric, ranked, reference, title, explain(metric)))
    return figures


def curves(evaluation: Evaluation, task: str) -> list[Figure]:
    """Return calibration, position bias, and whatever else was found as points of a curve."""
    mine = [p for p in evaluation.points if p.task == task and math.isfinite(p.x + p.y)]
    order = [s.name for s in evaluation.systems]
    best = [*leaders(evaluation, task, len(order)), *order]
    figures = []
    for curve in dict.fromkeys(point.curve for point in mine):
        of_curve = [point for point in mine if point.curve == curve]
        having = {point.system for point in of_curve}
        systems = [s for s in dict.fromkeys([*best, *sorted(having)]) if s in having][:3]
        of_system = {s: sorted(_of(s, of_curve), key=lambda p: p.x) for s in systems}
        if max(map(len, of_system.values())) > 1:
            figures.append(_curve(curve, of_system))
    return figures


def _ranking(
    metric: str, shown: Sequence[Measure], reference: str, title: str, text: str = ""
) -> Figure:
    """Return a row for each of ``shown``, best first, among which ``reference`` stands out."""
    names = [m.system for m in shown]
    strong = names.index(reference) if reference in names else None
    rows = tuple((Cell(m.system), measured(m)) for m in shown)
    table = Table(title, ("system", metric), rows, reference)
    return Figure(
        title, plots.dots(names, [_series(metric, shown)], metric, strong=strong), table, text
    )


def _segment(evaluation: Evaluation, task: str, segment: str) -> list[Figure]:
    known = [m for m in evaluation.measures if m.task == task and m.segment == segment]
    judged = judged_by(evaluation, task)
    metric = judged if any(m.metric == judged for m in known) else known[0].metric
    found = {(m.part, m.system): m for m in known if m.metric == metric}
    parts = list(dict.fromkeys(part for part, _ in found))
    systems = [s for s in leaders(evaluation, task) if any((p, s) in found for p in parts)]
    if len(parts) < 2 or not systems:
        return []
    title, text = SEGMENTS.get(segment, (f"By {segment}", ""))
    series = [_series(s, [found.get((part, s)) for part in parts]) for s in systems]
    if segment in ("day", "hour"):
        svg = plots.lines(series, ("", metric), parts=[_short(part) for part in parts])
    else:
        svg = plots.dots(parts, series, metric)
    rows = tuple(
        (
            Cell(part),
            Cell(f"{max(m.questions for (p, _), m in found.items() if p == part):,}"),
            *(measured(found.get((part, s))) for s in systems),
        )
        for part in parts
    )
    table = Table(f"{title}: {metric}", (segment, "questions", *systems), rows)
    return [Figure(title, svg, table, text, tuple(systems))]


def _curve(curve: str, of_system: dict[str, list[Point]]) -> Figure:
    calibration = curve == "calibration"
    titles = {"calibration": "Calibration", "position": "Position bias"}
    axes = {
        "calibration": ("predicted click rate", "observed click rate"),
        "position": ("slot of the box, from the top", "click rate"),
    }.get(curve, ("x", "y"))
    series = [
        Series(
            name,
            _array(p.y for p in points),
            _array(p.low for p in points),
            _array(p.high for p in points),
            _array(p.x for p in points),
        )
        for name, points in of_system.items()
    ]
    rows = tuple(
        (
            Cell(name),
            Cell(number(p.x) if calibration else f"{p.x:g}", p.x),
            Cell(number(p.y), p.y, interval(p.low, p.high)),
            Cell(f"{p.count:,}", p.count),
        )
        for name, points in of_system.items()
        for p in points
    )
    title = titles.get(curve, curve)
    table = Table(title, ("system", *axes, "cards"), rows)
    svg = plots.lines(series, axes, diagonal=calibration)
    return Figure(title, svg, table, CURVES.get(curve, ""), tuple(of_system))


def _series(name: str, measures: Sequence[Measure | None]) -> Series:
    """Return a series with NaN where there is no measure, and no bounds where none has any."""
    y = _array(math.nan if m is None else m.mean for m in measures)
    low = _array(math.nan if m is None or m.low is None else m.low for m in measures)
    high = _array(math.nan if m is None or m.high is None else m.high for m in measures)
    return Series(name, y, low, high) if np.isfinite(low).any() else Series(name, y)


def _finite(measures: Iterable[Measure]) -> list[Measure]:
    return [m for m in measures if math.isfinite(m.mean)]


def _of(system: str, points: Iterable[Point]) -> list[Point]:
    return [point for point in points if point.system == system]


def _short(part: str) -> str:
    """Return a date without its year, as there is little room below a line."""
    return part[5:] if len(part) == 10 and part[4::3] == "--" else part


def _array(values: Iterable[float]) -> Float64:
    return np.array(list(values), np.float64)
