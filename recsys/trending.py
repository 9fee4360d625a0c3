"""Counts readers on several clocks, and says what is opened now and what trends on each site."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int16, Int32, Int64
from recsys.tables import Interactions
from recsys.top import top
from recsys.visits import openings

LARGEST_EXPONENT = 300.0
"""A landmark moves before ``exp`` of a forward-decayed weight could overflow a float64."""
HALF_LIVES = (300.0, 1800.0, 6 * 3600.0, 7 * 86_400.0)
"""Seconds: minutes tell what breaks, the week tells what a quiet site reads."""
LANDING = 0.25
"""Voice of the first opening of a visit: a search or a front page chose it, not a reader here."""


class Trends:
    """Forward-decayed readers per article (Cormode, Shkapenyuk, Srivastava and Xu, 2009).

    On each of H clocks an event at ``t`` adds ``exp(λ(t − L))`` with ``λ = ln 2 / half_life`` and a
    landmark L, so that increments commute and merge, and nothing needs a sweep; a count at ``now``
    is the sum times ``exp(−λ(now − L))``. Which events count as a reader's voice is the caller's to
    decide.
    """

    def __init__(self, size: int, landmark: int, half_lives: Sequence[float] = HALF_LIVES) -> None:
        self.half_lives = tuple(half_lives)
        self._rate = math.log(2.0) / np.array(self.half_lives)
        self._landmark = np.full(len(self.half_lives), float(landmark))
        self._mass = np.zeros((len(self.half_lives), size), np.float64)

    def grow(self, size: int) -> None:
        """Make room for rows up to ``size``; new ones count 0."""
        missing = size - self._mass.shape[1]
        if missing > 0:
            self._mass = np.pad(self._mass, ((0, 0), (0, missing)))

    def add(self, rows: Int32, at: Int64, weight: Float64 | float = 1.0) -> None:
        """Count events on article ``rows`` int[m] at ``at`` int64[m] (UTC seconds), any order."""
        if len(rows) == 0:
            return
        self._move(float(at.max()))
        for clock, rate in enumerate(self._rate):
            exponent = rate * (at - self._landmark[clock])
            np.add.at(self._mass[clock], rows, weight * np.exp(exponent))

    def add_one(self, row: int, at: int, weight: float = 1.0) -> None:
        """Count one event; the same as ``add`` without the cost of arrays."""
        self._move(float(at))
        self._mass[:, row] += weight * np.exp(self._rate * (at - self._landmark))

    def counts(self, now: int) -> Float64:
        """Return f64[H, A]: the decayed count of every article at ``now``, fastest clock first."""
        # Where ``now`` lies long before the landmark, the factor alone would overflow.
        exponent = np.minimum(-self._rate * (now - self._landmark), LARGEST_EXPONENT)
        decayed: Float64 = self._mass * np.exp(exponent)[:, None]
        return decayed

    def copy(self) -> "Trends":
        """Return an independent copy, to be advanced by live events."""
        return Trends.of_arrays(self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state as arrays, for a bundle."""
        return {"mass": self._mass.copy(), "clock": np.array([self.half_lives, self._landmark])}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Trends":
        """Restore what ``arrays`` returned; the arrays are copied, for counts move on."""
        half_lives, landmark = arrays["clock"]
        trends = cls(0, 0, half_lives.tolist())
        trends._landmark = np.array(landmark)
        trends._mass = np.array(arrays["mass"], np.float64)
        return trends

    def _move(self, latest: float) -> None:
        late = self._rate * (latest - self._landmark) > LARGEST_EXPONENT
        if late.any():
            shift = -self._rate[late] * (latest - self._landmark[late])
            self._mass[late] *= np.exp(shift)[:, None]
            self._landmark[late] = latest


def fit(
    events: Interactions, size: int, now: int, half_lives: Sequence[float] = HALF_LIVES
) -> Trends:
    """Count the voices of ``events`` on ``size`` articles, for the state at ``now``."""
    opens, _, place = openings(events)
    first = first_voices(opens)
    trends = Trends(size, now, half_lives)
    weight = np.where(place[first] == 0, LANDING, 1.0)
    trends.add(opens.article[first], opens.at[first], weight)
    return trends


def first_voices(events: Interactions) -> Int64:
    """Return the rows of each reader's first event on each article: one reader is one voice.

    A reader is the visitor, or the session where the visitor is unknown; events with neither all
    count.
    """
    offset = int(events.visitor.max(initial=-1)) + 1
    reader = np.where(events.visitor >= 0, events.visitor.astype(np.int64), -1)
    sessions = (events.visitor < 0) & (events.session >= 0)
    reader = np.where(sessions, offset + events.session.astype(np.int64), reader)
    known = np.flatnonzero(reader >= 0)
    width = int(events.article.max(initial=0)) + 1
    _, first = np.unique(reader[known] * width + events.article[known], return_index=True)
    return np.sort(np.concatenate([known[first], np.flatnonzero(reader < 0)]))


PATIENCE = 600.0
"""Voices that a clock must have heard for its own word to count half against the slower ones."""


def shares(counts: Float64, patience: float = PATIENCE) -> Float64:
    """Return f64[H, A]: the share of openings that each article gets, as each clock sees it.

    A fast clock is right on a busy network and noise on a quiet one, so each is smoothed toward the
    next slower one by a Dirichlet prior of ``patience`` voices:
    ``p_h = (c_h + patience · p_{h+1}) / (C_h + patience)`` (MacKay and Peto, 1995); the slowest
    stands for itself. Rows sum to 1, or to 0 where nothing was counted.
    """
    result = np.empty(counts.shape)
    totals = counts.sum(axis=1)
    slower = counts[-1] / totals[-1] if totals[-1] > 0 else np.zeros(counts.shape[1])
    for clock in range(len(counts) - 1, -1, -1):
        if clock < len(counts) - 1:
            slower = (counts[clock] + patience * slower) / (totals[clock] + patience)
        result[clock] = slower
    return result


@dataclass(frozen=True, slots=True, eq=False)
class TrendBoard:
    """What is opened at ``as_of``: shares of all articles, and those that trend, best first."""

    as_of: int
    share: Float32
    """f32[A]: share of the network's openings now."""
    earlier: Float32
    """f32[A]: the same by the second clock, which lags behind."""
    usual: Float32
    """f32[A]: the same by the slowest clock."""
    rows: Int32
    """int32[k]: what trends"""
    scores: Float32
    """f32[k]: shares against the baseline of the own site; they sum to 1."""

    @classmethod
    def empty(cls) -> "TrendBoard":
        """Return a board of nothing."""
        none = np.empty(0, np.float32)
        return cls(0, none, none, none, np.empty(0, np.int32), none)

    def grown(self, size: int) -> "TrendBoard":
        """Return the board with room for articles up to ``size``, which nobody has opened yet."""
        fresh = np.zeros(size - len(self.share), np.float32)
        return dataclasses.replace(
            self,
            share=np.concatenate([self.share, fresh]),
            earlier=np.concatenate([self.earlier, fresh]),
            usual=np.concatenate([self.usual, fresh]),
        )


def board(
    counts: Float64, site: Int16, as_of: int, *, per_site: int, site_exponent: float
) -> TrendBoard:
    """Rank the articles that trend, the best ``per_site`` of each site; ties by row.

    ``counts`` f64[H, A] are decayed readers and ``site`` int16[A] site codes. An article's score is
    ``share / share(site) ** site_exponent``, normalised: 0 ranks by plain volume, so that the
    largest site drowns its sisters, 1 by the share of its own site's readers.
    """
    share = shares(counts)
    now = share[0]
    opened = now > 0
    found = [np.flatnonzero(opened & (site == code)) for code in np.unique(site)]
    best = [rows[top(now[rows], per_site)] for rows in found]
    rows = np.concatenate([np.empty(0, np.int64), *best])
    totals = np.bincount(site, weights=now, minlength=1)
    scores = now[rows] / totals[site[rows]] ** site_exponent
    order = np.lexsort((rows, -scores))
    rows, scores = rows[order], scores[order]
    scores = scores / (scores.sum() or 1.0)
    return TrendBoard(
        as_of=as_of,
        share=now.astype(np.float32),
        earlier=share[min(1, len(share) - 1)].astype(np.float32),
        usual=share[-1].astype(np.float32),
        rows=rows.astype(np.int32),
        scores=scores.astype(np.float32),
    )
