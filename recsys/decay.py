"""Counts that fade: the one place where an event of the past loses weight with time."""

import math
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path

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
        self._fresh = np.zeros((len(self.half_lives), 0), np.float64)
        """Of the rows after those, with room to spare: the first may be mapped, and stay so."""
        self._size = size

    def grow(self, size: int) -> None:
        """Make room for rows up to ``size``; new ones count 0."""
        self._size = max(size, self._size)
        missing = self._size - self._mass.shape[1] - self._fresh.shape[1]
        if missing > 0:
            spare = max(missing, self._fresh.shape[1], 64)
            self._fresh = np.pad(self._fresh, ((0, 0), (0, spare)))

    def add(self, rows: Int32, at: Int64, weight: Float64 | float = 1.0) -> None:
        """Count events on article ``rows`` int[m] at ``at`` int64[m] (UTC seconds), any order."""
        if len(rows) == 0:
            return
        self._move(float(at.max()))
        first = self._mass.shape[1]
        weights = np.broadcast_to(weight, len(rows))
        parts = (self._mass, 0, rows < first), (self._fresh, first, rows >= first)
        for mass, start, chosen in parts:
            if not chosen.any():
                continue
            places = rows[chosen] - start
            for clock, rate in enumerate(self._rate):
                exponent = rate * (at[chosen] - self._landmark[clock])
                np.add.at(mass[clock], places, weights[chosen] * np.exp(exponent))

    def add_one(self, row: int, at: int, weight: float = 1.0) -> None:
        """Count one event; the same as ``add`` without the cost of arrays."""
        self._move(float(at))
        first = self._mass.shape[1]
        mass, place = (self._mass, row) if row < first else (self._fresh, row - first)
        mass[:, place] += weight * np.exp(self._rate * (at - self._landmark))

    def counts(self, now: int) -> Float64:
        """Return f64[H, A]: the decayed count of every article at ``now``, fastest clock first."""
        return np.stack([self.clock(clock, now) for clock in range(len(self.half_lives))])

    def clock(self, clock: int, now: int) -> Float64:
        """Return f64[A]: what ``counts`` says on one clock."""
        # Where ``now`` lies long before the landmark, the factor alone would overflow.
        exponent = -self._rate[clock] * (now - self._landmark[clock])
        factor = math.exp(min(exponent, LARGEST_EXPONENT))
        first, counts = self._mass.shape[1], np.empty(self._size, np.float64)
        np.multiply(self._mass[clock], factor, out=counts[:first])
        np.multiply(self._fresh[clock, : self._size - first], factor, out=counts[first:])
        return counts

    def set_back(self, seconds: float) -> None:
        """Take what was counted for so much older, as the clock does that is set back.

        Counts stay what they are. Else those of the time that has not come yet would grow without
        bound, and outweigh for as long all that follows.
        """
        self._landmark -= seconds

    def copy(self) -> "Decayed":
        """Return an independent copy, to be advanced by live events.

        Of a mapped file it takes memory only where it is written to.
        """
        return Decayed.of_arrays(self.arrays(_own))

    def arrays(self, kept: Callable[[Float64], Float64] = np.copy) -> dict[str, np.ndarray]:
        """Return the state as arrays, for a bundle; ``kept`` takes what is counted over."""
        fresh = self._fresh[:, : self._size - self._mass.shape[1]]
        mass = np.concatenate([self._mass, fresh], axis=1) if fresh.size else kept(self._mass)
        return {"mass": mass, "clock": np.array([self.half_lives, self._landmark])}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Decayed":
        """Restore what ``arrays`` returned, without copying; to count on, take a ``copy``."""
        half_lives, landmark = arrays["clock"]
        counts = cls(0, 0, half_lives.tolist())
        counts._landmark = np.array(landmark)
        counts._mass = arrays["mass"]
        counts._size = counts._mass.shape[1]
        return counts

    def _move(self, latest: float) -> None:
        late = self._rate * (latest - self._landmark) > LARGEST_EXPONENT
        if late.any():
            shift = -self._rate[late] * (latest - self._landmark[late])
            for mass in (self._mass, self._fresh):
                mass[late] *= np.exp(shift)[:, None]
            self._landmark[late] = latest


def _own(mass: Float64) -> Float64:
    """Return a copy that may be changed; one of a mapped file shares its pages until it is.

    It is no ``memmap``: a copy of it must hold what was counted since, and not the file again.
    """
    mapped = mass.base
    if isinstance(mapped, np.memmap) and mapped.shape == mass.shape and mapped.filename:
        try:
            with Path(mapped.filename).open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            return np.ndarray(mapped.shape, mapped.dtype, pages, mapped.offset)
        except OSError:  # the bundle was removed; who has it open keeps it
            pass
    return mass.copy()
