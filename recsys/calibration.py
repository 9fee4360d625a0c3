"""Tells whether predicted click rates come true, and how much the slot of a card decides."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recsys.arrays import Bool, Float64, Int64
from recsys.errors import DataError
from recsys.inference import Interval, clusters

BINS = 10


@dataclass(frozen=True, slots=True)
class Rate:
    """How often cards that have something in common were clicked."""

    x: float
    """The mean of what was predicted, or the slot, counted from 0."""
    clicked: Interval
    cards: int


def reliability(
    predicted: Float64, clicked: Bool, group: Int64, *, bins: int = BINS, level: float = 0.95
) -> tuple[Rate, ...]:
    """Return the click rate of cards with like predictions, for the reliability curve.

    ``predicted`` f64[n] are click rates, ``clicked`` bool[n] what became of them. Cards are put
    into at most ``bins`` bins of about equal count, equal predictions into one. Cards of a reader
    or visit depend on each other: ``group`` int64[n] is as in ``inference.bootstrap_all``. Raises
    ``DataError`` where a prediction is not from 0 to 1.
    """
    of = _binned(predicted, bins)
    return _rates(of, predicted, clicked, group, level)


def by_slot(slot: Int64, clicked: Bool, group: Int64, *, level: float = 0.95) -> tuple[Rate, ...]:
    """Return how often cards were clicked in each slot that there is, from 0; as ``reliability``.

    Cards of which no slot is known (-1) are left out.
    """
    told = slot >= 0
    slot = slot[told].astype(np.int64)
    return _rates(slot, slot.astype(np.float64), clicked[told], group[told], level)


def expected_error(predicted: Float64, clicked: Bool, *, bins: int = BINS) -> float:
    """Return how far click rates are from what was predicted, over bins weighted by their cards.

    The expected calibration error (Naeini, Cooper and Hauskrecht, 2015) with the bins of
    ``reliability``; NaN without cards. Chance alone keeps it above 0.
    """
    of = _binned(predicted, bins)
    if not len(of):
        return math.nan
    gaps = np.bincount(of, clicked.astype(np.float64)) - np.bincount(of, predicted)
    return float(np.abs(gaps).sum() / len(of))


def squared_errors(predicted: Float64, clicked: Bool) -> Float64:
    """Return f64[n]: the square of how far each prediction was off; mean it for the Brier score.

    Raises ``DataError`` where a prediction is not from 0 to 1 (Brier, 1950).
    """
    error: Float64 = np.square(_probabilities(predicted) - clicked)
    return error


def log_losses(predicted: Float64, clicked: Bool) -> Float64:
    """Return f64[n]: the surprise at each card in nats; mean it for the log loss.

    A prediction of 0 or 1 counts as the nearest number between, so that a single card cannot make
    the mean infinite. Raises ``DataError`` where a prediction is not from 0 to 1.
    """
    tiny = np.finfo(np.float64).eps
    sure = np.clip(_probabilities(predicted), tiny, 1 - tiny)
    loss: Float64 = -np.log(np.where(clicked, sure, 1 - sure))
    return loss


def _binned(predicted: Float64, bins: int) -> Int64:
    """Return int64[n], from 0 without gaps: the bin of each prediction."""
    if not len(predicted):
        return np.empty(0, np.int64)
    # In percent, as scikit-learn does: both then round alike.
    edges = np.percentile(_probabilities(predicted), 100 * np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(np.searchsorted(edges, predicted), return_inverse=True)[1].astype(np.int64)


def _probabilities(predicted: Float64) -> Float64:
    wrong = np.flatnonzero(~((predicted >= 0) & (predicted <= 1)))
    if len(wrong):
        value = predicted[wrong[0]]
        raise DataError(f"prediction of card {wrong[0]} is {value}; expected from 0 to 1")
    return predicted


def _rates(of: Int64, x: Float64, clicked: Bool, group: Int64, level: float) -> tuple[Rate, ...]:
    """Return the mean of ``x`` and the click rate where ``of`` int64[n], from 0, is the same."""
    parts = (np.flatnonzero(of == n) for n in np.unique(of))
    return tuple(
        Rate(float(x[part].mean()), _share(clicked[part], group[part], level), len(part))
        for part in parts
    )


def _share(clicked: Bool, group: Int64, level: float) -> Interval:
    """Return a share with its interval (Korn and Graubard, 1998); one group alone has no bounds.

    Resamples of a handful of clicks are too alike, and of none they are all the same. So this is
    the exact interval of a share (Clopper and Pearson, 1934), for as many independent cards as
    would tell as much as these do; of groups without any difference, for one card of each.
    """
    n, share = len(clicked), float(clicked.mean())
    index = clusters(group)
    groups = int(index.max()) + 1
    if groups < 2:
        return Interval(share, math.nan, math.nan)
    off = np.bincount(index, clicked - share)
    variance = groups / (groups - 1) * float(np.square(off).sum()) / n**2
    told = share * (1 - share) / variance if variance > 0 else float(groups)
    tail = (1 - level) / 2
    told *= (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, groups - 1)) ** 2
    told = min(float(n), told)
    hits = share * told
    low = stats.beta.ppf(tail, hits, told - hits + 1) if share > 0 else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, told - hits) if share < 1 else 1.0
    return Interval(share, float(low), float(high))
