"""Plays history again in time order and asks each system what it would have shown."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.engine import Engine
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, Event, Kind, Query
from recsys.visits import visits

TaskName = Literal["next click", "next article"]

GONE_BACK = -2
"""The target where a reader opens again what they had opened before: a miss for every system."""
REFRESH = 2
"""Seconds between refreshes of a system's trends, as in the service."""


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


@dataclass(frozen=True, slots=True)
class Ask:
    """What a system may know when it is asked."""

    visitor: int
    now: int
    trail: Sequence[int]
    opened: Collection[int]
    """Every article that the reader has opened before: nobody may propose these."""
    context: tuple[str, ...]
    """Circumstances of the opening before, where the question is asked."""


class System(Protocol):
    """Anything that can be replayed."""

    name: str

    def joined(self, row: int) -> None:
        """Take an article that has just been published."""
        ...

    def observe(self, step: Step) -> None:
        """Learn from one opening."""
        ...

    def refresh(self, now: int) -> None:
        """Do what a service does every two seconds."""
        ...

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the best articles, int32[≤k]."""
        ...


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

        Articles published since are missing with their events, and so are readers who came since.
        """
        events = self.interactions.before(t)
        articles = [article for article in self.articles if article.published < t]
        kept = np.flatnonzero(events.article < len(articles))
        events = events[kept]
        there = np.unique(events.visitor[events.visitor >= 0])
        visitor = np.where(events.visitor >= 0, np.searchsorted(there, events.visitor), -1)
        return History(
            articles,
            Vocabulary(self.visitors[row] for row in there.tolist()),
            dataclasses.replace(events, visitor=visitor.astype(np.int32)),
            self.contexts,
            None if self.context is None else self.context[kept],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one system showed for q questions."""

    lists: Int32
    """int32[q, k], padded with -1"""
    target: Int32
    """int32[q]: what was opened in truth, ``GONE_BACK`` where nobody may propose it"""
    visit: Int64
    """int64[q]: the visit that each question belongs to"""
    home: Int32
    """int32[q]: row of the page's article, or of the target where there is no page"""
    visitor: Int32
    """int32[q]: the reader, -1 where unknown"""


class EngineSystem:
    """The engine as it is served, fed step by step.

    Where ``names_reader`` or ``tells_visit`` is off, pages do not say who reads, or what was
    read before in the visit.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        history: History,
        *,
        names_reader: bool = True,
        tells_visit: bool = True,
    ) -> None:
        self.name = name
        self._names_reader = names_reader
        self._tells_visit = tells_visit
        self.engine = engine
        self._history = history
        self._ids = [article.id for article in history.articles]
        self._rows = {str(id): row for row, id in enumerate(self._ids)}

    def joined(self, row: int) -> None:
        """Publish an article to the engine, unless its bundle has it."""
        article = self._history.articles[row]
        if str(article.id) not in self.engine.live.view.catalogue.ids:
            self.engine.live.add([article])

    def observe(self, step: Step) -> None:
        """Send the engine what the service would get from the store, after its bundle."""
        if step.at < self.engine.bundle.manifest.data_until:
            return
        event = Event(
            id="",
            kind=Kind.CLICK,
            article=self._ids[step.article],
            at=step.at,
            visitor=self._visitor(step.visitor),
            session=str(step.visit),
            context=step.context,
        )
        self.engine.live.observe([event])

    def refresh(self, now: int) -> None:
        """Rank what trends."""
        self.engine.live.refresh(now)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the slate of the page that the reader is on."""
        slate = self.engine.recommend(self.query(ask, k))
        return np.array([self._rows[str(item.article)] for item in slate.items], np.int32)

    def query(self, ask: Ask, k: int) -> Query:
        """Return what the page that the reader is on would ask for."""
        page = self._ids[ask.trail[-1]] if ask.trail else None
        return Query(
            site=page.site if page else "",
            now=ask.now,
            article=page,
            visitor=self._visitor(ask.visitor) if self._names_reader else "",
            history=tuple(self._ids[row] for row in ask.trail[:-1] if self._tells_visit),
            n=k,
            context=ask.context,
        )

    def _visitor(self, row: int) -> str:
        return self._history.visitors[row] if row >= 0 else ""


def replay(
    system: System,
    history: History,
    *,
    cut: int,
    end: int,
    task: TaskName,
    k: int = 10,
    share: float = 1.0,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Answers:
    """Feed a system everything before ``cut``, then ask at each opening in [``cut``, ``end``).

    ``next click`` asks at every opening of a visit after its first, given the visit so far;
    ``next article`` at the first opening of each visit of a reader who has been here before. The
    system learns of an opening after it was asked, and of an article when it is published or, at
    the latest, first opened. ``share`` of the questions, drawn by ``seed``, are asked. A reader who
    goes back to an article is asked about all the same, and every system misses it: one that
    repeats what was read must not gain by it. ``tick`` is called for every opening from ``cut`` on.
    """
    asked: list[tuple[Int32, int, int, int, int]] = []
    draw = np.random.default_rng(seed)
    publish = _Publisher(history.articles, system)
    refreshed = 0
    for step, opened, context in steps(history):
        if step.at >= end:
            break
        if step.at >= cut:
            publish.until(step.at)
            fits = bool(step.trail) if task == "next click" else bool(opened and not step.trail)
            if fits and draw.random() < share:
                if step.at - refreshed >= REFRESH:
                    system.refresh(step.at)
                    refreshed = step.at
                ask = Ask(step.visitor, step.at, step.trail, opened, context)
                shown = system.recommend(ask, k)
                home = step.trail[-1] if step.trail else step.article
                target = GONE_BACK if step.article in opened else step.article
                asked.append((shown, target, step.visit, home, step.visitor))
            tick()
        publish.one(step.article)
        system.observe(step)
    lists = np.full((len(asked), k), -1, np.int32)
    for line, (shown, *_) in zip(lists, asked, strict=True):
        line[: len(shown)] = shown
    return Answers(
        lists,
        target=np.array([target for _, target, *_ in asked], np.int32),
        visit=np.array([visit for _, _, visit, *_ in asked], np.int64),
        home=np.array([home for *_, home, _ in asked], np.int32),
        visitor=np.array([visitor for *_, visitor in asked], np.int32),
    )


def steps(history: History) -> Iterator[tuple[Step, Collection[int], tuple[str, ...]]]:
    """Yield each opening with what its reader had opened before, and in what circumstances last.

    Reading an article right after clicking it is one opening. The trail and the set are those of
    the moment: they change when the next step is taken.
    """
    events = history.interactions
    opened_rows = np.flatnonzero(events.kind != Kind.IMPRESSION)
    opens = events[opened_rows]
    code = np.zeros(len(opens), np.int32)
    if history.context is not None:
        code = history.context[opened_rows]
    trails: dict[int, list[int]] = defaultdict(list)
    seen: dict[int, set[int]] = defaultdict(set)
    last: dict[int, int] = {}
    columns = opens.article, opens.visitor, visits(opens), opens.at, code
    for article, visitor, visit, at, now in zip(*(c.tolist() for c in columns), strict=True):
        trail = trails[visit] if visit >= 0 else []
        if trail and trail[-1] == article:
            continue
        opened = seen[visitor] if visitor >= 0 else set(trail)
        context = history.contexts[last[visit]] if visit in last else ()
        yield Step(article, visitor, visit, at, trail, history.contexts[now]), opened, context
        trail.append(article)
        opened.add(article)
        if visit >= 0:
            last[visit] = now


class _Publisher:
    """Hands a system each article once, in order of publication or of first opening."""

    def __init__(self, articles: Sequence[Article], system: System) -> None:
        self._published = [article.published for article in articles]
        self._system = system
        self._next = 0
        self._early: set[int] = set()

    def until(self, now: int) -> None:
        while self._next < len(self._published) and self._published[self._next] <= now:
            if self._next not in self._early:
                self._system.joined(self._next)
            self._next += 1

    def one(self, row: int) -> None:
        if row >= self._next and row not in self._early:
            self._early.add(row)
            self._system.joined(row)
