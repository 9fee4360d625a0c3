"""Measures what lists show, apart from whether they are right: variety, novelty, shares."""

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64

CHUNK = 4096
"""Lists whose vectors are held at once."""


def coverage(lists: Int32, eligible: int) -> float:
    """Return the share of ``eligible`` articles that stand in at least one list int32[q, k].

    Lists are padded with -1 here and everywhere below.
    """
    shown = np.unique(lists)
    return float(np.count_nonzero(shown >= 0) / eligible) if eligible else 0.0


def gini(lists: Int32, eligible: int) -> float:
    """Return how unequally the cards fall on ``eligible`` articles: 0 evenly, near 1 on one alone.

    The Gini coefficient of how often each article is shown, those that never are included
    (Fleder and Hosanagar, 2009). NaN where nothing is shown.
    """
    _, count = np.unique(lists[lists >= 0], return_counts=True)
    if not len(count):
        return float("nan")
    total = max(eligible, len(count))
    place = np.arange(total - len(count) + 1, total + 1)  # the never shown come first, and add 0
    return float(np.sum((2 * place - total - 1) * np.sort(count)) / (total * count.sum()))


def novelties(lists: Int32, popularity: Float64) -> Float64:
    """Return f64[q]: the mean self-information of each list, in bits; NaN for an empty one.

    ``−log2 p`` of an article with the share p of all openings ``popularity`` f64[A], one added to
    each so that what was never opened has one too (Zhou et al., 2010).
    """
    share = (popularity + 1) / (popularity.sum() + len(popularity))
    return mean_of_cards(lists, -np.log2(share))


def diversities(lists: Int32, vectors: Float32) -> Float64:
    """Return f64[q]: the mean of ``1 − cosine`` over the pairs within each list.

    ``vectors`` f32[A, d] have unit length or are zero where an article has no text; pairs with a
    zero vector say nothing and are left out (Ziegler et al., 2005). NaN where no pair is left.
    """
    told = np.any(vectors != 0, axis=1)
    means = np.full(len(lists), np.nan)
    for first in range(0, len(lists), CHUNK):
        part = slice(first, first + CHUNK)
        rows = lists[part]
        shown = (rows >= 0) & told[np.maximum(rows, 0)]
        cards = np.where(shown[:, :, None], vectors[np.maximum(rows, 0)], np.float32(0))
        # All pairs at once: the square of a sum is the sum of squares and of both orders of pairs.
        both = np.square(cards.sum(axis=1, dtype=np.float64)).sum(axis=1)
        alone = np.square(cards).sum(axis=(1, 2), dtype=np.float64)
        count = shown.sum(axis=1)
        pairs = count * (count - 1)
        np.divide(pairs - (both - alone), pairs, out=means[part], where=pairs > 0)
    return means


def elsewhere(lists: Int32, site: Int32, home: Int32) -> Float64:
    """Return f64[q]: the share of each list whose ``site`` int32[A] is not ``home`` int32[q]."""
    return _mean((site[np.maximum(lists, 0)] != home[:, None]).astype(np.float64), lists >= 0)


def freshness(lists: Int32, published: Int64, at: Int64, seconds: int) -> Float64:
    """Return f64[q]: the share of each list that is younger than ``seconds`` at ``at`` int64[q].

    ``published`` int64[A] and ``at`` are UTC seconds.
    """
    age = at[:, None] - published[np.maximum(lists, 0)]
    return _mean((age < seconds).astype(np.float64), lists >= 0)


def overlaps(a: Int32, b: Int32, persistence: float = 0.9) -> Float64:
    """Return f64[q]: how alike two lists are, ``a`` and ``b`` int32[q, k]: 1 where they are equal.

    Rank-biased overlap, extrapolated (Webber, Moffat and Zobel, 2010, equation 32): the share that
    is common down to each depth, where a reader goes on to the next card with ``persistence``, so
    the first cards count most. 0 where nothing is common, NaN where both are empty. No list names
    an article twice.
    """
    depth = np.arange(1, a.shape[1] + 1)
    same = (a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]
    common = same.cumsum(axis=1).cumsum(axis=2).diagonal(axis1=1, axis2=2).astype(np.float64)
    sizes = np.sort([(a >= 0).sum(axis=1), (b >= 0).sum(axis=1)], axis=0)
    short, long = sizes[0][:, None], sizes[1][:, None]
    agreed = np.where(depth <= long, common / depth, 0.0)
    # Below the end of the shorter list it would go on to agree as it did.
    last = np.take_along_axis(common, np.maximum(short - 1, 0), axis=1) * (short > 0)
    rate = np.divide(last, short, out=np.zeros_like(last), where=short > 0)
    agreed += np.where((short < depth) & (depth <= long), rate * (depth - short) / depth, 0.0)
    begun = (1 - persistence) / persistence * (agreed * persistence**depth).sum(axis=1)
    end = np.take_along_axis(common, np.maximum(long - 1, 0), axis=1)
    ratio = np.divide(end - last, long, out=np.zeros_like(last), where=long > 0) + rate
    found = begun + (ratio * persistence**long)[:, 0]
    return np.where(long[:, 0] > 0, found, np.nan)


def mean_of_cards(lists: Int32, value: Float64) -> Float64:
    """Return f64[q]: the mean of ``value`` f64[A] over each list; NaN for an empty one."""
    return _mean(value[np.maximum(lists, 0)], lists >= 0)


def codes(lists: Int32, code: Int32) -> Int32:
    """Return int32[q, k]: each card's ``code`` int32[A], such as its site; -1 where there is none.

    Ready for ``shares``.
    """
    return np.where(lists >= 0, code[np.maximum(lists, 0)], -1).astype(np.int32)


def shares(code: Int32, count: int) -> Float64:
    """Return f64[count]: the share of cards with each code; NaN where there are none.

    ``code`` int[q, k] counts from 0, -1 is no card: sites, sections or sources, for all cards or
    (-1 elsewhere) for those that hit.
    """
    told = code[code >= 0]
    if not len(told):
        return np.full(count, np.nan)
    return np.bincount(told, minlength=count) / len(told)


def _mean(value: Float64, shown: Bool) -> Float64:
    """Return the means f64[q] of ``value`` f64[q, k] where it is shown."""
    count = shown.sum(axis=1)
    none = np.full(len(value), np.nan)
    return np.asarray(
        np.divide((value * shown).sum(axis=1), count, out=none, where=count > 0), np.float64
    )
