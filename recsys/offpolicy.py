"""Tells from a log what another ranking would have earned, and how far to believe it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recsys.arrays import Bool, Float64, Int64
from recsys.errors import ConfigError, DataError
from recsys.inference import Interval, clusters

FEW, FEW_SHARE = 100, 0.01
"""Slates, and their share of all, below which an effective sample is too small to decide by."""
OFF = 0.05
"""How far the mean weight may stand from 1 before something must be wrong."""
ROUNDING = 1e-6
"""How far above 1 a sum of probabilities may come out."""
HEAVIEST = 0.01
"""The share of cards whose part of all weight is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Cards:
    """n cards that were shown, each in its slot of a slate; a slate is all cards of one number.

    Raises ``DataError`` naming the row where a column is shorter than others, a propensity is not
    above 0 and at most 1, a target probability not from 0 to 1, a number not finite, or a slate of
    two readers.
    """

    slate: Int64
    """int64[n]"""
    clicked: Float64
    """f64[n]: 1 where it was clicked, else 0, or any other reward of a card."""
    propensity: Float64
    """f64[n]: probability with which the log's policy put this article into this slot."""
    target: Float64
    """f64[n]: probability with which the target policy puts this article into this slot."""
    reader: Int64 | None = None
    """int64[n]: slates of one reader depend on each other; -1 where unknown."""
    predicted: Float64 | None = None
    """f64[n]: the reward that a model expects of this article in this slot."""
    expected: Float64 | None = None
    """f64[n]: the reward that it expects of this slot under the target, over all its articles."""

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in self.__slots__}
        given = {name: column for name, column in columns.items() if column is not None}
        lengths = {name: len(column) for name, column in given.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns differ in length: {lengths}")
        if (self.predicted is None) != (self.expected is None):
            raise DataError("of 'predicted' and 'expected' one is missing; expected both or none")
        for name in ("clicked", "predicted", "expected"):
            if name in given:
                _require(name, given[name], np.isfinite(given[name]), "a finite number")
        chance = self.propensity
        fits = (chance > 0) & (chance <= 1 + ROUNDING)
        _require("propensity", chance, fits, "above 0 and at most 1")
        fits = (self.target >= 0) & (self.target <= 1 + ROUNDING)
        _require("target", self.target, fits, "from 0 to 1")
        if self.reader is not None and len(self):
            _, first, index = np.unique(self.slate, return_index=True, return_inverse=True)
            alone = self.reader == self.reader[first][index]
            _require("reader", self.reader, alone, "one reader for all cards of a slate")

    def __len__(self) -> int:
        return len(self.slate)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a target policy would have earned for the log's readers, by one method."""

    method: str
    clicks: Interval
    """Expected clicks for each slate; the interval holds the truth in 95 of 100 logs."""
    gain: Interval
    """The same less what the log's own policy earned, paired by slate."""
    slates: int
    cards: int
    effective: float
    """Slates shown by the target itself that would tell as much (Kish, 1965)."""
    heaviest: float
    """Share of all weight that the heaviest hundredth of the cards carries."""
    support: Interval
    """Share of what the target shows that the log could have shown, estimated as the mean weight.

    1 where the log gave all of it a chance, below where it did not; above, propensities are wrong.
    """
    clip: float | None
    """Weights above it count as it; none are cut where None."""
    clipped: float
    """Share of the weight that was cut off, by which the estimate is biased."""
    warning: str
    """Why not to trust it; empty where nothing speaks against it."""


def logged(cards: Cards) -> Estimate:
    """Return what the log's own policy earned, as an estimate to compare with."""
    return _estimate("logged", cards, np.ones(len(cards)), None, _weighted)


def ips(cards: Cards, *, clip: float | None = None) -> Estimate:
    """Return the target's expected clicks by inverse propensity scores.

    The mean over slates of ``Σ target / propensity · clicked``: the item-position estimator (Li et
    al., 2018, Offline evaluation of ranking policies with click models). It has no bias where a
    click depends on the article and its slot alone, whatever the other cards are, and where the log
    gave all that the target shows a chance. ``clip`` bounds the weights (Ionides, 2008), for less
    variance and some bias. Raises ``ConfigError`` for a ``clip`` that is not above 0.
    """
    return _estimate("IPS", cards, cards.target / cards.propensity, clip, _weighted)


def self_normalised(cards: Cards, *, clip: float | None = None) -> Estimate:
    """Return the target's expected clicks by self-normalised inverse propensity scores.

    ``Σ weight · clicked / Σ weight`` clicks a card (Swaminathan and Joachims, 2015), times the
    cards of a slate. Nearly without bias, and steadier than ``ips``: it cannot be more than one
    click a card, and chance in the sum of weights cancels. Where the log lacks support it tells of
    the part that the log could show. Raises as ``ips``.
    """
    return _estimate("SNIPS", cards, cards.target / cards.propensity, clip, _normalised)


def doubly_robust(cards: Cards, *, clip: float | None = None) -> Estimate:
    """Return the target's expected clicks by a model, corrected by the log where it errs.

    The mean over slates of ``Σ expected + weight · (clicked − predicted)`` (Dudík, Langford and Li,
    2011). It has no bias where either the propensities or the model are right, provided that the
    model has not seen the clicks it is corrected by. Where the log lacks support the model speaks
    alone. Raises ``DataError`` for cards without predictions, else as ``ips``.
    """
    if cards.predicted is None:
        raise DataError("cards lack 'predicted' and 'expected'; doubly robust needs a model")
    return _estimate("DR", cards, cards.target / cards.propensity, clip, _corrected)


def estimates(cards: Cards, *, clip: float | None = None) -> tuple[Estimate, ...]:
    """Return what was logged, and every estimate of the target that the cards allow."""
    found = logged(cards), ips(cards, clip=clip), self_normalised(cards, clip=clip)
    return found if cards.predicted is None else (*found, doubly_robust(cards, clip=clip))


@dataclass(frozen=True, slots=True, eq=False)
class _Slates:
    """Sums over the s slates of some cards."""

    index: Int64
    """int64[n]: the slate of each card, from 0."""
    cluster: Int64
    """int64[s]: its reader, or a number of its own."""

    def sum(self, values: Float64) -> Float64:
        """Return f64[s]."""
        return np.asarray(np.bincount(self.index, values, len(self.cluster)), np.float64)

    def mean(self, values: Float64, level: float = 0.95) -> Interval:
        """Return the mean of ``values`` f64[s], with Student's interval over readers.

        Its variance is that of sums by reader (Liang and Zeger, 1986), so slates of one reader may
        depend on each other. NaN where there is nothing, or one reader only.
        """
        if not len(values):
            return Interval(np.nan, np.nan, np.nan)
        mean = float(values.mean())
        groups = int(self.cluster.max()) + 1
        if groups == 1:
            return Interval(mean, np.nan, np.nan)
        off = np.bincount(self.cluster, weights=values - mean)
        error = np.sqrt(groups / (groups - 1) * np.sum(off**2)) / len(values)
        half = float(stats.t.ppf((1 + level) / 2, groups - 1) * error)
        return Interval(mean, mean - half, mean + half)


_Method = Callable[[Cards, _Slates, Float64], Float64]
"""Values f64[s] whose mean is the estimate, from cards and their weights f64[n]."""


def _weighted(cards: Cards, slates: _Slates, weight: Float64) -> Float64:
    return slates.sum(weight * cards.clicked)


def _normalised(cards: Cards, slates: _Slates, weight: Float64) -> Float64:
    """A ratio of sums as a mean of its linear part (Owen, 2013, Monte Carlo, section 9.2)."""
    size = slates.sum(np.ones(len(cards)))
    if not weight.any():
        return np.full(len(size), np.nan)
    rate = np.sum(weight * cards.clicked) / np.sum(weight)
    share = weight * len(cards) / np.sum(weight)
    return rate * size + slates.sum(share * (cards.clicked - rate))


def _corrected(cards: Cards, slates: _Slates, weight: Float64) -> Float64:
    assert cards.predicted is not None
    assert cards.expected is not None
    return slates.sum(cards.expected + weight * (cards.clicked - cards.predicted))


def _estimate(
    method: str, cards: Cards, weight: Float64, clip: float | None, values: _Method
) -> Estimate:
    if clip is not None and not clip > 0:
        raise ConfigError(f"clip = {clip}; expected a weight above 0")
    slates = _slates(cards)
    cut = weight if clip is None else np.minimum(weight, clip)
    earned = values(cards, slates, cut)
    whole, square = float(cut.sum()), float(np.sum(cut**2))
    heavy = np.sort(cut)[len(cut) - int(np.ceil(HEAVIEST * len(cut))) :]
    count = len(slates.cluster)
    effective = whole**2 / square * count / len(cards) if square else 0.0
    mass = weight.sum() / max(len(cards), 1)
    support = slates.mean(mass + slates.sum(weight - mass) * (count / max(len(cards), 1)))
    return Estimate(
        method=method,
        clicks=slates.mean(earned),
        gain=slates.mean(earned - slates.sum(cards.clicked)),
        slates=count,
        cards=len(cards),
        effective=effective,
        heaviest=float(heavy.sum()) / whole if whole else 0.0,
        support=support,
        clip=clip,
        clipped=1.0 - whole / float(weight.sum()) if whole else 0.0,
        warning=_warning(count, effective, support),
    )


def _slates(cards: Cards) -> _Slates:
    number, first, index = np.unique(cards.slate, return_index=True, return_inverse=True)
    own = np.arange(len(number))
    if cards.reader is None or not len(number):
        return _Slates(index, own)
    return _Slates(index, clusters(cards.reader[first]))


def _warning(slates: int, effective: float, support: Interval) -> str:
    if not slates:
        return "Nothing was logged."
    found = []
    if effective < max(FEW, FEW_SHARE * slates):
        found.append(
            f"Too little to go by: {slates} logged slates tell as much as {effective:.0f} that the "
            f"target had shown itself."
        )
    if support.high < 1 - OFF or not support.mean:
        found.append(
            f"The log gave no chance to about {1 - support.mean:.0%} of what the target shows; "
            f"no click tells of that."
        )
    if support.low > 1 + OFF:
        found.append(
            f"Weights average {support.mean:.2f} instead of 1: cards were not shown with the "
            f"propensities that were logged."
        )
    return " ".join(found)


def _require(name: str, column: np.ndarray, fits: Bool, expectation: str) -> None:
    """Raise ``DataError`` naming the first row of ``column`` that does not fit."""
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{name} of card {row} is {column[row]}; expected {expectation}")
