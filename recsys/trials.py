"""Keeps what may be true of new, seldom shown articles: draws of the click rates they may have."""

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.top import top

DRAWS = 256
"""Draws of the click rates that are kept; propensities are exact, and multiples of one in these."""
POOL = 100
"""Articles on trial at a time."""
PRIOR = 20.0
"""Impressions that the network's own click rate weighs in an article's."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """t articles on trial."""

    rows: Int32
    """int32[t]"""
    rates: Float32
    """f32[DRAWS, t]: each line is one draw of all their click rates."""

    @classmethod
    def none(cls) -> "Trials":
        """Return no trials."""
        return cls(np.empty(0, np.int32), np.empty((DRAWS, 0), np.float32))


def trials(
    rows: Int32, published: Int64, clicked: Float64, shown: Float64, *, rate: float, seed: int
) -> Trials:
    """Put the ``POOL`` least shown of ``rows`` int32[m] on trial, of equals the newest.

    ``published`` int64[m], ``clicked`` and ``shown`` f64[m] are theirs; ``rate`` is the network's
    click rate. Rates are drawn from a Beta posterior: Thompson sampling (Chapelle and Li, 2011).
    """
    newest = np.lexsort((rows, -published))
    chosen = newest[top(-shown[newest], POOL)]
    clicked, shown = clicked[chosen], shown[chosen]
    known = clicked + PRIOR * rate
    missed = np.maximum(shown - clicked, 0.0) + PRIOR * (1.0 - rate)
    rates = np.random.default_rng(seed).beta(known, missed, (DRAWS, len(chosen)))
    return Trials(rows[chosen].astype(np.int32), rates.astype(np.float32))


def click_rate(clicked: float, shown: float) -> float:
    """Return the network's click rate, from 0.001 to 0.5; near 0.02 where little was shown."""
    return min(max((clicked + 2.0) / (shown + 100.0), 0.001), 0.5)
