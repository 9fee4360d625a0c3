"""Where candidates come from: each source ranks articles by one reason to read them next."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int32
from recsys.live import Live, View


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What one source proposes: ``rows`` int32[k] with ``scores`` f32[k], best first.

    Scores compare within a source only. Raises ``ValueError`` for a list that is not sorted, finite
    and free of repeats, since every later step relies on it.
    """

    source: str
    rows: Int32
    scores: Float32

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.scores):
            raise ValueError(f"{self.source}: {len(self.rows)} rows, {len(self.scores)} scores")
        if not np.isfinite(self.scores).all() or (self.scores[1:] > self.scores[:-1]).any():
            raise ValueError(f"{self.source}: scores are not finite and in descending order")
        if len(set(self.rows.tolist())) != len(self.rows):
            raise ValueError(f"{self.source}: an article occurs twice")


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """A query in rows: who asks, from where, and what must not be shown."""

    view: View
    now: int
    site: int
    """Code of the page's site, -1 where unknown."""
    anchor: int
    """Row of the article on the page, -1 where there is none or it is unknown."""
    trail: tuple[int, ...]
    """Rows of the present visit, oldest first, the anchor last."""
    opened: Int32
    """Rows that the reader has opened, ever and in this visit."""
    taste: Float32 | None
    """f32[f], None for a reader of whom nothing is known."""
    language: Bool
    """bool[L + 1]: which language codes may be shown; the last entry stands for -1."""

    def eligible(self, rows: Int32) -> Bool:
        """Return bool[k]: which rows may be shown at all. This never relaxes."""
        catalogue = self.view.catalogue
        return (
            (catalogue.published[rows] <= self.now)
            & (catalogue.expires[rows] > self.now)
            & ~self.view.withdrawn[rows]
            & self.language[catalogue.language[rows]]
            & ~np.isin(catalogue.story[rows], catalogue.story[self.opened])
        )


RELATED_PULL = 0.5
"""How much each step back in the visit counts against the next one for the related source."""


def related(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by likeness of content to the articles of this visit, the last one most."""
    lists = []
    for step, row in enumerate(reversed(situation.trail[-3:])):
        rows, cosines = live.related(row)
        lists.append((rows, cosines * np.float32(RELATED_PULL**step)))
    return _ranked("related", *_summed(lists), situation, k)


def co_read(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by what readers opened next after the articles of this visit.

    The transition counts of a seldom read article say little, so they are smoothed toward what is
    opened anywhere now: ``P(j | i) = (C_ij + a·p_j) / (C_i + a)`` (MacKay and Peto, 1995).
    """
    board = situation.view.board
    lists, backed = [], 0.0
    for step, row in enumerate(reversed(situation.trail[-len(TRAIL_WEIGHTS) :])):
        rows, counts = live.coread.row(row, situation.now)
        weight = TRAIL_WEIGHTS[step] / (float(counts.sum()) + BACKING)
        lists.append((rows, counts * np.float32(weight)))
        backed += weight * BACKING
    if lists:
        lists.append((board.rows, board.share * np.float32(backed)))
    return _ranked("co_read", *_summed(lists), situation, k)


TRAIL_WEIGHTS = (1.0, 0.3)
BACKING = 10.0


def trending(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by what readers of the network open now, each site against its own baseline."""
    board = situation.view.board
    return _ranked("trending", board.rows, board.scores, situation, k)


def personal(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank the pool of current articles by the reader's taste."""
    view = situation.view
    if situation.taste is None:
        return _ranked("personal", *_summed([]), situation, k)
    return _ranked("personal", view.pool, view.pool_factors @ situation.taste, situation, k)


def latest(live: Live, situation: Situation, k: int) -> Candidates:
    """Rank by publication, newest first: what is left to show when no reason is known."""
    rows = situation.view.newest
    if np.count_nonzero(situation.eligible(rows)) < k:
        rows = np.arange(len(situation.view.catalogue), dtype=np.int32)
    age = (situation.now - situation.view.catalogue.published[rows]).astype(np.float32)
    return _ranked("latest", rows, (1 / (1 + np.maximum(age, 0))).astype(np.float32), situation, k)


Source = Callable[[Live, Situation, int], Candidates]

SOURCES: dict[str, Source] = {
    "related": related,
    "co_read": co_read,
    "trending": trending,
    "personal": personal,
}
"""The sources that are fused; ``latest`` only fills what they leave."""


def _summed(lists: list[tuple[Int32, Float32]]) -> tuple[Int32, Float32]:
    """Return the distinct rows of several lists and the sums of their scores."""
    if not lists:
        return np.empty(0, np.int32), np.empty(0, np.float32)
    rows, place = np.unique(np.concatenate([rows for rows, _ in lists]), return_inverse=True)
    sums = np.bincount(place, np.concatenate([scores for _, scores in lists]), len(rows))
    return rows, sums.astype(np.float32)


def _ranked(source: str, rows: Int32, scores: Float32, situation: Situation, k: int) -> Candidates:
    """Keep the best ``k`` eligible rows with a positive score, ties by row."""
    found = (scores > 0) & situation.eligible(rows)
    rows, scores = rows[found], scores[found]
    if len(rows) > 4 * k:
        best = np.argpartition(-scores, 2 * k)[: 2 * k]
        rows, scores = rows[best], scores[best]
    order = np.lexsort((rows, -scores))[:k]
    return Candidates(source, rows[order], scores[order])
