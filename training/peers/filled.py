"""Lets no peer answer with less than it is asked for: what is popular now fills up its list."""

from typing import Protocol

import numpy as np

from recsys.arrays import Int32
from recsys.baselines import RecentPopularity
from recsys.history import Step
from recsys.replay import Ask, System


class Costed(System, Protocol):
    """A system that says what it took to make it."""

    @property
    def fit_seconds(self) -> float:
        """Of the slowest fit; 0 where it learns opening by opening."""
        ...

    @property
    def fit_peak_bytes(self) -> int:
        """Memory of the largest fit, above what the process held before."""
        ...


class Filled:
    """A system whose answers end with what was opened most in the last hour.

    Co-visitation does so too. Otherwise models that are an hour old would be beaten at pages that
    they have not met, not at what they are made for.
    """

    def __init__(self, system: Costed, articles: int) -> None:
        self.name = system.name
        self.system = system
        self._popular = RecentPopularity(articles)

    @property
    def fit_seconds(self) -> float:
        """Those of the system; counting costs next to nothing."""
        return self.system.fit_seconds

    @property
    def fit_peak_bytes(self) -> int:
        """Those of the system."""
        return self.system.fit_peak_bytes

    def joined(self, row: int) -> None:
        """Pass on an article that has just been published."""
        self.system.joined(row)

    def observe(self, step: Step) -> None:
        """Pass on an opening, and count it."""
        self._popular.observe(step)
        self.system.observe(step)

    def refresh(self, now: int) -> None:
        """Pass on the time."""
        self.system.refresh(now)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return what the system answers and, where that is less than ``k``, what is popular."""
        rows = self.system.recommend(ask, k)
        if len(rows) == k:
            return rows
        popular = self._popular.recommend(ask, 2 * k)
        return np.concatenate([rows, popular[~np.isin(popular, rows)]])[:k]
