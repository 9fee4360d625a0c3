"""Tells which arm of an experiment readers click more, and how far to believe it, at any time."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from recsys.arrays import Bool, Float64, Int8, Int32, Int64
from recsys.inference import Interval, always_valid, always_valid_width, holm

Per = Literal["card", "slate", "reader"]
"""What clicks are counted against."""
UNITS: tuple[Per, ...] = "card", "slate", "reader"

ALPHA = 0.05
"""Chance of finding any difference where there is none."""
POWER = 0.8
"""Chance of finding one that is there, in the estimate of how many readers it takes."""
EXPECTED = 0.2
"""About how large differences are, in proportion to the click rate; see ``always_valid``."""
FEW, FEW_CLICKING = 100, 10
"""Readers of an arm, and those of them who clicked, below which nothing is said of it."""
MISMATCH = 0.001
"""A p-value below which readers were not assigned, or not logged, as the shares say."""
FEW_EXPECTED = 5.0
"""Readers that an arm must expect for the test of shares to hold."""
DAY = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """n cards that slates of an experiment showed, each once however often it was reported.

    A card that was clicked has been seen, even where the page had no time to say so.
    """

    arm: Int8
    """int8[n]: place of the arm among those asked for."""
    reader: Int32
    """int32[n]: the visitor, without consent the session, without either the slate alone."""
    slate: Int32
    """int32[n]"""
    at: Int64
    """int64[n]: when it was first seen or clicked, UTC seconds."""
    clicked: Bool
    """bool[n]"""

    def __len__(self) -> int:
        return len(self.arm)

    def __getitem__(self, cards: np.ndarray) -> "Exposures":
        return Exposures(*(getattr(self, name)[cards] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Readers:
    """r readers, each in the arm that showed them a card first, with all that they were shown."""

    arm: Int64
    """int64[r]"""
    since: Int64
    """int64[r]: when they saw the first card, UTC seconds."""
    clicks: Float64
    """f64[r]"""
    cards: Float64
    """f64[r]"""
    slates: Float64
    """f64[r]"""
    crossed: Bool
    """bool[r]: whether another arm showed them something later."""

    def __len__(self) -> int:
        return len(self.arm)

    def __getitem__(self, readers: np.ndarray) -> "Readers":
        return Readers(*(getattr(self, name)[readers] for name in self.__slots__))

    def per(self, unit: Per) -> Float64:
        """Return f64[r]: how many cards or slates each was shown, or 1 for each reader."""
        return {"card": self.cards, "slate": self.slates, "reader": np.ones(len(self))}[unit]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one arm showed, and what came of it; intervals are of single looks."""

    readers: int
    slates: int
    cards: int
    clicks: int
    clicking: int
    """Readers who clicked at all."""
    per_card: Interval
    per_slate: Interval
    per_reader: Interval

    @property
    def few(self) -> bool:
        """Whether there is too little to say anything: the intervals assume many readers."""
        return self.readers < FEW or self.clicking < FEW_CLICKING


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one arm's click rate is above another's."""

    once: Interval
    """Holds the truth at 95 % for one look at a time that was set beforehand."""
    p_once: float
    always: Interval
    """Holds it at 95 % at all times together, however often it is looked at."""
    p_always: float

    @property
    def decided(self) -> bool:
        """Whether there is one, however often it was looked for."""
        return self.p_always <= ALPHA

    @property
    def tempting(self) -> bool:
        """Whether a single look would say so, and many do not."""
        return self.p_once <= ALPHA and not self.decided


@dataclass(frozen=True, slots=True, eq=False)
class SampleRatio:
    """Whether arms got the readers that their shares promise (Fabijan et al., 2019)."""

    expected: Float64
    """f64[a]"""
    p: float
    """Of a chi-square test; NaN where an arm expects fewer than 5."""
    days: dict[int, Int64]
    """New readers int64[a] of each day (UTC seconds of its beginning) that stands out by itself."""

    @property
    def mismatched(self) -> bool:
        """Whether results are not to be trusted."""
        return self.p < MISMATCH


def by_reader(shown: Exposures) -> Readers:
    """Return who was shown what.

    Readers are what is drawn, so they are what is counted: what one of them does hangs together.
    Who changes arms (by giving consent, or because shares were changed) counts in the first with
    all that came later. The first draw is fair, and what comes after it is mixed up at worst, which
    hides differences and makes none; leaving such readers out would take more from small arms.
    """
    order = np.argsort(shown.at, kind="stable")
    _, first, of = np.unique(shown.reader[order], return_index=True, return_inverse=True)
    cards = shown[order]
    arm = cards.arm[first].astype(np.int64)
    _, opening = np.unique(cards.slate, return_index=True)
    count = len(first)
    return Readers(
        arm=arm,
        since=cards.at[first],
        clicks=_sums(of, cards.clicked, count),
        cards=_sums(of, np.ones(len(cards)), count),
        slates=_sums(of[opening], np.ones(len(opening)), count),
        crossed=_sums(of, cards.arm != arm[of], count) > 0,
    )


def outcomes(readers: Readers, arms: int) -> tuple[Outcome, ...]:
    """Return what came of each of ``arms`` arms.

    A rate is a ratio of sums over readers; its interval is Student's with the variance of its
    linear part (the delta method; Deng et al., 2018), and NaN below two readers.
    """
    found = []
    for place in range(arms):
        mine = readers[readers.arm == place]
        per_card, per_slate, per_reader = (_rate(mine, per) for per in UNITS)
        found.append(
            Outcome(
                readers=len(mine),
                slates=int(mine.slates.sum()),
                cards=int(mine.cards.sum()),
                clicks=int(mine.clicks.sum()),
                clicking=int(np.count_nonzero(mine.clicks)),
                per_card=per_card.interval,
                per_slate=per_slate.interval,
                per_reader=per_reader.interval,
            )
        )
    return tuple(found)


def differences(
    readers: Readers, arms: int, *, base: int = 0, per: Per = "card"
) -> dict[int, Difference]:
    """Return how far each of ``arms`` arms but ``base`` is above that one, by place.

    p-values are corrected for the number of arms (Holm), intervals are not. NaN where either arm
    has fewer than two readers, or nobody clicked.
    """
    rates = [_rate(readers[readers.arm == place], per) for place in range(arms)]
    others = [place for place in range(arms) if place != base]
    once = [_once(rates[place], rates[base]) for place in others]
    always = [
        always_valid(
            rates[place].mean - rates[base].mean,
            math.hypot(rates[place].error, rates[base].error),
            EXPECTED * _pooled(rates[place], rates[base]),
        )
        for place in others
    ]
    p_once = holm(np.array([p for _, p in once]))
    p_always = holm(np.array([p for _, p in always]))
    return {
        place: Difference(once[n][0], float(p_once[n]), always[n][0], float(p_always[n]))
        for n, place in enumerate(others)
    }


def readers_needed(
    readers: Readers, arm: int, *, effect: float, base: int = 0, per: Per = "card"
) -> tuple[float, float]:
    """Return how many readers, of all arms, show a difference of ``effect`` times the base's rate.

    With a power of 80 %: the first number is for one look at the end, the second for looking at any
    time. Standard errors are taken to fall from what they are by now with the root of readers. NaN
    where nothing is known of either arm.
    """
    a, b = (_rate(readers[readers.arm == place], per) for place in (arm, base))
    error, size = math.hypot(a.error, b.error), effect * b.mean
    if not (error > 0 and size > 0):
        return math.nan, math.nan
    power = float(ndtri(POWER))
    once = size / (-float(ndtri(ALPHA / 2)) + power)
    scale = EXPECTED * _pooled(a, b)
    from scipy import optimize  # the service imports this module, and plans no experiments

    always = optimize.brentq(
        lambda e: e * (always_valid_width(e, scale) + power) - size, 1e-6 * once, once
    )
    return len(readers) * (error / once) ** 2, len(readers) * (error / always) ** 2


def sample_ratio(readers: Readers, shares: Float64) -> SampleRatio:
    """Return whether readers came to arms by ``shares`` f64[a], on the whole and day by day.

    Days are told apart by when readers first came, so each is a draw of its own; their p-values are
    corrected for the number of days (Holm).
    """
    arms = len(shares)
    day = readers.since // DAY * DAY
    counts = {int(at): np.bincount(readers.arm[day == at], minlength=arms) for at in np.unique(day)}
    total = np.bincount(readers.arm, minlength=arms)
    p = holm(np.array([_chi_square(count, shares) for count in counts.values()]))
    return SampleRatio(
        expected=len(readers) * shares,
        p=_chi_square(total, shares),
        days={at: counts[at] for at, p_day in zip(counts, p, strict=True) if p_day < MISMATCH},
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    """Clicks for each unit, and their standard error over readers."""

    clicks: float
    units: float
    error: float
    free: int
    """Degrees of freedom."""

    @property
    def mean(self) -> float:
        return self.clicks / self.units if self.units else math.nan

    @property
    def interval(self) -> Interval:
        return _around(self.mean, self.error, self.free)


def _rate(readers: Readers, per: Per) -> _Rate:
    units, count = readers.per(per), len(readers)
    clicks, whole = float(readers.clicks.sum()), float(units.sum())
    error = math.nan
    if count > 1:
        off = readers.clicks - clicks / whole * units
        error = math.sqrt(count / (count - 1) * float(off @ off)) / whole
    return _Rate(clicks, whole, error, count - 1)


def _pooled(a: _Rate, b: _Rate) -> float:
    return (a.clicks + b.clicks) / (a.units + b.units) if a.units + b.units else math.nan


def _once(a: _Rate, b: _Rate) -> tuple[Interval, float]:
    """Return the difference of two independent rates, by Welch's approximation."""
    error, mean = math.hypot(a.error, b.error), a.mean - b.mean
    if not error > 0:
        return Interval(mean, math.nan, math.nan), math.nan
    free = error**4 / (a.error**4 / a.free + b.error**4 / b.free)
    return _around(mean, error, free), float(2 * stdtr(free, -abs(mean) / error))


def _around(mean: float, error: float, free: float) -> Interval:
    half = -float(stdtrit(free, ALPHA / 2)) * error if free > 0 else math.nan
    return Interval(mean, mean - half, mean + half)


def _chi_square(count: Int64, shares: Float64) -> float:
    expected = count.sum() * shares
    if expected.min() < FEW_EXPECTED:
        return math.nan
    from scipy import stats

    return float(stats.chisquare(count, expected).pvalue)


def _sums(of: Int64, values: np.ndarray, count: int) -> Float64:
    return np.bincount(of, values, minlength=count).astype(np.float64)
