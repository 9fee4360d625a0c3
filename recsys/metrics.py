"""Measures how good ranked lists are: arrays in, one value for each question out."""

import numpy as np

from recsys.arrays import Bool, Float64, Int32, Int64
from recsys.errors import DataError

MISS = 0
"""The rank of a target that is not in its list; ranks count from 1."""


def ranks(lists: Int32, target: Int32) -> Int32:
    """Return int32[q]: the place of ``target`` int32[q] in each row of ``lists`` int32[q, m].

    Lists are padded with -1, which matches nothing.
    """
    found = (lists == target[:, None]) & (target[:, None] >= 0)
    place = np.argmax(found, axis=1) + 1
    return np.where(found.any(axis=1), place, MISS).astype(np.int32)


def hits(rank: Int32, k: int) -> Float64:
    """Return f64[q]: 1 where the target stands within the first ``k``; mean it for HR@k."""
    hit: Float64 = ((rank != MISS) & (rank <= k)).astype(np.float64)
    return hit


def reciprocal_ranks(rank: Int32, k: int) -> Float64:
    """Return f64[q]: ``1 / rank`` within the first ``k``, else 0; mean it for MRR@k."""
    return np.where(hits(rank, k) > 0, 1.0 / np.maximum(rank, 1), 0.0)


def gains(rank: Int32, k: int) -> Float64:
    """Return f64[q]: ``1 / log2(1 + rank)`` within the first ``k``, else 0; mean it for nDCG@k.

    With one relevant article a question the ideal gain is 1 (Järvelin and Kekäläinen, 2002).
    """
    return np.where(hits(rank, k) > 0, 1.0 / np.log2(1.0 + np.maximum(rank, 1)), 0.0)


def found(lists: Int32, relevant: Int32) -> Bool:
    """Return bool[q, m]: which of ``lists`` int32[q, m] are among ``relevant`` int32[q, t].

    Both are padded with -1, which matches nothing; no list names an article twice.
    """
    among = np.zeros(lists.shape, np.bool_)
    for column in relevant.T:
        among |= lists == column[:, None]
    return among & (lists >= 0)


def wanted(relevant: Int32) -> Int64:
    """Return int64[q]: how many articles of ``relevant`` int32[q, t], padded with -1, there are."""
    count: Int64 = np.count_nonzero(relevant >= 0, axis=1).astype(np.int64)
    return count


def precisions(found: Bool, k: int) -> Float64:
    """Return f64[q]: the share of the first ``k`` places with a relevant article; Precision@k.

    A list shorter than ``k`` has missed with the places that it left empty.
    """
    share: Float64 = found[:, :k].sum(axis=1) / k
    return share


def recalls(found: Bool, wanted: Int64, k: int) -> Float64:
    """Return f64[q]: the share of the relevant articles within the first ``k``; Recall@k.

    As in all that divides by ``wanted`` int64[q]: NaN where nothing is relevant.
    """
    return _ratio(found[:, :k].sum(axis=1), wanted)


def average_precisions(found: Bool, wanted: Int64, k: int) -> Float64:
    """Return f64[q]: the precision at each relevant article of the first ``k``; mean it for MAP@k.

    Summed and divided by ``wanted`` int64[q], so what was not found counts as 0 (trec_eval's
    ``map_cut``; Buckley and Voorhees, 2000).
    """
    top = found[:, :k]
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return _ratio((precision * top).sum(axis=1), wanted)


def discounted_gains(found: Bool, wanted: Int64, k: int) -> Float64:
    """Return f64[q]: the sum of ``1 / log2(1 + rank)`` by its best possible value; nDCG@k.

    ``gains`` for several relevant articles, each worth 1 (Järvelin and Kekäläinen, 2002).
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    top = found[:, :k]
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(wanted, k)]
    return _ratio(top @ discount[: top.shape[1]], best)


def serendipities(found: Bool, expected: Bool, k: int) -> Float64:
    """Return f64[q]: the share of the first ``k`` places that are relevant and unexpected.

    ``|(L \\ P) ∩ R| / k``, where P is the list of a primitive system that anybody could have built
    (Ge, Delgado-Battenfeld and Jannach, 2010; Kaminskas and Bridge, 2016). ``expected`` bool[q, m]
    tells which articles of the list are in P: ``found(lists, primitive)``.
    """
    return precisions(found & ~expected, k)


def aucs(score: Float64, clicked: Bool, slate: Int64, slates: int) -> Float64:
    """Return f64[slates]: how probably a clicked card of a slate scores above another; AUC.

    Card n of ``slate`` int64[n], from 0, has ``score`` f64[n]; ties count half (Mann and Whitney,
    1947). NaN where all cards of a slate were clicked, or none. Raises ``DataError`` where a score
    is not finite.
    """
    if not np.isfinite(score).all():
        row = int(np.flatnonzero(~np.isfinite(score))[0])
        raise DataError(f"score of card {row} is {score[row]}; expected a finite number")
    order = np.lexsort((score, slate))
    s, v = slate[order], score[order]
    new = np.ones(len(s), np.bool_)
    new[1:] = (s[1:] != s[:-1]) | (v[1:] != v[:-1])
    tie = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    size = np.diff(np.append(first, len(s)))
    cards = np.bincount(slate, minlength=slates)
    before = np.cumsum(cards) - cards
    # Ranks from 1 within the slate; equal scores share the middle of their places.
    rank = (first + (size + 1) / 2)[tie] - before[s]
    hit = clicked[order]
    clicks = np.bincount(s[hit], minlength=slates)
    above = np.bincount(s[hit], weights=rank[hit], minlength=slates) - clicks * (clicks + 1) / 2
    return _ratio(above, clicks * (cards - clicks))


def _ratio(part: Float64 | Int64, whole: Float64 | Int64) -> Float64:
    """Return ``part / whole`` f64[q], NaN where there is no whole."""
    none = np.full(len(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=none, where=whole > 0), np.float64)
