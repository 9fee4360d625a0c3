"""Counts which article readers open after which, on two clocks: the co-read source's memory."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.compiled import kernel
from recsys.tables import Interactions
from recsys.visits import openings
from recsys.weights import COREAD_HALF_LIVES as HALF_LIVES
from recsys.weights import COREAD_WIDTH as WIDTH

REACH = 3


class Steps(NamedTuple):
    """What was opened after each of some articles, one after the other."""

    rows: Int32
    """int32[e]"""
    fast: Float32
    """f32[e]: counts on the fastest clock."""
    slow: Float32
    """f32[e]: on the slowest."""
    start: Int64
    """int64[s + 1]: where each article's begin."""


class CoRead:
    """Decayed transition counts, article → article opened later in the same visit.

    Each article keeps its ``width`` strongest successors as ``(columns int32[k], mass f32[H, k],
    as_of)``, where ``mass`` is the count on each of H clocks, decayed to ``as_of`` (UTC seconds).
    The rows of a bundle stay memory-mapped; a live event replaces one row whole, so that a request
    in another thread reads the old row or the new one and never half of each.
    """

    def __init__(
        self,
        indptr: Int64,
        columns: Int32,
        mass: Float32,
        *,
        as_of: int,
        half_lives: Sequence[float] = HALF_LIVES,
        width: int = WIDTH,
    ) -> None:
        self._indptr = indptr
        self._columns = columns
        self._mass = mass
        self._as_of = as_of
        self.half_lives = tuple(half_lives)
        self.width = width
        self._rate = [-1.0 / half_life for half_life in self.half_lives]
        self._live: dict[int, tuple[Int32, Float32, int]] = {}

    @classmethod
    def empty(cls, half_lives: Sequence[float] = HALF_LIVES, width: int = WIDTH) -> "CoRead":
        """Return counts of nothing."""
        none = np.empty((len(half_lives), 0), np.float32)
        start = np.zeros(1, np.int64)
        return cls(
            start, none[0].astype(np.int32), none, as_of=0, half_lives=half_lives, width=width
        )

    def row(self, article: int, now: int) -> tuple[Int32, Float32]:
        """Return the successors of an article, int32[k], and their counts at ``now``, f32[H, k]."""
        columns, mass, as_of = self._row(article)
        return columns, mass * self._fading(now - as_of)

    def steps(self, articles: Sequence[int], now: int, size: int) -> Steps:
        """Return what was opened after each of ``MOST`` articles or fewer, counted at ``now``.

        Counts run ahead of a view; successors that it does not hold yet, from row ``size`` on, are
        left out.
        """
        parts: list[Int32 | Float32] = []
        fading = np.zeros((2, MOST), np.float32)
        for place, article in enumerate(articles):
            columns, mass, as_of = self._row(article)
            parts += (columns, mass[0], mass[-1])
            age = max(now - as_of, 0)
            fading[0, place] = 2.0 ** (self._rate[0] * age)
            fading[1, place] = 2.0 ** (self._rate[-1] * age)
        parts += NOTHING * (MOST - len(articles))
        return Steps(*_steps(*parts, fading, len(articles), size))

    def add(self, article: int, successor: int, at: int, weight: float = 1.0) -> None:
        """Count one transition that ended at ``at``; events may come in any order."""
        columns, mass, as_of = self._row(article)
        newest = max(at, as_of) if len(columns) else at
        mass = mass * self._fading(newest - as_of)
        added = weight * self._fading(newest - at)
        found = np.flatnonzero(columns == successor)
        if len(found):
            mass[:, found[0]] += added[:, 0]
        elif len(columns) < self.width:
            columns = np.append(columns, np.int32(successor))
            mass = np.concatenate([mass, added], axis=1)
        else:
            # The weakest gives way even to a weaker newcomer: else no new article could ever enter.
            weakest = int(np.argmin(mass.sum(axis=0)))
            columns = columns.copy()
            columns[weakest], mass[:, weakest] = successor, added[:, 0]
        self._live[article] = (columns, mass, newest)

    def _fading(self, age: int) -> Float32:
        """Return f32[H, 1]: what is left on each clock after ``age`` seconds."""
        faded = [2.0 ** (rate * max(age, 0)) for rate in self._rate]
        return np.array(faded, np.float32)[:, None]

    def _row(self, article: int) -> tuple[Int32, Float32, int]:
        live = self._live.get(article)
        if live is not None:
            return live
        if article + 1 >= len(self._indptr):
            return np.empty(0, np.int32), np.empty((len(self.half_lives), 0), np.float32), 0
        span = slice(int(self._indptr[article]), int(self._indptr[article + 1]))
        return self._columns[span], self._mass[:, span], self._as_of

    def copy(self) -> "CoRead":
        """Return an independent copy, to be advanced by live events; fitted arrays are shared."""
        copy = CoRead.of_arrays(self.arrays())
        copy._live = dict(self._live)
        return copy

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what ``fit`` counted as arrays, for a bundle; live additions are not in it."""
        return {
            "indptr": self._indptr,
            "columns": self._columns,
            "mass": self._mass,
            "clock": np.array([self._as_of, self.width, *self.half_lives], np.float64),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "CoRead":
        """Restore what ``arrays`` returned, without copying."""
        as_of, width, *half_lives = arrays["clock"].tolist()
        return cls(
            arrays["indptr"],
            arrays["columns"],
            arrays["mass"],
            as_of=int(as_of),
            half_lives=half_lives,
            width=int(width),
        )


MOST = 3
"""Articles that ``CoRead.steps`` follows at a time."""
NOTHING = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))


@kernel
def _steps(  # type: ignore[no-untyped-def]
    columns0, fast0, slow0, columns1, fast1, slow1, columns2, fast2, slow2, fading, many, size
):
    most = len(columns0) + len(columns1) + len(columns2)
    rows = np.empty(most, np.int32)
    fast, slow = np.empty(most, np.float32), np.empty(most, np.float32)
    start, end = np.zeros(many + 1, np.int64), 0
    for step in range(many):
        columns, quick, lasting = columns0, fast0, slow0
        if step == 1:
            columns, quick, lasting = columns1, fast1, slow1
        if step == 2:
            columns, quick, lasting = columns2, fast2, slow2
        for place in range(len(columns)):
            if columns[place] < size:
                rows[end] = columns[place]
                fast[end] = quick[place] * fading[0, step]
                slow[end] = lasting[place] * fading[1, step]
                end += 1
        start[step + 1] = end
    return rows[:end], fast[:end], slow[:end], start


def fit(
    events: Interactions,
    articles: int,
    *,
    now: int,
    half_lives: Sequence[float] = HALF_LIVES,
    width: int = WIDTH,
    reach: int = REACH,
) -> CoRead:
    """Count the transitions of ``events`` between ``articles`` articles, decayed to ``now``.

    Articles first opened ``d`` steps apart in one visit, ``d`` up to ``reach``, count ``1 / d``.
    """
    opens, visit, _ = openings(events)
    order = np.argsort(visit, kind="stable")
    order = order[np.searchsorted(visit[order], 0) :]
    visit, article, at = visit[order], opens.article[order], opens.at[order]
    pairs = []
    for step in range(1, reach + 1):
        earlier = np.flatnonzero(visit[step:] == visit[:-step])
        later = earlier + step
        weight = np.full(len(later), 1.0 / step)
        pairs.append((article[earlier], article[later], at[later], weight))
    source, target, ended, weight = (np.concatenate(part) for part in zip(*pairs, strict=True))
    clocks = []
    for half_life in half_lives:
        faded = weight * np.exp2(-np.maximum(now - ended, 0) / half_life)
        # Every clock keeps the same entries, be a count faded to 0 or not: the structures match.
        clocks.append(_summed(source, target, faded, articles))
    return _strongest(clocks, now, half_lives, width)


def _summed(source: Int32, target: Int32, weight: Float64, size: int) -> sparse.csr_matrix:
    return sparse.coo_matrix((weight.astype(np.float32), (source, target)), (size, size)).tocsr()


def _strongest(
    clocks: Sequence[sparse.csr_matrix], now: int, half_lives: Sequence[float], width: int
) -> CoRead:
    """Keep the ``width`` largest entries of each row, largest first, ties by column."""
    first = clocks[0]
    total = np.sum([counts.data for counts in clocks], axis=0)
    row = np.repeat(np.arange(first.shape[0]), np.diff(first.indptr))
    order = np.lexsort((first.indices, -total, row))
    place = np.arange(len(row)) - first.indptr[row]
    kept = order[place < width]
    sizes = np.minimum(np.diff(first.indptr), width)
    return CoRead(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        first.indices[kept].astype(np.int32),
        np.stack([counts.data[kept] for counts in clocks]).astype(np.float32),
        as_of=now,
        half_lives=half_lives,
        width=width,
    )
