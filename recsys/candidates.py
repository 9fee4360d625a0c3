"""Where candidates come from: each source ranks articles by one reason to read them next."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32
from recsys.live import Live
from recsys.policy import TrendRules
from recsys.situation import Situation
from recsys.top import top
from recsys.trending import STEADY
from recsys.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What one source proposes: ``rows`` int32[k] with ``scores`` f32[k], best first.

    A score is the source's own estimate of the probability that the article is opened next, so
    that scores compare between sources. Raises ``ValueError`` for a list that is not sorted,
    finite, free of repeats and of a sum up to 1, since every later step relies on it.
    """

    source: str
    rows: Int32
    scores: Float32

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.scores):
            raise ValueError(f"{self.source}: {len(self.rows)} rows, {len(self.scores)} scores")
        if not np.isfinite(self.scores).all() or (self.scores[1:] > self.scores[:-1]).any():
            raise ValueError(f"{self.source}: scores are not finite and in descending order")
        if self.scores.sum() > 1.001:
            raise ValueError(f"{self.source}: probabilities sum to {self.scores.sum()}")
        if len(set(self.rows.tolist())) != len(self.rows):
            raise ValueError(f"{self.source}: an article occurs twice")


TRAIL_WEIGHTS = (1.0, 0.3, 0.1)
"""How much the last, the second and the third last article of a visit say of the next one."""
PRIOR_FAST = 20.0
"""Transitions of this hour that weigh as much as what is known from before."""
PRIOR_SLOW = 20.0
"""Transitions of these weeks that weigh as much as what everybody opens now."""
MOMENTUM = np.float32(0.4)
"""Exponent of the ratio between an article's share now and half an hour ago."""
SHARPNESS = 10.0
"""Turns cosines and tastes into odds: a difference of 0.1 is a factor e."""


def co_read(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by what readers opened next after the articles of this visit.

    The counts of a seldom read article say little, so each clock is smoothed toward what is known
    without it: ``P(j|i) = (C_ij + a·S(j|i)) / (C_i + a)`` on the fast clock, and on the slow one
    the lift of i for j times what is opened now, ``S(j|i) ∝ p_j (C'_ij/q_j + b)``, with j's share p
    of openings now and q in these weeks. So what belongs together is kept apart from what is new
    today. Dirichlet smoothing: MacKay and Peto (1995).
    """
    view, board = situation.view, situation.view.board
    trail = situation.trail[: -len(TRAIL_WEIGHTS) - 1 : -1]
    successors = [live.successors(view, row, situation.now) for row in trail]
    if not successors:
        return _none("co_read")
    rows = np.unique(np.concatenate([board.rows, *(columns for columns, _ in successors)]))
    share = board.share[rows]
    usual = np.maximum(board.usual[rows], np.float32(1e-9))
    scores = np.zeros(len(rows), np.float32)
    for weight, (columns, counts) in zip(TRAIL_WEIGHTS, successors, strict=False):
        at = np.searchsorted(rows, columns)
        fast, slow = counts[0], counts[-1]
        lift = np.full(len(rows), PRIOR_SLOW, np.float32)
        lift[at] += slow / usual[at]
        before = share * lift
        # Beyond ``rows`` every article has the lift of a stranger.
        total = before.sum() + PRIOR_SLOW * max(1.0 - float(share.sum()), 0.0)
        before *= PRIOR_FAST / max(float(total), 1e-9)
        before[at] += fast
        scores += before * np.float32(weight / (float(fast.sum()) + PRIOR_FAST))
    scores /= np.float32(sum(TRAIL_WEIGHTS[: len(successors)]))
    return _of_the_moment(live, _ranked("co_read", rows, scores, situation, k), situation)


def related(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by likeness of content to the articles of this visit, the last one most."""
    lists = []
    for weight, row in zip(TRAIL_WEIGHTS, reversed(situation.trail), strict=False):
        rows, cosines = live.related(situation.view, row)
        lists.append((rows, weight * _odds(cosines)))
    rows, scores = _summed(lists)
    fresh = situation.freshness(rows, situation.policy.half_lives.related)
    return _ranked("related", rows, _normal(scores * fresh), situation, k)


def trending(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by what readers of the network open now, each site against its own baseline."""
    board = situation.view.board
    trend = trends(situation.view, board.rows, situation.now, situation.policy.trends)
    return _ranked("trending", board.rows[trend], board.scores[trend], situation, k)


def trends(view: View, rows: Int32, now: int, rules: TrendRules) -> Bool:
    """Return bool[k]: which rows may be called a trend at ``now`` (UTC seconds)."""
    age = now - view.catalogue.published[rows]
    young = age <= rules.max_age if rules.max_age else np.ones(len(rows), np.bool_)
    return view.board.loud(rows, rules.floor) & (age >= rules.min_age) & young


def personal(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank the pool of current articles by the reader's taste."""
    view = situation.view
    if situation.taste is None:
        return _none("personal")
    odds = _odds(view.pool_factors @ situation.taste)
    fresh = situation.freshness(view.pool, situation.policy.half_lives.personal)
    return _ranked("personal", view.pool, _normal(odds * fresh), situation, k)


def latest(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by publication, newest first: what is left to show when no reason is known."""
    rows = situation.view.newest
    if np.count_nonzero(situation.eligible(rows)) < k:
        rows = np.arange(len(situation.view.catalogue), dtype=np.int32)
    age = np.maximum(situation.now - situation.view.catalogue.published[rows], 0)
    return _ranked("latest", rows, _normal(1.0 / (1.0 + age)), situation, k)


def sponsored(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank what is paid for by publication: where slots are kept for it, it need not be related."""
    catalogue = situation.view.catalogue
    rows = np.flatnonzero(catalogue.sponsored).astype(np.int32)
    age = np.maximum(situation.now - catalogue.published[rows], 0)
    return _ranked("sponsored", rows, _normal(1.0 / (1.0 + age)), situation, k)


Source = Callable[[Live, Situation, int], Candidates]

SOURCES: dict[str, Source] = {
    "co_read": co_read,
    "related": related,
    "trending": trending,
    "personal": personal,
}
"""The sources that are fused; ``latest`` only fills what they leave."""


def _of_the_moment(live: Live, candidates: Candidates, situation: Situation) -> Candidates:
    """Rank anew by what rises now, and what readers in the same circumstances open now.

    Both factors leave the sum of probabilities as it is.
    """
    rows, board = candidates.rows, situation.view.board
    share = board.share[rows]
    rising = ((share + STEADY) / (board.earlier[rows] + STEADY)) ** MOMENTUM
    lift = live.segments.lift(situation.context, rows, board.earlier[rows], situation.now)
    scores = candidates.scores * rising * lift
    scores *= np.float32(candidates.scores.sum() / max(float(scores.sum()), 1e-9))
    order = np.lexsort((rows, -scores))
    return Candidates(candidates.source, rows[order], scores[order])


def _odds(likeness: Float32) -> Float64:
    """Return f64[k]: how much likelier each one is than one of likeness 0, which has no chance."""
    odds: Float64 = np.expm1(SHARPNESS * np.clip(likeness, 0.0, 2.0).astype(np.float64))
    return odds


def _normal(scores: Float64) -> Float32:
    """Return f32[k]: scores that sum to 1, or all 0."""
    return (scores / (scores.sum() or 1.0)).astype(np.float32)


def _none(source: str) -> Candidates:
    return Candidates(source, np.empty(0, np.int32), np.empty(0, np.float32))


def _summed(lists: list[tuple[Int32, Float64]]) -> tuple[Int32, Float64]:
    """Return the distinct rows of several lists and the sums of their scores."""
    if not lists:
        return np.empty(0, np.int32), np.empty(0)
    rows, place = np.unique(np.concatenate([rows for rows, _ in lists]), return_inverse=True)
    sums = np.bincount(place, np.concatenate([scores for _, scores in lists]), len(rows))
    return rows.astype(np.int32), sums.astype(np.float64)


def _ranked(source: str, rows: Int32, scores: Float32, situation: Situation, k: int) -> Candidates:
    """Keep the best ``k`` eligible rows with a positive score, ties by row."""
    chosen = np.flatnonzero(scores > 0)
    if len(chosen) > 4 * k:
        # Most of the best are eligible, so asking about all of them is mostly waste.
        least = np.partition(scores[chosen], len(chosen) - 2 * k)[len(chosen) - 2 * k]
        best = chosen[scores[chosen] >= least]
        best = best[situation.eligible(rows[best])]
        chosen = best if len(best) >= k else chosen[situation.eligible(rows[chosen])]
    else:
        chosen = chosen[situation.eligible(rows[chosen])]
    rows, scores = rows[chosen], scores[chosen]
    order = top(scores, k)
    return Candidates(source, rows[order], scores[order])
