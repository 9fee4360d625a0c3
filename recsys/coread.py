"""Counts which article readers open after which, with decay: what the co-read source remembers."""

import numpy as np
from scipy import sparse

from recsys.arrays import Float32, Int32, Int64
from recsys.tables import Interactions

GAP = 30 * 60
"""Seconds without an event after which a reader without session ids starts a new visit."""


class CoRead:
    """Decayed transition counts, article → article opened later in the same visit.

    Each article keeps its ``width`` strongest successors as ``(columns int32[k], mass f32[k],
    as_of)``, where ``mass`` is the count decayed to ``as_of`` (UTC seconds). The rows of a bundle
    stay memory-mapped; a live event replaces one row whole, so that a request in another thread
    reads the old row or the new one and never half of each.
    """

    def __init__(
        self,
        indptr: Int64,
        columns: Int32,
        mass: Float32,
        *,
        as_of: int,
        half_life: float,
        width: int,
    ) -> None:
        self._indptr = indptr
        self._columns = columns
        self._mass = mass
        self._as_of = as_of
        self.half_life = half_life
        self.width = width
        self._live: dict[int, tuple[Int32, Float32, int]] = {}

    @classmethod
    def empty(cls, half_life: float, width: int) -> "CoRead":
        """Return counts of nothing."""
        none = np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
        return cls(*none, as_of=0, half_life=half_life, width=width)

    def row(self, article: int, now: int) -> tuple[Int32, Float32]:
        """Return the successors of an article, int32[k], and their counts at ``now``, f32[k]."""
        columns, mass, as_of = self._row(article)
        return columns, mass * np.float32(2.0 ** (-max(now - as_of, 0) / self.half_life))

    def add(self, article: int, successor: int, at: int, weight: float = 1.0) -> None:
        """Count one transition that ended at ``at``; events may come in any order."""
        columns, mass, as_of = self._row(article)
        newest = max(at, as_of) if len(columns) else at
        mass = mass * np.float32(2.0 ** (-(newest - as_of) / self.half_life))
        weight *= 2.0 ** (-(newest - at) / self.half_life)
        found = np.flatnonzero(columns == successor)
        if len(found):
            mass[found[0]] += weight
        elif len(columns) < self.width:
            columns = np.append(columns, np.int32(successor))
            mass = np.append(mass, np.float32(weight))
        else:
            # The weakest gives way even to a weaker newcomer: else no new article could ever enter.
            weakest = int(np.argmin(mass))
            columns = columns.copy()
            columns[weakest], mass[weakest] = successor, weight
        self._live[article] = (columns, mass, newest)

    def _row(self, article: int) -> tuple[Int32, Float32, int]:
        live = self._live.get(article)
        if live is not None:
            return live
        if article + 1 >= len(self._indptr):
            return np.empty(0, np.int32), np.empty(0, np.float32), 0
        span = slice(int(self._indptr[article]), int(self._indptr[article + 1]))
        return self._columns[span], self._mass[span], self._as_of

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
            "clock": np.array([self._as_of, self.half_life, self.width], np.float64),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "CoRead":
        """Restore what ``arrays`` returned, without copying; each restored object lives alone."""
        as_of, half_life, width = arrays["clock"]
        return cls(
            arrays["indptr"],
            arrays["columns"],
            arrays["mass"],
            as_of=int(as_of),
            half_life=float(half_life),
            width=int(width),
        )


def fit(
    opens: Interactions, articles: int, *, now: int, half_life: float, width: int, reach: int
) -> CoRead:
    """Count the transitions of ``opens`` between ``articles`` articles, decayed to ``now``.

    Articles first opened ``d`` steps apart in one visit, ``d`` up to ``reach``, count ``1 / d``.
    """
    visit = visits(opens)
    # Opening an article again, or reading it after the click, is no further step of the visit.
    _, first = np.unique(visit * max(articles, 1) + opens.article, return_index=True)
    first = np.sort(first[visit[first] >= 0])
    order = first[np.argsort(visit[first], kind="stable")]
    visit, article, at = visit[order], opens.article[order], opens.at[order]
    weight = np.exp2(-np.maximum(now - at, 0) / half_life)
    pairs = []
    for step in range(1, reach + 1):
        first = np.flatnonzero(
            (visit[step:] == visit[:-step]) & (article[step:] != article[:-step])
        )
        pairs.append((article[first], article[first + step], weight[first + step] / step))
    sources, targets, values = (np.concatenate(column) for column in zip(*pairs, strict=True))
    counts = sparse.csr_matrix(
        (values.astype(np.float32), (sources, targets)), shape=(articles, articles)
    )
    indptr, columns, mass = _strongest(counts, width)
    return CoRead(indptr, columns, mass, as_of=now, half_life=half_life, width=width)


def visits(events: Interactions) -> Int64:
    """Return int64[E]: the visit of each event, -1 where neither session nor visitor is known.

    A visit is a session; for a visitor without session ids it ends with ``GAP`` seconds of silence.
    """
    visit = np.where(events.session >= 0, events.session.astype(np.int64), -1)
    loose = np.flatnonzero((events.session < 0) & (events.visitor >= 0))
    if len(loose):
        order = loose[np.argsort(events.visitor[loose], kind="stable")]
        visitor, at = events.visitor[order], events.at[order]
        starts = np.r_[True, (visitor[1:] != visitor[:-1]) | (np.diff(at) > GAP)]
        visit[order] = visit.max(initial=-1) + np.cumsum(starts)
    return visit


def _strongest(counts: sparse.csr_matrix, width: int) -> tuple[Int64, Int32, Float32]:
    """Keep the ``width`` largest entries of each row, largest first, ties by column."""
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((counts.indices, -counts.data, row))
    place = np.arange(len(row)) - counts.indptr[row]
    kept = order[place < width]
    sizes = np.minimum(np.diff(counts.indptr), width)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return indptr, counts.indices[kept].astype(np.int32), counts.data[kept].astype(np.float32)
