"""Recommends what the most similar recent visits opened, learned opening by opening."""

from array import array
from collections import defaultdict, deque

import numpy as np

from recsys.arrays import Int32
from recsys.history import Step
from recsys.replay import Ask
from recsys.top import best, top
from training.peers.peer import basis


class SessionKnn:
    """V-SkNN: session kNN by vector multiplication.

    Ludewig and Jannach (2018), Evaluation of session-based recommendation algorithms. Of the
    ``sample`` most recent visits that share an article with the present one, the most similar
    ``neighbours`` vote for what they opened, each with its similarity: the sum, over the articles
    in common, of weights that grow linearly with the article's place in the present visit. Of
    each article the ``sample`` latest openings are remembered.
    """

    name = "V-SkNN"
    fit_seconds = 0.0
    fit_peak_bytes = 0

    def __init__(self, articles: int, *, neighbours: int = 100, sample: int = 1000) -> None:
        self._articles, self._neighbours, self._sample = articles, neighbours, sample
        self._visit_of = array("q")
        """Of each opening so far, its visit."""
        self._openings: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=sample))
        """Of each article, its latest openings."""
        self._opened: dict[int, list[int]] = defaultdict(list)
        """Of each visit, its articles."""

    def joined(self, row: int) -> None:
        """Need nothing of an article before it is opened."""

    def observe(self, step: Step) -> None:
        """Add an opening to its visit."""
        if step.visit >= 0 and step.article not in step.trail:
            self._openings[step.article].append(len(self._visit_of))
            self._visit_of.append(step.visit)
            self._opened[step.visit].append(step.article)

    def refresh(self, now: int) -> None:
        """Need nothing: visits are always current."""

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return what similar visits opened, int32[≤k], ties by row."""
        trail = list(basis(ask))
        found = [np.array(self._openings.get(row, ()), np.int64) for row in trail]
        opening = np.concatenate([np.empty(0, np.int64), *found])
        weight = np.repeat(np.arange(1, len(trail) + 1), [len(numbers) for numbers in found])

        visit_of = np.frombuffer(self._visit_of, np.int64)
        visit, line = np.unique(visit_of[opening], return_inverse=True)
        similarity = np.bincount(line, weight, len(visit))
        latest = np.zeros(len(visit), np.int64)
        np.maximum.at(latest, line, opening)

        recent = top(latest, self._sample)
        nearest = recent[top(similarity[recent], self._neighbours)]
        votes = np.zeros(self._articles, np.float32)
        for near in nearest.tolist():
            votes[self._opened[int(visit[near])]] += similarity[near]
        votes[list(ask.opened)] = 0
        return best(votes, k)[0]
