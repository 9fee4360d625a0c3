"""Says in words who is ahead, so that nobody has to read it off a table."""

from dataclasses import dataclass
from typing import Literal

from training.evaluation import Contender, Difference, Evaluation, Measure

Verdict = Literal["ahead", "behind", "cannot tell"]

LEVEL = 0.05
"""Adjusted p below which a difference is taken to be no chance."""
ACCURACY = ("HR@10", "MRR@10", "nDCG@10", "AUC", "Recall@10", "Precision@10", "MAP@10")
"""Metrics of what was opened, the one that a task is judged by first."""
RIVALS = ("baseline", "peer")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Headline:
    """What came out of one task."""

    task: str
    verdict: Verdict | None
    """Of the reference beside its best rival; None where there is nothing to compare."""
    title: str
    sentences: tuple[str, ...]


def verdict(difference: Difference) -> Verdict:
    """Return where the system stands beside what it is compared with."""
    if difference.adjusted >= LEVEL or not difference.mean:
        return "cannot tell"
    return "ahead" if difference.mean > 0 else "behind"


def number(value: float, *, signed: bool = False) -> str:
    """Return a figure with three decimals, fewer where it is large, and a true minus sign."""
    digits = 3 if abs(value) < 10 else 1
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Return the bounds of an interval as words, empty where there is none."""
    if low is None or high is None:
        return ""
    return f"{number(low, signed=signed)} to {number(high, signed=signed)}"


def chance(p: float) -> str:
    """Return a p value as it is printed."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tasks(evaluation: Evaluation) -> list[str]:
    """Return the names of the tasks that something was measured on, in order."""
    return list(dict.fromkeys(measure.task for measure in evaluation.measures))


def judged_by(evaluation: Evaluation, task: str) -> str | None:
    """Return the metric that a task is judged by."""
    return next((metric for metric in ACCURACY if evaluation.select(task, metric)), None)


def rivals(evaluation: Evaluation, task: str, metric: str) -> list[Measure]:
    """Return what systems that are no part of the engine reach, the best first."""
    names = {s.name for s in evaluation.systems[1:] if s.kind in RIVALS}
    found = [m for m in evaluation.select(task, metric) if m.system in names]
    return sorted(found, key=lambda m: -m.mean)


def differences(evaluation: Evaluation, task: str, metric: str) -> dict[str, Difference]:
    """Return how far each system is above the reference, by its name."""
    reference = evaluation.systems[0].name
    return {
        d.system: d
        for d in evaluation.differences
        if d.task == task and d.metric == metric and d.against == reference
    }


def headline(evaluation: Evaluation, task: str) -> Headline:
    """Return what came out of ``task``, a rival's lead said as plainly as the reference's own."""
    reference = evaluation.systems[0]
    metric = judged_by(evaluation, task)
    if metric is None:
        return Headline(task, None, "Nothing was asked", ("No metric of accuracy was measured.",))
    own = evaluation.select(task, metric, system=reference.name)
    others = rivals(evaluation, task, metric)
    difference = differences(evaluation, task, metric).get(others[0].system) if others else None
    if not own or not others or difference is None:
        reached = f"{metric} is {_with_interval(own[0])} for {reference.name}." if own else ""
        return Headline(
            task,
            None,
            f"{reference.name} stands alone",
            (reached, "No simpler system was compared, so this says little about how good it is."),
        )
    best = others[0]
    stands = _turned(verdict(difference))
    count = len(others)
    which = "the only simpler system" if count == 1 else f"the best of {count} simpler systems"
    gap = abs(difference.mean)
    bounds = sorted((-difference.low, -difference.high))
    if difference.mean > 0:
        bounds = sorted((difference.low, difference.high))
    more = "less" if difference.mean > 0 else "more"
    sentences = (
        f"{metric} is {_with_interval(own[0])} for {reference.name} and {_with_interval(best)} for"
        f" {best.system}, {which}.",
        f"{_capital(reference.name)} has {number(gap)} {more} ({interval(*bounds)}; adjusted p"
        f" {_equal(difference.adjusted)}).",
        {
            "ahead": "That is more than chance would bring about.",
            "behind": f"{_capital(best.system)} wins, and by more than chance would bring about.",
            "cannot tell": "Chance may well have brought that about: neither is shown to be"
            " better.",
        }[stands],
    )
    titles = {
        "ahead": f"{reference.name} is ahead of {best.system}",
        "behind": f"{reference.name} is BEHIND {best.system}",
        "cannot tell": f"{reference.name} and {best.system} cannot be told apart",
    }
    return Headline(
        task, stands, titles[stands], sentences + _losses(evaluation, task, metric, reference)
    )


def _losses(
    evaluation: Evaluation, task: str, judged: str, reference: Contender
) -> tuple[str, ...]:
    """Say in which other metrics of accuracy a rival is certainly ahead of the reference."""
    names = {s.name for s in evaluation.systems if s.kind in RIVALS}
    said = []
    for metric in ACCURACY:
        found = differences(evaluation, task, metric).values()
        ahead = [d for d in found if d.system in names and verdict(d) == "ahead"]
        if metric != judged and ahead:
            best = max(ahead, key=lambda d: d.mean)
            said.append(
                f"In {metric}, {best.system} is ahead of {reference.name} by {number(best.mean)}"
                f" ({interval(best.low, best.high)})."
            )
    return tuple(said)


def _turned(of_rival: Verdict) -> Verdict:
    turned: dict[Verdict, Verdict] = {"ahead": "behind", "behind": "ahead"}
    return turned.get(of_rival, of_rival)


def _with_interval(measure: Measure) -> str:
    bounds = interval(measure.low, measure.high)
    return number(measure.mean) + (f" ({bounds})" if bounds else "")


def _equal(p: float) -> str:
    text = chance(p)
    return text if text.startswith("<") else f"= {text}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
