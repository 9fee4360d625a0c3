"""Picks a few questions of a replay with their answers, for people to look at."""

from collections.abc import Mapping

import numpy as np

from recsys.answers import Answers
from recsys.engine import REASONS
from recsys.history import History
from recsys.types import Kind
from recsys.visits import visits
from training.evaluation import Example, ShownCard

EACH = 3
"""Questions of each task: as many as a person reads."""
LONGEST = 5
"""Articles of a visit that are named, the last ones."""


def examples(
    heard: Mapping[str, Answers], history: History, *, seed: int, each: int = EACH
) -> tuple[Example, ...]:
    """Return some questions of each task with the cards that a system showed.

    ``heard`` are its answers by task, of which ``each`` are drawn by ``seed`` among those in which
    something was opened that could have been shown: hits and misses as they come.
    """
    opens = history.interactions
    opens = opens[opens.kind != Kind.IMPRESSION]
    visit, opened = visits(opens), opens.article
    found: list[Example] = []
    for task, answers in heard.items():
        asked = np.flatnonzero((answers.target >= 0) & (answers.lists >= 0).any(axis=1))
        rng = np.random.default_rng(seed)
        chosen = rng.choice(asked, min(each, len(asked)), replace=False)
        for n in np.sort(chosen).tolist():
            rows = opened[visit == answers.visit[n]].tolist()
            # Opening again what is on the screen is no further step of a visit.
            steps = [row for row, before in zip(rows, [-1, *rows], strict=False) if row != before]
            found.append(_example(task, answers, history, n, steps[: int(answers.trail[n])]))
    return tuple(found)


def _example(task: str, answers: Answers, history: History, n: int, trail: list[int]) -> Example:
    home, target = int(answers.home[n]), int(answers.target[n])
    shown = answers.lists[n][answers.lists[n] >= 0].tolist()
    clicked = set(answers.relevant[n].tolist()) if task == "click in an impression" else {target}
    return Example(
        task=task,
        at=int(answers.at[n]),
        site=history.articles[home].site,
        title=title(history, home) if trail else "",
        visit=tuple(title(history, row) for row in trail[:-1][-LONGEST:]),
        opened=title(history, target),
        cards=tuple(
            ShownCard(
                site=history.articles[row].site,
                title=title(history, row),
                source=(source := _source(answers, n, place)),
                reason=REASONS.get(source, ""),
                opened=row in clicked,
            )
            for place, row in enumerate(shown)
        ),
    )


def title(history: History, row: int) -> str:
    """Return what an article is called, its key where it has no title."""
    article = history.articles[row]
    return article.title or article.key


def _source(answers: Answers, n: int, place: int) -> str:
    code = int(answers.source[n, place])
    return answers.sources[code] if code >= 0 else ""
