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
        self._out: set[int] = set()
        ends = np.array([article.expires for article in articles], np.int64)
        order = np.argsort(ends, kind="stable")
        self._leaving, self._ends = order.tolist(), ends[order].tolist()
        self._left: set[int] = set()

    def until(self, now: int) -> None:
        """Publish what is due at ``now`` (UTC seconds), and take down what has expired."""
        while self._next < len(self._published) and self._published[self._next] <= now:
            self.these((self._next,))
            self._next += 1
        while len(self._left) < len(self._ends) and self._ends[len(self._left)] <= now:
            self._left.add(self._leaving[len(self._left)])

    def these(self, rows: Iterable[int]) -> None:
        """Publish articles that somebody meets now, unless they are out already."""
        for row in rows:
            if row not in self._out:
                self._out.add(row)
                self._joined(row)

    def up(self, rows: Int32) -> Bool:
        """Return bool[m]: which of ``rows`` int32[m] are out and have not expired."""
        return np.array([r in self._out and r not in self._left for r in rows.tolist()], np.bool_)
