"""Says in words who is ahead, so that nobody has to read it off a table."""

import math
from dataclasses import dataclass
from typing import Literal

from training.evaluation import Difference, Evaluation, Measure

Verdict = Literal["ahead", "behind", "cannot tell"]

LEVEL = 0.05
"""Adjusted p below which a difference is taken to be no chance."""
ACCURACY = ("HR@10", "AUC", "MRR@10", "nDCG@10", "Recall@10", "Precision@10", "MAP@10")
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
    if not difference.adjusted < LEVEL or not difference.mean:
        return "cannot tell"
    return "ahead" if difference.mean > 0 else "behind"


def number(value: float, *, signed: bool = False) -> str:
    """Return a figure with three decimals, fewer where it is large, and a true minus sign."""
    if not math.isfinite(value):
        return "–"
    digits = 3 if abs(value) < 10 else 1
    text = f"{value:{'+' if signed else ''}z,.{digits}f}"
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Return the bounds of an interval as words, empty where there is none."""
    if low is None or high is None or not math.isfinite(low + high):
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
    found = [
        m for m in evaluation.select(task, metric) if m.system in names and math.isfinite(m.mean)
    ]
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
    name = evaluation.systems[0].name
    metric = judged_by(evaluation, task)
    own = evaluation.select(task, metric, system=name) if metric else []
    if metric is None or not own or not math.isfinite(own[0].mean):
        said = "There was no question of which anything could be learned about accuracy."
        return Headline(task, None, "Nothing can be said", (said,))
    others = rivals(evaluation, task, metric)
    reached = f"{metric} is {_with_interval(own[0])} for {name}"
    if not others:
        alone = "No other system was compared, so this says little about how good it is."
        return Headline(task, None, f"{name} stands alone", (f"{reached}.", alone))
    best = others[0]
    which = "the only other system" if len(others) == 1 else f"the best of {len(others)} others"
    reached = f"{reached} and {_with_interval(best)} for {best.system}, {which}."
    difference = differences(evaluation, task, metric).get(best.system)
    if difference is None:
        untested = "The difference was not tested, so nobody knows how much of it is chance."
        title = f"{name} and {best.system} were not tested"
        return Headline(task, None, title, (reached, untested))
    stands = _turned(verdict(difference))
    bounds = sorted((-difference.low, -difference.high))
    if difference.mean > 0:
        bounds = sorted((difference.low, difference.high))
    sentences = (
        *_in_a_hundred(metric, own[0], best),
        reached,
        f"{_capital(name)} has {number(abs(difference.mean))}"
        f" {'less' if difference.mean > 0 else 'more'} ({interval(*bounds)}; adjusted p"
        f" {_equal(difference.adjusted)}).",
        {
            "ahead": "That is more than chance would bring about.",
            "behind": f"{_capital(best.system)} wins, and by more than chance would bring about.",
            "cannot tell": "Chance may well have brought that about: neither is shown to be"
            " better.",
        }[stands],
        *_alone(difference, stands),
        *_losses(evaluation, task, metric, name),
    )
    titles = {
        "ahead": f"{name} is ahead of {best.system}",
        "behind": f"{name} is behind {best.system}",
        "cannot tell": f"{name} and {best.system} cannot be told apart",
    }
    return Headline(task, stands, titles[stands], sentences)


def summary(evaluation: Evaluation) -> str:
    """Return what came out of all tasks, in one line."""
    found = [headline(evaluation, task) for task in tasks(evaluation)]
    if len(found) == 1:
        return _capital(found[0].title)
    stands = [one.verdict for one in found if one.verdict]
    if not stands:
        return "Nothing was compared"
    name = _capital(evaluation.systems[0].name)
    which = "both" if len(stands) == 2 else f"all {len(stands)}"
    if set(stands) == {"cannot tell"}:
        return f"{name} and its best rival cannot be told apart in {which} tasks"
    if len(set(stands)) == 1:
        return f"{name} is {stands[0]} in {which} tasks"
    words = {"ahead": "ahead", "behind": "behind", "cannot tell": "undecided"}
    first, *more = [
        f"{said} in {stands.count(stand)}" for stand, said in words.items() if stand in stands
    ]
    return f"{name} is {first} of {len(stands)} tasks, {' and '.join(more)}"


def _losses(evaluation: Evaluation, task: str, judged: str, reference: str) -> tuple[str, ...]:
    """Say in which other metrics of accuracy a rival is certainly ahead of the reference."""
    names = {s.name for s in evaluation.systems if s.kind in RIVALS}
    said = []
    for metric in ACCURACY:
        found = differences(evaluation, task, metric).values()
        ahead = [d for d in found if d.system in names and verdict(d) == "ahead"]
        if metric != judged and ahead:
            best = max(ahead, key=lambda d: d.mean)
            said.append(
                f"In {metric}, {best.system} is ahead of {reference} by {number(best.mean)}"
                f" ({interval(best.low, best.high)})."
            )
    return tuple(said)


def _alone(difference: Difference, stands: Verdict) -> tuple[str, ...]:
    """Say why an interval that leaves out 0 proves nothing among many."""
    if stands != "cannot tell" or difference.low * difference.high <= 0:
        return ()
    return (
        "Its interval by itself leaves out 0, but among as many comparisons as were made that"
        " happens by chance.",
    )


def _in_a_hundred(metric: str, own: Measure, best: Measure) -> tuple[str, ...]:
    """Say a hit rate without a figure that has to be explained."""
    name, _, links = metric.partition("@")
    if name != "HR":
        return ()
    digits = 0 if round(100 * own.mean) != round(100 * best.mean) else 1
    return (
        f"Of 100 articles that readers opened next, {own.system} had {100 * own.mean:.{digits}f}"
        f" among its {links} links, {best.system} {100 * best.mean:.{digits}f}.",
    )


def _turned(of_rival: Verdict) -> Verdict:
    turned: dict[Verdict, Verdict] = {"ahead": "behind", "behind": "ahead"}
    return turned.get(of_rival, of_rival)


def _with_interval(measure: Measure) -> str:
    """Return a mean with the bounds of its interval as words."""
    bounds = interval(measure.low, measure.high)
    return number(measure.mean) + (f" ({bounds})" if bounds else "")


def _equal(p: float) -> str:
    text = chance(p)
    return text if text.startswith("<") else f"= {text}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
