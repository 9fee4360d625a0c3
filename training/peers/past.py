"""Lays out the openings that a peer learns from as the matrix which its library wants."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.arrays import Int32, Int64
from recsys.history import Step
from recsys.tables import Interactions
from recsys.top import top
from recsys.visits import visits


@dataclass(frozen=True, slots=True, eq=False)
class Openings:
    """E openings in time order; those of unknown visits, which lead nowhere, are left out."""

    visit: Int64
    """int64[E]"""
    visitor: Int64
    """int64[E]: -1 where unknown"""
    article: Int64
    """int64[E]"""

    def __len__(self) -> int:
        return len(self.visit)

    @classmethod
    def of(cls, events: Interactions) -> "Openings":
        """Take what was opened among ``events``."""
        opens = events.reads()
        columns = np.stack([visits(opens), opens.visitor, opens.article])
        return cls(*columns[:, columns[0] >= 0])

    def then(self, steps: Iterable[Step]) -> "Openings":
        """Return these openings and, after them, those of a replay.

        A visit that goes on counts as a new one: the replay has numbers of its own for visits.
        """
        rows = [(step.visit, step.visitor, step.article) for step in steps if step.visit >= 0]
        visit, visitor, article = np.array(rows, np.int64).reshape(-1, 3).T
        return Openings(
            np.concatenate([self.visit, visit + self.visit.max(initial=-1) + 1]),
            np.concatenate([self.visitor, visitor]),
            np.concatenate([self.article, article]),
        )

    def last(self, n: int) -> "Openings":
        """Return the latest ``n`` openings."""
        return Openings(self.visit[-n:], self.visitor[-n:], self.article[-n:])

    def of_most_opened(self, n: int) -> "Openings":
        """Return the openings of the ``n`` articles that were opened most, ties by row."""
        articles, article, count = np.unique(self.article, return_inverse=True, return_counts=True)
        if len(articles) <= n:
            return self
        kept = np.isin(article, top(count, n))
        return Openings(self.visit[kept], self.visitor[kept], self.article[kept])

    def by_visit(self) -> "Table":
        """Return which visit opened what."""
        return Table.of(self.visit, self.article)

    def by_reader(self) -> "Table":
        """Return which reader opened what; a visit by an unknown one is a reader of its own."""
        known = self.visitor >= 0
        return Table.of(np.where(known, self.visitor, -1 - self.visit), self.article)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Who opened what: u visits or readers, and no articles but the a ≥ 1 that were opened."""

    articles: Int32
    """int32[a], ascending: the row of each column's article"""
    matrix: sparse.csr_matrix
    """f32[u, a]: 1 where opened, however often"""

    @classmethod
    def of(cls, who: Int64, article: Int64) -> "Table":
        """Build the table of the pairs ``who`` int64[E] and ``article`` int64[E]."""
        lines, line = np.unique(who, return_inverse=True)
        columns, column = np.unique(article, return_inverse=True)
        ones = np.ones(len(line), np.float32)
        matrix = sparse.csr_matrix((ones, (line, column)), (len(lines), len(columns)))
        matrix.data[:] = 1.0
        return cls(columns.astype(np.int32), matrix)

    def columns(self, rows: Collection[int]) -> Int32:
        """Return int32[≤m]: the columns of those among m articles that have one, in order."""
        wanted = np.fromiter(rows, np.int32, len(rows))
        place = np.searchsorted(self.articles, wanted).clip(max=len(self.articles) - 1)
        return place[self.articles[place] == wanted].astype(np.int32)
