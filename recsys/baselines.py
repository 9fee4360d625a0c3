"""The simple rankings that a model must beat to be worth running."""

from collections import defaultdict, deque

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.history import Step
from recsys.replay import Ask
from recsys.top import top


class MostPopular:
    """Rank by openings since the beginning."""

    name = "most popular"

    def __init__(self, articles: int) -> None:
        self._counts = np.zeros(articles, np.int64)

    def joined(self, row: int) -> None:
        """Need nothing of an article before it is opened."""

    def observe(self, step: Step) -> None:
        """Count one opening."""
        self._counts[step.article] += 1

    def refresh(self, now: int) -> None:
        """Need nothing: counts are always current."""

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the most opened articles, int32[≤k]."""
        return most(self._counts, k, ask)


class RecentPopularity(MostPopular):
    """Rank by openings within the last ``window`` seconds."""

    def __init__(self, articles: int, window: int = 3600) -> None:
        super().__init__(articles)
        self.name = f"recent popularity ({window // 3600} h)"
        self._window = window
        self._recent: deque[tuple[int, int]] = deque()

    def needs(self, cut: int) -> int:
        """Need only what is in the window."""
        return cut - self._window

    def observe(self, step: Step) -> None:
        """Count one opening, until it is older than the window."""
        super().observe(step)
        self._recent.append((step.at, step.article))

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the most opened articles of the window, int32[≤k]."""
        while self._recent and self._recent[0][0] <= ask.now - self._window:
            self._counts[self._recent.popleft()[1]] -= 1
        return super().recommend(ask, k)


class Latest(MostPopular):
    """Rank by publication, newest first."""

    name = "latest"

    def joined(self, row: int) -> None:
        """Rank a newly published article before all earlier ones."""
        self._counts[row] = self._counts.max(initial=0) + 1

    def observe(self, step: Step) -> None:
        """Ignore openings."""


class CoVisitation:
    """Rank by openings next after the present article; then by recent popularity."""

    name = "co-visitation"

    def __init__(self, articles: int) -> None:
        self._popular = RecentPopularity(articles)
        self._after: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def joined(self, row: int) -> None:
        """Need nothing of an article before it is opened."""

    def observe(self, step: Step) -> None:
        """Count one transition from the article opened before in the visit."""
        self._popular.observe(step)
        if step.trail:
            self._after[step.trail[-1]][step.article] += 1

    def refresh(self, now: int) -> None:
        """Need nothing: counts are always current."""

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the articles most often opened next, int32[≤k]."""
        after = self._after.get(ask.trail[-1], {}) if ask.trail else {}
        ranked = sorted(after, key=lambda row: (-after[row], row))
        ranked = [row for row in ranked if row not in ask.opened][:k]
        if len(ranked) < k:
            popular = self._popular.recommend(ask, 2 * k).tolist()
            ranked += [row for row in popular if row not in ranked]
        return np.array(ranked[:k], np.int32)


def most(counts: Int64, k: int, ask: Ask) -> Int32:
    """Return the rows of the ``k`` largest positive counts not opened yet, ties by row."""
    counted = np.flatnonzero(counts > 0)
    rows = counted[top(counts[counted], k + len(ask.opened))].tolist()
    return np.array([row for row in rows if row not in ask.opened][:k], np.int32)
