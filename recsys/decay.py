"""Counts that fade: the one place where an event of the past loses weight with time."""

import math
from collections.abc import Sequence

import numpy as np

from recsys.arrays import Float64, Int32, Int64

LARGEST_EXPONENT = 300.0
"""A landmark moves before ``exp`` of a forward-decayed weight could overflow a float64."""


class Decayed:
    """Forward-decayed counts of A articles (Cormode, Shkapenyuk, Srivastava and Xu, 2009).

    On each of H clocks an event at ``t`` adds ``exp(λ(t − L))`` with ``λ = ln 2 / half_life`` and a
    landmark L, so that increments commute and merge, and nothing needs a sweep; a count at ``now``
    is the sum times ``exp(−λ(now − L))``.
    """

    def __init__(self, size: int, landmark: int, half_lives: Sequence[float]) -> None:
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

    def set_back(self, seconds: float) -> None:
        """Take what was counted for so much older, as the clock does that is set back.

        Counts stay what they are. Else those of the time that has not come yet would grow without
        bound, and outweigh for as long all that follows.
        """
        self._landmark -= seconds

    def copy(self) -> "Decayed":
        """Return an independent copy, to be advanced by live events."""
        return Decayed.of_arrays(self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state as arrays, for a bundle."""
        return {"mass": self._mass.copy(), "clock": np.array([self.half_lives, self._landmark])}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Decayed":
        """Restore what ``arrays`` returned; the arrays are copied, for counts move on."""
        half_lives, landmark = arrays["clock"]
        counts = cls(0, 0, half_lives.tolist())
        counts._landmark = np.array(landmark)
        counts._mass = np.array(arrays["mass"], np.float64)
        return counts

    def _move(self, latest: float) -> None:
        late = self._rate * (latest - self._landmark) > LARGEST_EXPONENT
        if late.any():
            shift = -self._rate[late] * (latest - self._landmark[late])
            self._mass[late] *= np.exp(shift)[:, None]
            self._landmark[late] = latest
