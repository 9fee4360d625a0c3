"""Facts to replay, walked through in time order: who opened what, and what had led there."""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, Kind
from recsys.visits import GAP, visits


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Facts to replay: ``interactions`` refer to rows of ``articles`` and ``visitors``.

    Articles are in order of publication. Only what a system is handed step by step reaches it.
    """

    articles: Sequence[Article]
    visitors: Vocabulary
    interactions: Interactions
    contexts: Sequence[tuple[str, ...]] = ((),)
    context: Int32 | None = None
    """int32[E]: which of ``contexts`` each event has; the first one where None."""

    def before(self, t: int) -> "History":
        """Return what was known at ``t`` (UTC seconds): nothing later has left a trace in it.

        Articles published since are missing with their events, and so are readers who came since
        and circumstances that nobody had been in.
        """
        events = self.interactions.before(t)
        articles = [article for article in self.articles if article.published < t]
        kept = np.flatnonzero(events.article < len(articles))
        events = events[kept]
        there = np.unique(events.visitor[events.visitor >= 0])
        visitor = np.where(events.visitor >= 0, np.searchsorted(there, events.visitor), -1)
        contexts, context = self.contexts[:1], self.context
        if context is not None:
            codes, places = np.unique(context[kept], return_inverse=True)
            contexts = [self.contexts[code] for code in codes.tolist()]
            context = places.astype(np.int32)
        return History(
            articles,
            Vocabulary(self.visitors[row] for row in there.tolist()),
            dataclasses.replace(events, visitor=visitor.astype(np.int32)),
            contexts,
            context,
        )

    def share(self, questions: int, windows: Iterable[tuple[int, int]]) -> float:
        """Return the share of the openings in some windows that makes about so many questions.

        Windows have a begin and an end, UTC seconds. All are asked about where ``questions`` is 0.
        """
        reads = self.interactions.reads()
        openings = sum(len(reads.between(*window)) for window in windows)
        return min(1.0, questions / max(openings, 1)) if questions else 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One opening of the replayed history, in rows."""

    article: int
    visitor: int
    visit: int
    at: int
    trail: Sequence[int]
    """Earlier articles of the same visit, oldest first."""
    context: tuple[str, ...]
    """Circumstances of this opening."""
    slate: int = -1
    """Code of the box's answer in which it was clicked, -1 where it was found elsewhere."""


class Walk:
    """Walks through the openings of a history, and knows what each reader has opened so far."""

    def __init__(self, history: History, since: int = 0) -> None:
        """Walk through all, or through what bears on what happens at ``since`` or later (UTC
        seconds): of what was before, only the openings of those readers and visits that come again.
        """
        self._history = history
        self._trails: dict[int, list[int]] = defaultdict(list)
        self._news: dict[int, list[int]] = defaultdict(list)
        self._opened: dict[int, set[int]] = defaultdict(set)
        self._last: dict[int, int] = {}
        events = history.interactions
        places = np.flatnonzero(events.kind != Kind.IMPRESSION)
        opens = events[places]
        visit = visits(opens)
        kept = _bearing(history, opens, visit, since)
        self._places, self._opens, self._visit = places[kept], opens[kept], visit[kept]
        self._latest: dict[int, tuple[int, int]] = {}
        self._loose = 1 + max(visit.max(initial=-1), events.session.max(initial=-1))

    def steps(self) -> Iterator[tuple[int, Step]]:
        """Yield each opening with the place of its event.

        Reading an article right after clicking it is one opening. What is known of a reader or a
        visit is that of the moment: it changes when the next step is taken.
        """
        history, places, opens = self._history, self._places, self._opens
        code = (
            np.zeros(len(opens), np.int32) if history.context is None else history.context[places]
        )
        columns = places, opens.article, opens.visitor, self._visit, opens.at, code, opens.slate
        for place, article, visitor, visit, at, now, slate in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            trail = self._trails[visit] if visit >= 0 else []
            if trail and trail[-1] == article:
                continue
            opened = self.opened(visitor, trail)
            yield place, Step(article, visitor, visit, at, trail, history.contexts[now], slate)
            if visit >= 0:
                self._last[visit] = now
                if article not in opened:
                    self._news[visit].append(article)
            trail.append(article)
            if visitor >= 0:
                self._opened[visitor].add(article)
                self._latest[visitor] = visit, at

    def opened(self, visitor: int, trail: Sequence[int]) -> Collection[int]:
        """Return all that a reader has opened; of an unknown one, what the visit tells."""
        return self._opened[visitor] if visitor >= 0 else set(trail)

    def visit(self, session: int, visitor: int, at: int) -> int:
        """Return the visit in which a box is seen at ``at`` (UTC seconds), -1 where nobody knows.

        Without a session it is the one in which the reader is; all that a reader sees outside of
        one counts as one visit.
        """
        if session >= 0 or visitor < 0:
            return session
        visit, since = self._latest.get(visitor, (-1, 0))
        return visit if visit >= 0 and at - since <= GAP else int(self._loose) + visitor

    def trail(self, visit: int) -> Sequence[int]:
        """Return what was opened in a visit so far, oldest first."""
        return self._trails.get(visit, ())

    def context(self, visit: int) -> tuple[str, ...]:
        """Return the circumstances of the latest opening of a visit."""
        return self._history.contexts[self._last[visit]] if visit in self._last else ()

    def news(self, visit: int) -> list[int]:
        """Return what was opened in a visit and never before by its reader, oldest first.

        The list grows with the walk.
        """
        return self._news[visit]


def _bearing(history: History, opens: Interactions, visit: Int64, since: int) -> Int64:
    """Return the rows of openings that bear on what happens at ``since`` or later.

    An article that was opened before its time is published then, whoever opened it.
    """
    first = int(np.searchsorted(opens.at, since))
    if not first:
        return np.arange(len(opens))
    events = history.interactions
    later = events[int(np.searchsorted(events.at, since)) :]
    visits = np.concatenate([visit[first:], later.session])
    early = np.zeros(first, np.bool_)
    for column, again in ((opens.visitor, later.visitor), (visit, visits)):
        early |= np.isin(column[:first], again[again >= 0])
    published = np.array([article.published for article in history.articles], np.int64)
    early |= published[opens.article[:first]] > opens.at[:first]
    return np.concatenate([np.flatnonzero(early), np.arange(first, len(opens))])
