"""Measures of ranked lists: arrays in, floats out."""

import numpy as np

from recsys.arrays import Float32, Float64, Int32
from recsys.inference import Interval as Interval
from recsys.inference import bootstrap as bootstrap

MISS = 0
"""The rank of a target that is not in its list; ranks count from 1."""


def hits(rank: Int32, k: int) -> Float64:
    """Return f64[q]: 1 where the target stands within the first ``k``; mean it for HR@k."""
    hit: Float64 = ((rank != MISS) & (rank <= k)).astype(np.float64)
    return hit


def reciprocal_ranks(rank: Int32, k: int) -> Float64:
    """Return f64[q]: ``1 / rank`` within the first ``k``, else 0; mean it for MRR@k."""
    return np.where(hits(rank, k) > 0, 1.0 / np.maximum(rank, 1), 0.0)


def gains(rank: Int32, k: int) -> Float64:
    """Return f64[q]: ``1 / log2(1 + rank)`` within the first ``k``, else 0; mean it for nDCG@k.

    With one relevant article a query the ideal gain is 1 (Järvelin and Kekäläinen, 2002).
    """
    return np.where(hits(rank, k) > 0, 1.0 / np.log2(1.0 + np.maximum(rank, 1)), 0.0)


def ranks(lists: Int32, target: Int32) -> Int32:
    """Return int32[q]: the place of ``target`` int32[q] in each row of ``lists`` int32[q, k].

    Lists are padded with -1, which matches nothing.
    """
    found = (lists == target[:, None]) & (target[:, None] >= 0)
    place = np.argmax(found, axis=1) + 1
    return np.where(found.any(axis=1), place, MISS).astype(np.int32)


def coverage(lists: Int32, eligible: int) -> float:
    """Return the share of ``eligible`` articles that stand in at least one list."""
    shown = np.unique(lists)
    return float(np.count_nonzero(shown >= 0) / eligible) if eligible else 0.0


def share_elsewhere(lists: Int32, site: Int32, home: Int32) -> float:
    """Return the share of shown articles whose ``site[row]`` is not the query's ``home`` int[q]."""
    shown = lists >= 0
    if not shown.any():
        return 0.0
    away = site[np.maximum(lists, 0)] != home[:, None]
    return float(np.count_nonzero(away & shown) / np.count_nonzero(shown))


def intra_list_diversity(lists: Int32, vectors: Float32) -> float:
    """Return the mean of ``1 − cosine`` over the pairs within each list, averaged over lists.

    ``vectors`` f32[A, d] have unit length or are zero where an article has no text; pairs with a
    zero vector say nothing and are left out (Ziegler et al., 2005). NaN where nothing can be said.
    """
    told = np.any(vectors != 0, axis=1)
    values = []
    for rows in lists:
        rows = rows[rows >= 0]
        rows = rows[told[rows]]
        if len(rows) > 1:
            similar = vectors[rows] @ vectors[rows].T
            pairs = len(rows) * (len(rows) - 1)
            values.append(1.0 - (similar.sum() - np.trace(similar)) / pairs)
    return float(np.mean(values)) if values else float("nan")
