"""Hands a replayed system each article at its time, and knows which articles are up."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from recsys.arrays import Bool, Int32
from recsys.types import Article


class Press:
    """Publishes ``articles``, which are in order of publication, by calling ``joined`` once each.

    What is opened or shown before its time counts as published then: nobody could have met it
    otherwise.
    """

    def __init__(self, articles: Sequence[Article], joined: Callable[[int], None]) -> None:
        self._joined = joined
        self._published = [article.published for article in articles]
        self._next = 0
        self._out = np.zeros(len(articles), np.bool_)
        ends = np.array([article.expires for article in articles], np.int64)
        order = np.argsort(ends, kind="stable")
        self._leaving, self._ends = order.tolist(), ends[order].tolist()
        self._left = 0
        self._expired = np.zeros(len(articles), np.bool_)

    def until(self, now: int) -> None:
        """Publish what is due at ``now`` (UTC seconds), and take down what has expired."""
        while self._next < len(self._published) and self._published[self._next] <= now:
            self.these((self._next,))
            self._next += 1
        while self._left < len(self._ends) and self._ends[self._left] <= now:
            self._expired[self._leaving[self._left]] = True
            self._left += 1

    def these(self, rows: Iterable[int]) -> None:
        """Publish articles that somebody meets now, unless they are out already."""
        for row in rows:
            if not self._out[row]:
                self._out[row] = True
                self._joined(row)

    def up(self, rows: Int32) -> Bool:
        """Return bool[m]: which of ``rows`` int32[m] are out and have not expired."""
        up: Bool = self._out[rows] & ~self._expired[rows]
        return up
