"""Replays a library's model as one would run it: learned from the past, and anew as time passes."""

from collections.abc import Callable, Collection

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.arrays import Int32
from recsys.history import Step
from recsys.replay import Ask
from recsys.tables import Interactions
from training.peers.cost import measured
from training.peers.past import Openings

Model = Callable[[Ask, int], Int32]
"""A fitted model: rows int32[≤n], best first, among them perhaps some that the reader opened."""
Fit = Callable[[Openings, int], Model]
"""Learns a model from one opening or more, by a seed."""


class Peer:
    """A model learned from the ``past`` and, every ``every`` seconds, anew with what came since.

    It learns from the ``last`` openings only. Where ``last`` is 0 it learns from all, and where
    ``every`` is 0 once. It is never fitted for a single question.
    """

    fit_seconds = 0.0
    """Of the slowest fit."""
    fit_peak_bytes = 0
    """Of the largest fit, above what the process held before."""

    def __init__(
        self, name: str, fit: Fit, past: Interactions, seed: int, *, last: int = 0, every: int = 0
    ) -> None:
        self.name = name
        self._fit, self._seed, self._last, self._every = fit, seed, last, every
        self._until = int(past.at[-1]) if len(past) else -1
        self._stream: list[Step] = []
        self._learn(Openings.of(past), self._until)

    def joined(self, row: int) -> None:
        """Ignore what nobody has opened: these models know no content."""

    def observe(self, step: Step) -> None:
        """Keep for the next fit what was opened after the past."""
        if self._every and step.at > self._until:
            self._stream.append(step)

    def refresh(self, now: int) -> None:
        """Learn anew when it is time."""
        if self._every and now - self._fitted_at >= self._every:
            openings = self._openings.then(self._stream)
            self._stream = []
            self._learn(openings, now)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the best articles that the reader has not opened, int32[≤k].

        They are none where the model knows nothing that the reader opened.
        """
        if self._model is None:
            return np.empty(0, np.int32)
        rows = self._model(ask, k + len(ask.opened)).tolist()
        return np.array([row for row in rows if row not in ask.opened][:k], np.int32)

    def _learn(self, openings: Openings, now: int) -> None:
        self._openings = openings.last(self._last) if self._last else openings
        self._fitted_at = now
        self._model: Model | None = None
        if not len(self._openings):
            return
        # One thread for all: times are of one core, and sums are taken in one order.
        with threadpool_limits(1):
            fitted = measured(lambda: self._fit(self._openings, self._seed))
        self._model = fitted.result
        self.fit_seconds = max(self.fit_seconds, fitted.seconds)
        self.fit_peak_bytes = max(self.fit_peak_bytes, fitted.peak_bytes)


def basis(ask: Ask) -> Collection[int]:
    """Return what to recommend by: the visit so far, or all that its reader opened before it."""
    return dict.fromkeys(ask.trail) if ask.trail else sorted(ask.opened)
