"""Where candidates come from: each source ranks articles by one reason to read them next."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int32
from recsys.compiled import kernel, loose, order, slot, slots
from recsys.live import Live
from recsys.policy import TrendRules
from recsys.situation import TRAIL_WEIGHTS, Situation, passing
from recsys.trending import STEADY, TrendBoard
from recsys.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What one source proposes: ``rows`` int32[k] with ``scores`` f32[k], best first.

    A score is the source's own estimate of the probability that the article is opened next, so
    that scores compare between sources. Every later step relies on a list that is sorted, finite,
    free of repeats and of a sum up to 1; ``check`` says whether it is.
    """

    source: str
    rows: Int32
    scores: Float32

    def check(self) -> None:
        """Raise ``ValueError`` for a list that breaks the contract: for tests of sources."""
        if len(self.rows) != len(self.scores):
            raise ValueError(f"{self.source}: {len(self.rows)} rows, {len(self.scores)} scores")
        if not np.isfinite(self.scores).all() or (self.scores[1:] > self.scores[:-1]).any():
            raise ValueError(f"{self.source}: scores are not finite and in descending order")
        if self.scores.sum() > 1.001:
            raise ValueError(f"{self.source}: probabilities sum to {self.scores.sum()}")
        if len(set(self.rows.tolist())) != len(self.rows):
            raise ValueError(f"{self.source}: an article occurs twice")


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
    board, steps = situation.view.board, situation.steps(live)
    if len(steps.start) == 1:
        return Candidates("co_read", NO_ROWS, NO_SCORES)
    by_share, by_row, heard = situation.view.once("opened", None, lambda: _opened(board))
    rows, scores = _after(
        situation.gate, *steps, board.share, board.usual, by_share, by_row, heard, WEIGHTS, k
    )
    # What rises now, and what readers in the same circumstances open now; the sum of probabilities
    # stays.
    lift = live.segments.lift(situation.context, rows, board.earlier, situation.now)
    _rise(rows, scores, lift, board.share, board.earlier)
    return Candidates("co_read", rows, scores)


def related(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by likeness of content to the articles of this visit, the last one most."""
    lists = [
        live.related(situation.view, row) for row in situation.trail[: -len(TRAIL_WEIGHTS) - 1 : -1]
    ]
    if not lists:
        return Candidates("related", NO_ROWS, NO_SCORES)
    ends = np.array([len(rows) for rows, _ in lists]).cumsum()
    rows, cosines = lists[0]
    if len(lists) > 1:
        rows, cosines = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    lives = situation.lives(situation.policy.half_lives.related)
    return Candidates("related", *_alike(situation.gate, rows, cosines, ends, WEIGHTS, lives, k))


def trending(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by what readers of the network open now, each site against its own baseline."""
    board, rules = situation.view.board, situation.policy.trends
    return Candidates(
        "trending",
        *_leading(
            situation.gate,
            board.rows,
            board.scores,
            board.slow,
            float(rules.floor),
            float(rules.min_age),
            float(rules.max_age),
            k,
        ),
    )


def trends(view: View, rows: Int32, now: int, rules: TrendRules) -> Bool:
    """Return bool[k]: which rows may be called a trend at ``now`` (UTC seconds)."""
    trend: Bool = _trends(
        view.catalogue.published,
        view.board.slow,
        rows,
        now,
        float(rules.floor),
        float(rules.min_age),
        float(rules.max_age),
    )
    return trend


def personal(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank the pool of current articles by the reader's taste."""
    view, gate = situation.view, situation.gate
    if situation.taste is None:
        return Candidates("personal", NO_ROWS, NO_SCORES)
    lives = situation.lives(situation.policy.half_lives.personal)
    fresh = view.once(
        ("pool", situation.now),
        lives,
        lambda: _faded(gate.now, gate.published, gate.section, lives, view.pool),
    )
    liked = _liked(gate, view.pool, view.pool_factors, situation.taste, fresh, k)
    return Candidates("personal", *liked)


def latest(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by publication, newest first: what is left to show when no reason is known."""
    rows = situation.view.newest
    if np.count_nonzero(situation.eligible(rows)) < k:
        rows = np.arange(len(situation.view.catalogue), dtype=np.int32)
    return _by_age("latest", situation, rows, k)


def sponsored(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank what is paid for by publication: where slots are kept for it, it need not be related."""
    paid = situation.view.catalogue.sponsored
    rows = situation.view.once("sponsored", paid, lambda: np.flatnonzero(paid).astype(np.int32))
    return _by_age("sponsored", situation, rows, k)


Source = Callable[[Live, Situation, int], Candidates]

SOURCES: dict[str, Source] = {
    "co_read": co_read,
    "related": related,
    "trending": trending,
    "personal": personal,
}
"""The sources that are fused; ``latest`` only fills what they leave."""

WEIGHTS = np.array(TRAIL_WEIGHTS)
NO_ROWS, NO_SCORES = np.empty(0, np.int32), np.empty(0, np.float32)


def _by_age(source: str, situation: Situation, rows: Int32, k: int) -> Candidates:
    age = np.maximum(situation.now - situation.view.catalogue.published[rows], 0)
    scores = 1.0 / (1.0 + age)
    scores = (scores / (scores.sum() or 1.0)).astype(np.float32)
    return Candidates(source, *_best(situation.gate, rows, scores, k))


def _opened(board: TrendBoard) -> tuple[Int32, Int32, float]:
    """Return the rows of a board by their shares, best first, by row, and the sum of the shares."""
    rows = np.sort(board.rows)
    share = board.share[rows]
    return rows[order(share.astype(np.float64), rows)], rows, float(share.sum())


@kernel
def _listed(sorted_rows: Int32, row: int) -> bool:
    low, high = 0, len(sorted_rows)
    while low < high:
        middle = (low + high) // 2
        if sorted_rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low < len(sorted_rows) and sorted_rows[low] == row


@kernel
def _after(  # type: ignore[no-untyped-def]
    gate, found, fast, slow, start, share, usual, by_share, by_row, heard, weights, k
):
    """Return rows and f32 scores of the best ``k``, best first.

    Of all that nobody opened next, an article's score is its share times what is common to them;
    so only as many of those are looked at as have a place.
    """
    table, many = slots(len(found)), 0
    rows = np.empty(len(found), np.int32)
    own = np.empty(len(found), np.int64)
    for place in range(len(found)):
        at = slot(table, rows, found[place])
        if table[at] < 0:
            table[at], rows[many] = many, found[place]
            if not _listed(by_row, found[place]):
                heard += share[found[place]]
            many += 1
        own[place] = table[at]
    scores = np.zeros(many)
    common, weighed = 0.0, 0.0
    for step in range(len(start) - 1):
        times, total = 0.0, PRIOR_SLOW * max(1.0, heard)
        for place in range(start[step], start[step + 1]):
            row = found[place]
            times += fast[place]
            total += share[row] * (slow[place] / max(usual[row], np.float32(1e-9)))
        scale = PRIOR_FAST / max(total, 1e-9)
        weight = weights[step] / (times + PRIOR_FAST)
        for place in range(start[step], start[step + 1]):
            row = found[place]
            before = share[row] * (slow[place] / max(usual[row], np.float32(1e-9)))
            scores[own[place]] += weight * (fast[place] + scale * before)
        common += weight * scale * PRIOR_SLOW
        weighed += weights[step]
    known, known_scores, last = np.empty(many, np.int32), np.empty(many), 0
    fits = passing(gate, rows[:many])
    for place in range(many):
        score = (scores[place] + common * share[rows[place]]) / weighed
        if score > 0 and fits[place]:
            known[last], known_scores[last] = rows[place], score
            last += 1
    known, known_scores = known[:last], known_scores[:last]
    ranked = order(known_scores, known)
    common /= weighed
    best, best_scores, one, other, size = np.empty(k, np.int32), np.empty(k, np.float32), 0, 0, 0
    fits, asked = fits[:0], 0
    while size < k:
        while other < len(by_share):
            if other == asked + len(fits):
                asked, fits = other, passing(gate, by_share[other : other + k])
            if fits[other - asked] and table[slot(table, rows, by_share[other])] < 0:
                break
            other += 1
        row, score = np.int32(-1), 0.0
        if other < len(by_share):
            row, score = by_share[other], common * share[by_share[other]]
        if one < last:
            here = ranked[one]
            if known_scores[here] > score or (known_scores[here] == score and known[here] < row):
                row, score = known[here], known_scores[here]
        if score <= 0.0:
            break
        if one < last and row == known[ranked[one]]:
            one += 1
        else:
            other += 1
        best[size], best_scores[size] = row, score
        size += 1
    return best[:size], best_scores[:size]


@kernel
def _rise(rows, scores, lift, share, earlier):  # type: ignore[no-untyped-def]
    """Put rows and f32 scores in a new order: times what rises, and times ``lift`` f32[k]."""
    risen = np.empty(len(rows))
    before, after = 0.0, 0.0
    for place in range(len(rows)):
        row = rows[place]
        ratio = (share[row] + STEADY) / (earlier[row] + STEADY)
        risen[place] = scores[place] * ratio**MOMENTUM * lift[place]
        before += scores[place]
        after += risen[place]
    risen *= before / max(after, 1e-9)
    ranked = order(risen, rows)
    rows[:], scores[:] = rows[ranked], risen[ranked]


@kernel
def _alike(gate, rows, cosines, ends, weights, lives, k):  # type: ignore[no-untyped-def]
    """Return the best distinct rows of several lists by the sums of their odds, as ``_best``."""
    table, many, step = slots(len(rows)), 0, 0
    distinct, scores = np.empty(len(rows), np.int32), np.zeros(len(rows))
    for place in range(len(rows)):
        while place >= ends[step]:
            step += 1
        at = slot(table, distinct, rows[place])
        if table[at] < 0:
            table[at], distinct[many] = many, rows[place]
            many += 1
        odds = np.expm1(SHARPNESS * min(max(np.float64(cosines[place]), 0.0), 2.0))
        scores[table[at]] += weights[step] * odds
    distinct = distinct[:many]
    scores = scores[:many] * _faded(gate.now, gate.published, gate.section, lives, distinct)
    total = scores.sum()
    if total > 0:
        scores /= total
    return _best(gate, distinct, scores.astype(np.float32), k)


@kernel
def _faded(now, published, section, lives, rows):  # type: ignore[no-untyped-def]
    """Return f64[k] ``0.5 ** (age / half-life)``; 1 for a half-life of 0."""
    fresh = np.ones(len(rows))
    for place in range(len(rows)):
        life = lives[section[rows[place]]]
        if life > 0:
            fresh[place] = 2.0 ** (-max(now - published[rows[place]], 0) / life)
    return fresh


@kernel
def _trends(published, slow, rows, now, floor, youngest, oldest):  # type: ignore[no-untyped-def]
    found = np.empty(len(rows), np.bool_)
    for place in range(len(rows)):
        row = rows[place]
        age = now - published[row]
        found[place] = slow[row] >= floor and age >= youngest and (oldest == 0 or age <= oldest)
    return found


@kernel
def _leading(gate, rows, scores, slow, floor, youngest, oldest, k):  # type: ignore[no-untyped-def]
    """Return the first ``k`` rows that may be shown and called trends; they are in order."""
    best, size = np.empty(k, np.int64), 0
    for begin in range(0, len(rows), k):
        part = rows[begin : begin + k]
        fits = passing(gate, part)
        trend = _trends(gate.published, slow, part, gate.now, floor, youngest, oldest)
        for place in range(len(part)):
            if fits[place] and trend[place] and scores[begin + place] > 0 and size < k:
                best[size] = begin + place
                size += 1
        if size == k:
            break
    return rows[best[:size]], scores[best[:size]]


@kernel
def _liked(gate, rows, factors, taste, fresh, k):  # type: ignore[no-untyped-def]
    """Return the best rows of a pool by their odds with a taste, as ``_best``."""
    return _best(gate, rows, _odds(factors, taste, fresh), k)


@loose
def _odds(factors, taste, fresh):  # type: ignore[no-untyped-def]
    """Return f32[p]: probabilities from odds of tastes, faded."""
    scores = np.empty(len(factors), np.float32)
    for place in range(len(factors)):
        liked = np.float32(0.0)
        for factor in range(len(taste)):
            liked += factors[place, factor] * taste[factor]
        scores[place] = liked
    odds, total = np.empty(len(factors)), 0.0
    for place in range(len(factors)):
        # expm1, written out so that many are done at once: 2ⁿ·expm1(r) + 2ⁿ - 1.
        x = SHARPNESS * min(max(np.float64(scores[place]), 0.0), 2.0)
        whole = np.int32(x * 1.4426950408889634 + 0.5)
        r = x - whole * 0.6931471805599453
        power = np.float64(np.int32(1) << whole)
        small = r * (
            1
            + r
            / 2
            * (
                1
                + r
                / 3
                * (
                    1
                    + r
                    / 4
                    * (
                        1
                        + r
                        / 5
                        * (
                            1
                            + r
                            / 6
                            * (1 + r / 7 * (1 + r / 8 * (1 + r / 9 * (1 + r / 10 * (1 + r / 11)))))
                        )
                    )
                )
            )
        )
        odds[place] = (power * small + (power - 1.0)) * fresh[place]
        total += odds[place]
    if total > 0:
        for place in range(len(factors)):
            scores[place] = odds[place] / total
    else:
        scores[:] = 0
    return scores


@kernel
def _best(gate, rows, scores, k):  # type: ignore[no-untyped-def]
    """Keep the best ``k`` rows that may be shown and have a positive score, ties by row."""
    bits = scores.view(np.int32)
    least, wanted = 1, 2 * k
    if len(rows) > 2 * wanted:
        # Most of the best may be shown, so asking about all of them is mostly waste.
        counts, above, bucket = np.zeros(2048, np.int32), 0, 2047
        for place in range(len(rows)):
            counts[max(bits[place], 0) >> 20] += 1
        while bucket > 0 and above + counts[bucket] < wanted:
            above += counts[bucket]
            bucket -= 1
        least = max(bucket << 20, 1)
    kept = np.empty(len(rows), np.int32)
    while True:
        size = 0
        for place in range(len(rows)):
            if bits[place] >= least:
                kept[size] = place
                size += 1
        chosen = kept[:size]
        chosen = chosen[passing(gate, rows[chosen])]
        if len(chosen) >= k or least == 1:
            break
        least = 1
    found, chances = rows[chosen], scores[chosen]
    ranked = order(chances.astype(np.float64), found)[:k]
    return found[ranked], chances[ranked]
