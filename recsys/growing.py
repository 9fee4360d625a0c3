"""Columns that grow at their end: a new article must not cost what all articles do."""

from typing import Any

import numpy as np

Column = np.ndarray[Any, Any]


class Growing:
    """An array [n, …] that grows; ``now`` is what it holds, and never changes once it was read.

    The first one is not copied until it has to be, so one that is mapped stays shared for as long.
    Only one thread may change it.
    """

    def __init__(self, first: Column) -> None:
        self.now = first
        self._room = first

    def append(self, values: Any) -> Column:
        """Add ``values`` [m, …] at the end, and return all."""
        if not len(values):
            return self.now
        start, size = len(self.now), len(self.now) + len(values)
        if size > len(self._room):
            self._make_room(size)
        # Nobody can see these places yet: what was read before ends where they begin.
        self._room[start:size] = values
        self.now = self._room[:size]
        return self.now

    def put(self, rows: np.ndarray, values: Any) -> Column:
        """Write ``values`` [m, …] into ``rows`` int[m], and return all: the same where they were
        there already, else a copy."""
        if not np.array_equal(self.now[rows], values):
            self._make_room(len(self.now))
            self._room[rows] = values
            self.now = self._room[: len(self.now)]
        return self.now

    def _make_room(self, size: int) -> None:
        self._room = np.empty((size + size // 16 + 64, *self.now.shape[1:]), self.now.dtype)
        self._room[: len(self.now)] = self.now
