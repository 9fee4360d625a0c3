"""How far to trust a mean of dependent questions: intervals, tests, many comparisons and looks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float64, Int64

RESAMPLES = 1000
CHUNK = 4_000_000
"""Random numbers held at once."""

_POISSON = np.searchsorted(
    np.cumsum([math.exp(-1) / math.factorial(n) for n in range(20)]),
    (np.arange(2**16) + 0.5) / 2**16,
).astype(np.float64)
"""Quantiles of Poisson(1): drawing from them takes a tenth of the time of drawing exactly."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the bounds that hold it in ``level`` of resamples."""

    mean: float
    low: float
    high: float


def clusters(group: Int64) -> Int64:
    """Return int64[q], from 0: equal where ``group`` int64[q] is, and a number of its own below 0.

    Nobody knows which questions of unknown readers belong together, so each stands alone.
    """
    alone = group < 0
    own = np.where(alone, np.max(group, initial=-1) + 1 + np.arange(len(group)), group)
    return np.unique(own, return_inverse=True)[1].astype(np.int64)


def bootstrap(
    values: Float64, group: Int64, *, seed: int, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """Return the mean of ``values`` f64[q] with its interval: ``bootstrap_all`` for one metric."""
    (found,) = bootstrap_all(values[:, None], group, seed=seed, resamples=resamples, level=level)
    return found


def bootstrap_all(
    values: Float64, group: Int64, *, seed: int, resamples: int = RESAMPLES, level: float = 0.95
) -> tuple[Interval, ...]:
    """Return the mean of each column of ``values`` f64[q, m] with a percentile interval.

    Questions of one visit (or reader) depend on each other, so whole groups ``group`` int64[q] are
    drawn, as ``clusters`` tells them (cluster bootstrap; Field and Welsh, 2007). NaN is where a
    metric says nothing of a question; the mean is over the rest, and NaN where there is none. One
    group tells nothing of its like, so its bounds are NaN. All columns see the same draws.
    """
    told = np.isfinite(values)
    sums, sizes = _by_group(np.where(told, values, 0.0), group), _by_group(told * 1.0, group)
    drawn = np.full((resamples, values.shape[1]), np.nan)
    for rows, weight in _drawn(_poisson, resamples, len(sums), np.random.default_rng((seed, 0))):
        size = weight @ sizes
        np.divide(weight @ sums, size, out=drawn[rows], where=size > 0)
    found = []
    for column, total, size in zip(drawn.T, sums.T, sizes.T, strict=True):
        if not size.any():
            found.append(Interval(math.nan, math.nan, math.nan))
            continue
        low = high = math.nan
        if np.count_nonzero(size) > 1:
            low, high = np.nanquantile(column, [(1 - level) / 2, (1 + level) / 2])
        found.append(Interval(float(total.sum() / size.sum()), float(low), float(high)))
    return tuple(found)


def paired(
    a: Float64, b: Float64, group: Int64, *, seed: int, resamples: int = RESAMPLES
) -> tuple[Interval, float]:
    """Return how far ``a`` f64[q] is above ``b`` f64[q]: ``paired_all`` for one metric."""
    (found,) = paired_all(a[:, None], b[:, None], group, seed=seed, resamples=resamples)
    return found


def paired_all(
    a: Float64, b: Float64, group: Int64, *, seed: int, resamples: int = RESAMPLES
) -> tuple[tuple[Interval, float], ...]:
    """Return for each column how far ``a`` f64[q, m] is above ``b`` f64[q, m], and a p-value.

    The interval is ``bootstrap_all``'s. The p-value is of a randomisation test, two-sided: were the
    two alike, then in each group ``group`` int64[q] they could as well be swapped (Fisher, 1935;
    Smucker et al., 2007). It is never 0 (Phipson and Smyth, 2010). Questions of which either says
    nothing (NaN) are left out; where nothing is left, all is NaN.
    """
    difference = a - b
    intervals = bootstrap_all(difference, group, seed=seed, resamples=resamples)
    sums = _by_group(np.nan_to_num(difference), group)
    sums = sums[sums.any(axis=1)]  # where both are equal, swapping changes nothing
    # What is as far but for rounding counts as as far.
    observed = np.abs(sums.sum(axis=0)) - 1e-12 * np.abs(sums).sum(axis=0)
    beyond = np.zeros(sums.shape[1])
    for _, sign in _drawn(_signs, resamples, len(sums), np.random.default_rng((seed, 1))):
        beyond += np.count_nonzero(np.abs(sign @ sums) >= observed, axis=0)
    p = (beyond + 1) / (resamples + 1)
    return tuple(
        (interval, math.nan if math.isnan(interval.mean) else float(value))
        for interval, value in zip(intervals, p, strict=True)
    )


def holm(p: Float64) -> Float64:
    """Return p-values f64[m] corrected for m comparisons (Holm, 1979); NaN stays and counts not.

    Bounds the chance that any difference at all is wrongly called one.
    """
    adjusted = np.full(len(p), np.nan)
    told = np.flatnonzero(np.isfinite(p))
    order = told[np.argsort(p[told], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def benjamini_hochberg(p: Float64) -> Float64:
    """Return p-values f64[m] corrected for m comparisons (1995); NaN stays and counts not.

    Bounds the share of what is wrongly called a difference among all that is: milder than ``holm``,
    for looking around rather than for a verdict.
    """
    from scipy import stats  # half a second, which the service would wait for

    adjusted = np.full(len(p), np.nan)
    told = np.isfinite(p)
    adjusted[told] = stats.false_discovery_control(p[told])
    return adjusted


def always_valid(
    estimate: float, error: float, scale: float, *, level: float = 0.95
) -> tuple[Interval, float]:
    """Return the interval and the p-value of an estimate that may be looked at again and again.

    ``error`` is its standard error by now. They hold at all looks together, where those for one
    look would sooner or later call chance a difference. ``scale`` is about how large differences
    are, which must not be read off the estimate; one that is far off makes the interval wider, not
    wrong. This is the normal mixture of the sequential probability ratio test (Robbins, 1970;
    Johari et al., 2022); for means of many readers it holds whatever the distribution (Waudby-Smith
    et al., 2024). NaN where ``error`` or ``scale`` is 0 or NaN.
    """
    if not (error > 0 and scale > 0):
        return Interval(estimate, math.nan, math.nan), math.nan
    half = error * always_valid_width(error, scale, level=level)
    known = (scale / error) ** 2
    log_ratio = (estimate / error) ** 2 / 2 * known / (1 + known) - math.log1p(known) / 2
    return Interval(estimate, estimate - half, estimate + half), math.exp(min(0.0, -log_ratio))


def always_valid_width(error: float, scale: float, *, level: float = 0.95) -> float:
    """Return how many standard errors ``always_valid`` goes to either side."""
    known = (scale / error) ** 2
    return math.sqrt((1 + 1 / known) * (math.log1p(known) - 2 * math.log(1 - level)))


def _by_group(values: Float64, group: Int64) -> Float64:
    """Return the sums f64[g, m] of ``values`` f64[q, m] within each group."""
    index = clusters(group)
    count = int(np.max(index, initial=-1)) + 1
    sums = [np.bincount(index, weights=column, minlength=count) for column in values.T]
    return np.stack(sums, axis=1).astype(np.float64)


def _drawn(
    draw: Callable[[np.random.Generator, int, int], Float64],
    resamples: int,
    groups: int,
    rng: np.random.Generator,
) -> Iterator[tuple[slice, Float64]]:
    """Yield weights f64[r, groups], few resamples r at a time, and which they are."""
    step = max(1, CHUNK // max(groups, 1))
    for first in range(0, resamples, step):
        rows = slice(first, min(first + step, resamples))
        yield rows, draw(rng, rows.stop - rows.start, groups)


def _poisson(rng: np.random.Generator, rows: int, groups: int) -> Float64:
    """How often each group is drawn: the limit of drawing with replacement, without an index."""
    weight: Float64 = _POISSON[rng.integers(0, 2**16, (rows, groups), np.uint16)]
    return weight


def _signs(rng: np.random.Generator, rows: int, groups: int) -> Float64:
    return rng.integers(0, 2, (rows, groups), np.int8) * 2.0 - 1.0
