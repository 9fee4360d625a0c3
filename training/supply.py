"""Looks whether the data that a bundle is learned from are as many and as new as they use to be."""

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float64, Int64
from recsys.history import History
from training.gate import Gate
from training.verdict import Check, Findings

DAY = 86_400
WEEK = 7
WEEKS = 5
"""Weeks that are looked at, the present one among them."""
FEWEST = 100
"""Openings a day below which chance alone may halve them."""


def supply(history: History, now: int, gate: Gate) -> Findings:
    """Return what is to be said of the data known before ``now`` (UTC seconds); it costs nothing.

    The last 24 hours of openings are compared with what is usual, events and articles with the
    clock.
    """
    newest = int(history.interactions.at.max(initial=0))
    published = max((article.published for article in history.articles), default=0)
    ages = (
        _age("newest event", newest, now, gate.event_age),
        _age("newest article", published, now, gate.article_age),
    )
    # Until the newest event: how long ago that was is told by its age.
    known = Volume.of(history.interactions.reads().at, min(now, newest + 1))
    if known is None:
        note = "It is not known how many openings are usual: that takes eight days of data."
        return Findings(ages, (note,))
    if known.usual < FEWEST:
        few = f"{known.usual:,.0f} a day are too few to tell a fault from chance"
        return Findings(ages, (f"Openings were not counted: {few}.",))
    share = known.today / known.usual
    least = min(gate.events, known.lowest)
    seen = " (as low as it has been lately)" if least < gate.events else ""
    volume = Check(
        "openings",
        share >= least,
        float(known.today),
        least * known.usual,
        known.usual,
        sentence=f"The last day has {known.today:,} openings, {share:.0%} of the usual"
        f" {known.usual:,.0f}; at least {least:.0%}{seen} are expected.",
    )
    return Findings((volume, *ages))


@dataclass(frozen=True, slots=True)
class Volume:
    """How many openings a day has, beside what is usual."""

    today: int
    usual: float
    lowest: float
    """The smallest share of the usual that earlier days had, but for one: networks differ in how
    much their days do, and one fault in five weeks must not make the next one pass."""

    @classmethod
    def of(cls, at: Int64, now: int) -> "Volume | None":
        """Count the openings at times ``at`` int64[n], sorted, by days that end at the hour of
        ``now``.

        Usual is the median of the same weekday in the four weeks before, or that of all days where
        it is smaller: a young network's first Sunday is no fault, nor is a day after a great one.
        None where not even a week is known.
        """
        whole = int((now - at[0]) // DAY) if len(at) else 0
        days = min(whole, WEEK * WEEKS)
        if days <= WEEK:
            return None
        ago = (now - 1 - at[np.searchsorted(at, now - days * DAY) :]) // DAY
        count = np.bincount(ago[ago >= 0], minlength=days).astype(np.float64)
        usual = [_usual(count, day) for day in range(days)]
        shares = sorted(count[day] / usual[day] for day in range(1, days) if usual[day])
        return cls(int(count[0]), usual[0], float(shares[1]) if len(shares) > 1 else 0.0)


def _usual(count: Float64, day: int) -> float:
    """Return what is usual on a day, by all others but the last, f64[days]."""
    others = np.arange(1, len(count))
    others = others[others != day]
    alike = count[others[(others - day) % WEEK == 0]]
    usual = float(np.median(count[others]))
    return min(float(np.median(alike)), usual) if len(alike) else usual


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
