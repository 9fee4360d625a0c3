"""Counts readers with exponential decay, and says what trends on each site now."""

import math
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int16, Int32, Int64
from recsys.tables import Interactions

LARGEST_EXPONENT = 300.0
"""The landmark moves before ``exp`` of a forward-decayed weight could overflow a float64."""


class Trends:
    """Forward-decayed readers per article (Cormode, Shkapenyuk, Srivastava and Xu, 2009).

    An event at ``t`` adds ``exp(λ(t − L))`` with ``λ = ln 2 / half_life`` and a fixed landmark L,
    so that increments commute and merge, and nothing needs a sweep; a count at ``now`` is the sum
    times ``exp(−λ(now − L))``. Which events count as one reader's voice is the caller's to decide.
    """

    def __init__(self, size: int, half_life: float, landmark: int) -> None:
        self.half_life = half_life
        self.landmark = landmark
        self._mass = np.zeros(size, np.float64)

    def __len__(self) -> int:
        return len(self._mass)

    def grow(self, size: int) -> None:
        """Make room for rows up to ``size``; new ones count 0."""
        if size > len(self._mass):
            self._mass = np.concatenate([self._mass, np.zeros(size - len(self._mass))])

    def add(self, rows: Int32, at: Int64, weight: float = 1.0) -> None:
        """Count events on article ``rows`` int[m] at ``at`` int64[m] (UTC seconds), any order."""
        if len(rows) == 0:
            return
        rate = math.log(2.0) / self.half_life
        latest = int(at.max())
        if rate * (latest - self.landmark) > LARGEST_EXPONENT:
            self._mass *= math.exp(-rate * (latest - self.landmark))
            self.landmark = latest
        np.add.at(self._mass, rows, weight * np.exp(rate * (at - self.landmark)))

    def add_one(self, row: int, at: int, weight: float = 1.0) -> None:
        """Count one event; the same as ``add`` without the cost of arrays."""
        exponent = math.log(2.0) / self.half_life * (at - self.landmark)
        if exponent > LARGEST_EXPONENT:
            self.add(np.array([row], np.int32), np.array([at], np.int64), weight)
        else:
            self._mass[row] += weight * math.exp(exponent)

    def counts(self, now: int) -> Float64:
        """Return f64[A]: the decayed count of every article at ``now``."""
        # One factor would overflow where ``now`` lies long before the landmark.
        exponent = -math.log(2.0) / self.half_life * (now - self.landmark)
        return self._mass * math.exp(min(exponent, LARGEST_EXPONENT))

    def copy(self) -> "Trends":
        """Return an independent copy, to be advanced by live events."""
        return Trends.of_arrays(self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state as arrays, for a bundle."""
        return {
            "mass": self._mass.copy(),
            "clock": np.array([self.half_life, self.landmark], np.float64),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Trends":
        """Restore what ``arrays`` returned; the arrays are copied, for counts move on."""
        half_life, landmark = arrays["clock"]
        trends = cls(0, float(half_life), int(landmark))
        trends._mass = np.array(arrays["mass"], np.float64)
        return trends


def first_voices(events: Interactions) -> Interactions:
    """Keep the first event of each reader on each article: one reader is one voice.

    A reader is the visitor, or the session where the visitor is unknown; events with neither all
    count.
    """
    reader = np.where(events.visitor >= 0, events.visitor.astype(np.int64), -1)
    sessions = (events.visitor < 0) & (events.session >= 0)
    offset = int(events.visitor.max(initial=-1)) + 1
    reader = np.where(sessions, offset + events.session.astype(np.int64), reader)
    width = int(events.article.max(initial=0)) + 1
    _, first = np.unique(reader * width + events.article, return_index=True)
    known = np.zeros(len(events), np.bool_)
    known[first] = True
    return events[known | (reader < 0)]


@dataclass(frozen=True, slots=True, eq=False)
class TrendBoard:
    """What trends at ``as_of``, best first."""

    as_of: int
    rows: Int32
    """int32[k]"""
    scores: Float32
    """f32[k], each article against the baseline of its site"""
    share: Float32
    """f32[k], the part of all decayed readers that opened this article"""

    @classmethod
    def empty(cls) -> "TrendBoard":
        """Return a board on which nothing trends."""
        none = np.empty(0, np.float32)
        return cls(0, np.empty(0, np.int32), none, none)


def board(
    counts: Float64, site: Int16, as_of: int, *, per_site: int, site_exponent: float, floor: float
) -> TrendBoard:
    """Rank the articles that trend, the best ``per_site`` of each site.

    ``counts`` f64[A] are decayed readers and ``site`` int16[A] site codes. An article's score is
    ``count / total(site) ** site_exponent``: 0 ranks by plain volume, so that the largest site
    drowns its sisters, 1 by the share of its own site's readers. Articles with a count below
    ``floor`` are noise and left out. Ties break by row.
    """
    rows = np.flatnonzero(counts >= max(floor, 1e-12))
    if len(rows) == 0:
        return TrendBoard.empty()
    totals = np.bincount(site[rows], weights=counts[rows])
    scores = counts[rows] / totals[site[rows]] ** site_exponent
    order = np.lexsort((rows, -scores))
    rows, scores = rows[order], scores[order]
    kept = _rank_within(site[rows]) < per_site
    rows, scores = rows[kept], scores[kept]
    share = counts[rows] / totals.sum()
    return TrendBoard(
        as_of, rows.astype(np.int32), scores.astype(np.float32), share.astype(np.float32)
    )


def _rank_within(groups: Int16) -> Int64:
    """Return int64[n]: how many earlier elements have the same group."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    result = np.empty(len(groups), np.int64)
    result[order] = rank
    return result
