"""Catches systems that know what has not happened yet: an altered future must not alter answers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.answers import Answers
from recsys.history import History
from recsys.replay import System, TaskName, replay


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
    at: int | None = None,
    task: TaskName = "next click",
    share: float = 1.0,
    seed: int = 0,
) -> Leak | None:
    """Return the first question that a different future answers anew, None where there is none.

    ``make`` makes the system from a history, and so may learn from it whatever it likes: once from
    the true one and once from one that is ``altered`` from ``at`` (UTC seconds) on, halfway from
    ``cut`` to ``end`` where it is not given. What must be learned, ``make`` must learn: a system
    that was made beforehand knows the same future both times. Each is replayed from ``cut`` until
    ``at``. Only what comes from ``at`` on can be seen to leak, so a system that looks ahead by an
    hour shows it in the hour before. Raises ``ValueError`` unless ``cut < at < end``.
    """
    at = (cut + end) // 2 if at is None else at
    if not cut < at < end:
        raise ValueError(f"at = {at}: expected between cut = {cut} and end = {end}")
    first, second = (
        replay(make(facts), facts, cut=cut, end=at, task=task, share=share, seed=seed)
        for facts in (history, altered(history, at, seed))
    )
    return difference(first, second, task)


def difference(first: Answers, second: Answers, task: TaskName) -> Leak | None:
    """Return the first question that two systems of one kind answered differently.

    Both were asked the same, in histories that are the same until the last question. Cards of a box
    that came into sight only later are no answer: where these differ, nothing can be said.
    """
    for n, at in enumerate(first.at.tolist()):
        shown, other = (each.lists[n][each.lists[n] >= 0] for each in (first, second))
        if task == "click in an impression" and not np.array_equal(np.sort(shown), np.sort(other)):
            continue
        same = np.array_equal(shown, other)
        told, told_other = (each.chance[n, : len(shown)] for each in (first, second))
        if not (same and np.array_equal(told, told_other, equal_nan=True)):
            return Leak(n, at, tuple(shown.tolist()), tuple(other.tolist()), same)
    return None


def altered(history: History, at: int, seed: int) -> History:
    """Return a history that is the same before ``at`` (UTC seconds) and another one from then on.

    Events from ``at`` on are about other articles, and a third of them do not happen. Articles
    published from then on have other texts and sections. Rows and readers stay.
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
        interactions=dataclasses.replace(events, article=article)[kept],
        context=None if history.context is None else history.context[kept],
    )
