"""Keeps many small tables in large blocks: they are most of what a training takes of memory."""

import numpy as np

from recsys.arrays import Float32

BLOCK = 200_000


class Stack:
    """Tables f32[m, ``width``] one on another, in blocks of ``block`` rows.

    A block goes back to the system as soon as it is copied. Thousands of small tables would not,
    for other small things lie between them, and so everything would be in memory twice.
    """

    def __init__(self, width: int, block: int = BLOCK) -> None:
        self._width, self._block = width, block
        self._blocks: list[Float32] = []
        self._rows = 0

    def put(self, table: Float32) -> None:
        """Put a table on top."""
        while len(table):
            first = self._rows % self._block
            if first == 0:
                self._blocks.append(np.empty((self._block, self._width), np.float32))
            fits = min(self._block - first, len(table))
            self._blocks[-1][first : first + fits] = table[:fits]
            self._rows += fits
            table = table[fits:]

    def taken(self) -> Float32:
        """Return all of them as one; the stack is empty then."""
        end, self._rows = self._rows, 0
        whole = np.empty((end, self._width), np.float32)
        while self._blocks:
            part = self._blocks.pop()
            first = self._block * len(self._blocks)
            whole[first:end] = part[: end - first]
            end = first
        return whole
