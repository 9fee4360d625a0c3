"""Catches systems that know what has not happened yet: an altered future must not alter answers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.history import History
from recsys.replay import System, TaskName, replay
from recsys.tables import Interactions


@dataclass(frozen=True, slots=True)
class Leak:
    """The first question whose answer depended on what came after it."""

    question: int
    at: int
    """When it was asked, UTC seconds."""
    shown: tuple[int, ...]
    """Rows of the answer in truth."""
    altered: tuple[int, ...]
    """Rows of the answer once the future was another one."""
    scores: bool
    """Whether the list is the same and only its scores differ."""


def find_leak(
    make: Callable[[History], System],
    history: History,
    *,
    cut: int,
    end: int,
    at: int,
    task: TaskName = "next click",
    share: float = 1.0,
    seed: int = 0,
) -> Leak | None:
    """Return the first question before ``at`` (UTC seconds) that a different future answers anew.

    ``make`` makes the system from a history, and so may learn from it whatever it likes: once from
    the true one and once from one that differs from ``at`` on. Both are replayed over [``cut``,
    ``end``). None where every question before ``at`` has one answer. Raises ``ValueError`` unless
    ``cut < at < end``.
    """
    if not cut < at < end:
        raise ValueError(f"at = {at}: expected between cut = {cut} and end = {end}")
    other = altered(history, at, seed)
    first, second = (
        replay(make(facts), facts, cut=cut, end=end, task=task, share=share, seed=seed)
        for facts in (history, other)
    )
    questions = int(np.searchsorted(first.at, at))
    width = min(first.lists.shape[1], second.lists.shape[1])
    for n in range(min(questions, len(second.at))):
        lists = first.lists[n, :width], second.lists[n, :width]
        scores = first.chance[n, :width], second.chance[n, :width]
        same = np.array_equal(*lists)
        if not (same and np.array_equal(*scores, equal_nan=True)):
            shown, instead = (tuple(row[row >= 0].tolist()) for row in lists)
            return Leak(n, int(first.at[n]), shown, instead, same)
    return None


def altered(history: History, at: int, seed: int) -> History:
    """Return a history that is the same before ``at`` (UTC seconds) and another one from then on.

    Events from ``at`` on are about other articles, and a third of them do not happen. Articles
    published from then on have other texts, sites and sections. Rows and readers stay.
    """
    rng = np.random.default_rng(seed)
    events = history.interactions
    cut = int(np.searchsorted(events.at, at))
    kept = np.r_[np.arange(cut), cut + np.flatnonzero(rng.random(len(events) - cut) > 1 / 3)]
    article = events.article.copy()
    # Whatever happens now happens to one article much more often than to others.
    article[cut:] = rng.permutation(article[cut:])
    hit = cut + np.flatnonzero(rng.random(len(events) - cut) < 1 / 3)
    if len(article):
        article[hit] = article[rng.integers(len(article))]
    return dataclasses.replace(
        history,
        articles=[
            dataclasses.replace(a, title=f"{a.title} or not", body=a.body[::-1], section="altered")
            if a.published >= at
            else a
            for a in history.articles
        ],
        interactions=_of(events, article)[kept],
        context=None if history.context is None else history.context[kept],
    )


def _of(events: Interactions, article: np.ndarray) -> Interactions:
    return dataclasses.replace(events, article=article)
