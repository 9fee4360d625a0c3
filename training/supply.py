"""Looks whether the data that a bundle is learned from are as many and as new as they use to be."""

import numpy as np

from recsys.arrays import Int64
from recsys.history import History
from training.gate import Gate
from training.verdict import Check, Findings

DAY = 86_400
WEEKS = (7, 14, 21, 28)
"""Days ago that were the same day of the week."""
FEWEST = 100
"""Openings a day below which chance alone may halve them."""


def supply(history: History, now: int, gate: Gate) -> Findings:
    """Return what is to be said of the data known before ``now`` (UTC seconds); it costs nothing.

    The openings of the last 24 hours are compared with what is usual, events and articles with the
    clock.
    """
    checks = [
        _age("newest event", int(history.interactions.at.max(initial=0)), now, gate.event_age),
        _age(
            "newest article",
            max((article.published for article in history.articles), default=0),
            now,
            gate.article_age,
        ),
    ]
    at = history.interactions.reads().at
    today, usual = int(np.count_nonzero(at >= now - DAY)), usual_openings(at, now)
    if usual is None:
        note = "It is not known how many openings are usual: that takes eight days of data."
        return Findings(tuple(checks), (note,))
    if usual < FEWEST:
        note = (
            f"Openings were not counted: {usual:g} a day are too few to tell a fault from chance."
        )
        return Findings(tuple(checks), (note,))
    share = today / usual
    volume = Check(
        "openings",
        share >= gate.events,
        today,
        gate.events * usual,
        usual,
        sentence=f"The last day has {today:,} openings, {share:.0%} of the usual {usual:,.0f};"
        f" at least {gate.events:.0%} are expected.",
    )
    return Findings((volume, *checks))


def usual_openings(at: Int64, now: int) -> float | None:
    """Return how many of the openings at times ``at`` int64[n], sorted, a day like the last has.

    That is the median of the same weekday in the last four weeks, each day ending at the hour of
    ``now``; where only one of them is known, the smaller of it and the median of the last week, so
    that a young network's first Sunday is no fault. None where not even a week is known.
    """
    if not len(at):
        return None
    ago = (now - 1 - at) // DAY
    whole = int((now - at[0]) // DAY)
    count = np.bincount(ago[ago >= 0], minlength=max(WEEKS) + 1)
    alike = [float(count[day]) for day in WEEKS if day < whole]
    if not alike:
        return None
    if len(alike) == 1:
        return min(alike[0], float(np.median(count[1:8])))
    return float(np.median(alike))


def _age(name: str, newest: int, now: int, most: float) -> Check:
    if not newest:
        return Check(name, False, None, most, sentence=f"There is no {name.split()[1]} at all.")
    age = max(now - newest, 0)
    return Check(
        name,
        age <= most,
        float(age),
        float(most),
        sentence=f"The {name} is {_span(age)} old; at most {_span(most)} are expected.",
    )


def _span(seconds: float) -> str:
    """Return a span as people say it."""
    for name, unit in (("day", DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= unit:
            count = seconds / unit
            return f"{count:,.1f}".removesuffix(".0") + f" {name}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} seconds"
