"""Picks the best of many: the one place that decides how ties break."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float32, Int32, Int64


def top(scores: NDArray[Any], k: int) -> Int64:
    """Return the positions int64[≤k] of the ``k`` largest scores [n], best first, ties in order.

    The time is that of a partition, O(n), and a sort of what is kept.
    """
    places = np.arange(len(scores))
    if k <= 0:
        return places[:0]
    if len(scores) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > least)
        level = np.flatnonzero(scores == least)[: k - len(above)]
        places = np.concatenate([above, level])
    best: Int64 = places[np.lexsort((places, -scores[places]))]
    return best


def best(scores: Float32, k: int) -> tuple[Int32, Float32]:
    """Return rows int32[≤k] and scores f32[≤k] of the k largest positive scores, ties by row."""
    rows = np.flatnonzero(scores > 0)
    rows = rows[top(scores[rows], k)]
    return rows.astype(np.int32), scores[rows].astype(np.float32)
