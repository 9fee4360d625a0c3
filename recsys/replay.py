"""Plays history again in time order and asks each system what it would have shown."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from recsys.arrays import Float32, Float64, Int8, Int32, Int64
from recsys.history import History, Step, Walk
from recsys.slates import Shown, Slates
from recsys.types import Article

TaskName = Literal["next click", "next article", "click in an impression"]

GONE_BACK = -2
"""The target where a reader opens again what they had opened before: a miss for every system."""
REFRESH = 2
"""Seconds between refreshes of a system's trends, as in the service."""
MOST_RELEVANT = 20
"""Articles of the rest of a visit that are kept as relevant."""


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
class Listed:
    """A list with what its system tells of it."""

    rows: Int32
    """int32[m], best first"""
    source: Int8
    """int8[m]: which of the system's ``sources`` speaks most for each card; empty where untold"""
    chance: Float32
    """f32[m]: how probably each card is the one opened, as the system thinks; empty where untold"""

    @classmethod
    def bare(cls, rows: Int32) -> "Listed":
        """Return a list of which its system tells nothing more."""
        return cls(rows, np.empty(0, np.int8), np.empty(0, np.float32))


@runtime_checkable
class Telling(System, Protocol):
    """A system that tells of its lists why they are as they are."""

    sources: tuple[str, ...]

    def tell(self, ask: Ask, k: int) -> Listed:
        """Return what ``recommend`` does, and more of it."""
        ...


@runtime_checkable
class Watching(System, Protocol):
    """A system that learns from what boxes show."""

    def saw(self, rows: Int32, at: Int64) -> None:
        """Take cards int32[m] that were seen at some times int64[m], oldest first."""
        ...


@runtime_checkable
class Scoring(System, Protocol):
    """A system that can rank any articles."""

    def score(self, ask: Ask, rows: Int32) -> Float64:
        """Return f64[m], the higher the better."""
        ...


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
    at: Int64
    """int64[q]: when it was asked, UTC seconds"""
    trail: Int32
    """int32[q]: articles opened in the visit before"""
    relevant: Int32
    """int32[q, t], padded with -1: what the reader opened anew in the rest of the visit, the target
    first; of an impression, the cards that were clicked"""
    source: Int8
    """int8[q, k]: which of ``sources`` speaks most for each card, -1 where nobody says"""
    chance: Float32
    """f32[q, k]: how probably each card is opened as the system thinks, or its score among the
    cards of an impression; NaN where it does not say"""
    sources: tuple[str, ...] = ()
    of: int = 0
    """Questions there were, of which these were drawn."""


def replay(
    system: System,
    history: History,
    *,
    cut: int,
    end: int,
    task: TaskName,
    k: int = 10,
    share: float = 1.0,
    warm_up: int = 0,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Answers:
    """Feed a system everything before ``cut``, then ask at each opening in [``cut``, ``end``).

    ``next click`` asks at every opening of a visit after its first, given the visit so far;
    ``next article`` at the first opening of each visit of a reader who has been here before;
    ``click in an impression`` asks, when a slate was first seen, for the order of its cards. The
    system learns of an opening after it was asked, and of an article when it is published or, at
    the latest, first opened. ``share`` of the questions, drawn by ``seed``, are asked, none of them
    in the first ``warm_up`` seconds. A reader who goes back to an article is asked about all the
    same, and every system misses it: one that repeats what was read must not gain by it. ``tick``
    is called for every opening from ``cut`` on.
    """
    sheet = _Sheet(system, k, share, seed)
    walk = Walk(history)
    slates = Slates(history.interactions)
    publish = _Publisher(history.articles, system)
    asks_from = cut + warm_up

    def show(place: int) -> None:
        for shown in slates.until(place, end):
            if task == "click in an impression" and shown.at >= asks_from:
                publish.until(shown.at)
                sheet.ask_of(shown, walk)
            if isinstance(system, Watching):
                system.saw(shown.seen, shown.seen_at)

    for place, step in walk.steps():
        show(place)
        if step.at >= end:
            break
        if step.at >= cut:
            publish.until(step.at)
            if step.at >= asks_from and _fits(task, step, walk):
                sheet.ask(step, walk)
            tick()
        publish.one(step.article)
        system.observe(step)
    show(len(history.interactions))
    return sheet.answers()


def joined(parts: Sequence[Answers]) -> Answers:
    """Return a system's answers in several windows as one; raises ``ValueError`` for none."""
    if not parts:
        raise ValueError("there are no answers to join")
    width = max(part.lists.shape[1] for part in parts)
    columns = {}
    for field in dataclasses.fields(Answers):
        values = [getattr(part, field.name) for part in parts]
        if field.name in ("lists", "source", "chance"):
            fill = np.nan if field.name == "chance" else -1
            values = [
                np.pad(v, ((0, 0), (0, width - v.shape[1])), constant_values=fill) for v in values
            ]
        if isinstance(values[0], np.ndarray):
            columns[field.name] = np.concatenate(values)
    return Answers(**columns, sources=parts[0].sources, of=sum(part.of for part in parts))


def _fits(task: TaskName, step: Step, walk: Walk) -> bool:
    if task == "next click":
        return bool(step.trail)
    return task == "next article" and not step.trail and bool(walk.opened(step.visitor, ()))


@dataclass(slots=True)
class _Question:
    """One line of the answers, but for what only the rest of the visit can tell."""

    listed: Listed
    target: int
    visit: int
    home: int
    visitor: int
    at: int
    trail: int
    relevant: Sequence[int]
    """What the reader opened anew in the visit; it grows until the replay ends."""
    since: int
    """How much of that was opened before the question."""


class _Sheet:
    """Asks a system its questions and keeps the answers."""

    def __init__(self, system: System, k: int, share: float, seed: int) -> None:
        self._system, self._k, self._share = system, k, share
        self._draw = np.random.default_rng(seed)
        self._refreshed = 0
        self._of = 0
        self._asked: list[_Question] = []

    def ask(self, step: Step, walk: Walk) -> None:
        """Ask what comes after the visit so far; ``step`` is what came in truth."""
        if not self._drawn(step.at):
            return
        opened = walk.opened(step.visitor, step.trail)
        ask = Ask(step.visitor, step.at, step.trail, opened, walk.context(step.visit))
        listed = _listed(self._system, ask, self._k)
        news: Sequence[int] = walk.news(step.visit) if step.visit >= 0 else (step.article,)
        since = len(news) if step.visit >= 0 else 0
        target = GONE_BACK if step.article in opened else step.article
        home = step.trail[-1] if step.trail else step.article
        self._asked.append(
            _Question(
                listed,
                target,
                step.visit,
                home,
                step.visitor,
                step.at,
                len(step.trail),
                news,
                since,
            )
        )

    def ask_of(self, shown: Shown, walk: Walk) -> None:
        """Ask for the order of a slate's cards."""
        if shown.slate < 0 or not self._drawn(shown.at):
            return
        trail = walk.trail(shown.session)
        opened = walk.opened(shown.visitor, trail)
        ask = Ask(shown.visitor, shown.at, tuple(trail), opened, walk.context(shown.session))
        listed = _ordered(self._system, ask, shown.cards)
        clicks = shown.cards[shown.clicked].tolist()
        home = trail[-1] if trail else int(shown.cards[0])
        target = clicks[0] if clicks else GONE_BACK
        self._asked.append(
            _Question(
                *(listed, target, shown.session, home, shown.visitor, shown.at, len(trail)),
                relevant=clicks,
                since=0,
            )
        )

    def answers(self) -> Answers:
        """Return all lines; what was relevant is known only now."""
        asked, q = self._asked, len(self._asked)
        width = max([self._k, *(len(line.listed.rows) for line in asked)])
        lists, source = np.full((q, width), -1, np.int32), np.full((q, width), -1, np.int8)
        chance = np.full((q, width), np.nan, np.float32)
        relevant = np.full((q, MOST_RELEVANT), -1, np.int32)
        for row, line in enumerate(asked):
            m = len(line.listed.rows)
            lists[row, :m] = line.listed.rows
            source[row, : len(line.listed.source)] = line.listed.source
            chance[row, : len(line.listed.chance)] = line.listed.chance
            rest = line.relevant[line.since : line.since + MOST_RELEVANT]
            relevant[row, : len(rest)] = rest
        return Answers(
            lists,
            target=np.array([line.target for line in asked], np.int32),
            visit=np.array([line.visit for line in asked], np.int64),
            home=np.array([line.home for line in asked], np.int32),
            visitor=np.array([line.visitor for line in asked], np.int32),
            at=np.array([line.at for line in asked], np.int64),
            trail=np.array([line.trail for line in asked], np.int32),
            relevant=relevant,
            source=source,
            chance=chance,
            sources=self._system.sources if isinstance(self._system, Telling) else (),
            of=self._of,
        )

    def _drawn(self, now: int) -> bool:
        """Count a question, and refresh the system where it is to be asked."""
        self._of += 1
        if self._draw.random() >= self._share:
            return False
        if now - self._refreshed >= REFRESH:
            self._system.refresh(now)
            self._refreshed = now
        return True


def _listed(system: System, ask: Ask, k: int) -> Listed:
    if isinstance(system, Telling):
        return system.tell(ask, k)
    return Listed.bare(system.recommend(ask, k))


def _ordered(system: System, ask: Ask, rows: Int32) -> Listed:
    """Return just these articles in a system's order, ties by row, with their scores."""
    if isinstance(system, Scoring):
        scores = system.score(ask, rows)
    else:
        # What it lists stands in its order; it cannot tell the rest apart.
        listed = {row: n for n, row in enumerate(system.recommend(ask, DEEP).tolist())}
        scores = np.array([-float(listed.get(row, DEEP)) for row in rows.tolist()])
    order = np.lexsort((rows, -scores))
    return Listed(rows[order], np.empty(0, np.int8), scores[order].astype(np.float32))


DEEP = 1000
"""Length of the list that is asked of a system which cannot score."""


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
