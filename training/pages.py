"""Plays one day to two policies at once: what each would have shown on the pages of that day."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.arrays import Bool, Int8, Int32, Int64
from recsys.bundle import Bundle
from recsys.engine import Engine
from recsys.history import History, Step, Walk
from recsys.policy import QUOTAS, Policy
from recsys.replay import REFRESH, Ask, replay
from recsys.served import NAMES, EngineSystem
from recsys.types import Query, Slate


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What one policy showed on q pages, in slates of up to n cards."""

    rows: Int32
    """int32[q, n]: articles, padded with -1"""
    source: Int8
    """int8[q, n]: which of ``recsys.served.NAMES`` speaks most for each card"""
    relaxed: Bool
    """bool[q, len(QUOTAS)]: which quotas gave way"""


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """The q pages on which both were asked, in the order of time."""

    at: Int64
    """int64[q]: UTC seconds"""
    page: Int32
    """int32[q]: the article that was opened"""
    reader: Int64
    """int64[q]: equal where two pages are one reader's, or one visit's where nobody knows"""
    opened: Int32
    """int32[q]: what the reader opened next in the visit, -1 where nothing"""
    before: Answered
    after: Answered
    of: int
    """Pages of the day, of which these were drawn."""


def play(
    bundle: Bundle,
    before: Policy,
    after: Policy,
    history: History,
    *,
    start: int,
    end: int,
    n: int = 6,
    most: int = 0,
    placement: str = "",
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Pages:
    """Return what two policies show on the pages that were opened in [``start``, ``end``).

    ``bundle`` must know nothing from ``start`` on. Both are served from it and from one live state,
    to which the history is replayed. Up to ``most`` pages, drawn evenly by ``seed`` (0: all), ask
    them right after they were opened. ``placement`` is where the box stands; at ``home`` there is
    no article above it. Nothing is tried out: chance would differ, and not by the policy. ``tick``
    is called for every opening from ``start`` on.
    """
    of = viewed(history, start, end)
    drawn = np.arange(of)
    if 0 < most < of:
        drawn = np.random.default_rng(seed).choice(of, most, replace=False)
    both = _Both(bundle, before, after, history, (start, end), n, placement, drawn)
    # Threads that share products as small as a reader's taste wait for each other.
    with threadpool_limits(1):
        replay(both, history, cut=start, end=end, task="next click", share=0.0, tick=tick)
    return both.pages(of)


def viewed(history: History, start: int, end: int) -> int:
    """Return how many pages were opened in [``start``, ``end``), UTC seconds."""
    return sum(start <= step.at < end for _, step in Walk(history).steps())


class _Both:
    """Two engines over one bundle and one live state, as one system that is replayed.

    It is asked nothing by the replay: each page asks when it has been opened.
    """

    name = "two policies"

    def __init__(
        self,
        bundle: Bundle,
        before: Policy,
        after: Policy,
        history: History,
        window: tuple[int, int],
        n: int,
        placement: str,
        drawn: Int64,
    ) -> None:
        self._old = EngineSystem.of("before", bundle, before, history)
        self._new: Engine = dataclasses.replace(self._old.engine, policy=after.still())
        self._rows = {str(article.id): row for row, article in enumerate(history.articles)}
        self._window, self._n, self._placement = window, n, placement
        self._drawn = frozenset(drawn.tolist())
        self._refreshed = 0
        self._seen = 0
        self._asked: list[tuple[int, int, int, int]] = []
        self._opened: list[int] = []
        self._last: dict[int, int] = {}
        """By visit: its latest page that asked, until the next one is opened."""
        self._slates: tuple[list[Slate], list[Slate]] = [], []

    def joined(self, row: int) -> None:
        """Publish an article to both."""
        self._old.joined(row)

    def saw(self, rows: Int32, at: Int64) -> None:
        """Count cards that boxes have shown."""
        self._old.saw(rows, at)

    def refresh(self, now: int) -> None:
        """Rank what trends."""
        self._old.refresh(now)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return nothing: the replay has no question."""
        return np.empty(0, np.int32)

    def observe(self, step: Step) -> None:
        """Learn from an opening; its page may ask for both slates then."""
        self._old.observe(step)
        if (asked := self._last.pop(step.visit, -1)) >= 0:
            self._opened[asked] = step.article
        start, end = self._window
        if not start <= step.at < end:
            return
        self._seen += 1
        if self._seen - 1 not in self._drawn:
            return
        if step.at - self._refreshed >= REFRESH:
            self.refresh(step.at)
            self._refreshed = step.at
        if step.visit >= 0:
            self._last[step.visit] = len(self._asked)
        self._asked.append((step.at, step.article, step.visitor, step.visit))
        self._opened.append(-1)
        query = self._query(step)
        for engine, slates in zip((self._old.engine, self._new), self._slates, strict=True):
            slates.append(engine.recommend(query))

    def pages(self, of: int) -> Pages:
        """Return all that was asked and answered."""
        at, page, visitor, visit = np.array(self._asked, np.int64).reshape(-1, 4).T
        strangers = visitor.max(initial=-1) + 1
        return Pages(
            at=at,
            page=page.astype(np.int32),
            reader=np.where(visitor >= 0, visitor, np.where(visit >= 0, strangers + visit, -1)),
            opened=np.array(self._opened, np.int32),
            before=self._answered(self._slates[0]),
            after=self._answered(self._slates[1]),
            of=of,
        )

    def _query(self, step: Step) -> Query:
        trail = (*step.trail, step.article)
        query = self._old.query(Ask(step.visitor, step.at, trail, (), step.context), self._n)
        if self._placement == "home" and query.article:
            query = dataclasses.replace(
                query, article=None, history=(*query.history, query.article)
            )
        return dataclasses.replace(query, placement=self._placement)

    def _answered(self, slates: Sequence[Slate]) -> Answered:
        rows = np.full((len(slates), self._n), -1, np.int32)
        source = np.full((len(slates), self._n), -1, np.int8)
        relaxed = np.zeros((len(slates), len(QUOTAS)), np.bool_)
        for place, slate in enumerate(slates):
            cards = len(slate.items)
            rows[place, :cards] = [self._rows[str(item.article)] for item in slate.items]
            source[place, :cards] = [NAMES.index(item.source) for item in slate.items]
            relaxed[place] = [
                any(note.startswith(f"quota {name} gave way") for note in slate.notes)
                for name in QUOTAS
            ]
        return Answered(rows, source, relaxed)
