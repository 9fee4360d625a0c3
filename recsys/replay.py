"""Plays history again in time order and asks each system what it would have shown."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from recsys.answers import GONE_BACK, MOST_RELEVANT, NOT_CLICKED, Answers
from recsys.arrays import Float32, Float64, Int8, Int32, Int64
from recsys.history import History, Step, Walk
from recsys.press import Press
from recsys.slates import Shown, Slates

TaskName = Literal["next click", "next article", "click in an impression"]

REFRESH = 2
"""Seconds between refreshes of a system's trends, as in the service."""


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

    def __getitem__(self, cards: Int64) -> "Listed":
        """Return some of its cards, int64[n]."""
        source = self.source[cards] if len(self.source) else self.source
        chance = self.chance[cards] if len(self.chance) else self.chance
        return Listed(self.rows[cards], source, chance)

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


@runtime_checkable
class Forgetful(System, Protocol):
    """A system that need not be told all that happened before it is asked."""

    def needs(self, cut: int) -> int:
        """Return since when it must be told, to be asked from ``cut`` on (UTC seconds)."""
        ...


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
    the latest, first opened; what is not out or has expired is no answer. ``share`` of the
    questions, drawn by ``seed``, are asked, none of them in the first ``warm_up`` seconds. A reader
    who goes back to an article is asked about all the same, and every system misses it: one that
    repeats what was read must not gain by it. ``tick`` is called for every opening from ``cut`` on.
    """
    asks_from = cut + warm_up
    boxes = task == "click in an impression"
    walk = Walk(history, system.needs(cut) if isinstance(system, Forgetful) else 0)
    slates = Slates(history.interactions, asks_from if boxes else end)
    press = Press(history.articles, system.joined)
    sheet = _Sheet(system, press, k, share, seed)
    saw = system.saw if isinstance(system, Watching) else None

    def show(place: int) -> None:
        for shown in slates.until(place, end):
            press.until(shown.at)
            if shown.slate >= 0:
                press.these(shown.cards.tolist())
                sheet.ask_of(shown, walk)
            press.these(shown.seen.tolist())
            if saw is not None:
                saw(shown.seen, shown.seen_at)

    for place, step in walk.steps():
        show(place)
        if step.at >= end:
            break
        press.until(step.at)
        if step.at >= cut:
            if step.at >= asks_from and _fits(task, step, walk):
                sheet.ask(step, walk)
            tick()
        press.these((step.article,))
        system.observe(step)
    show(len(history.interactions))
    return sheet.answers()


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

    def __init__(self, system: System, press: Press, k: int, share: float, seed: int) -> None:
        self._system, self._up, self._k, self._share = system, press.up, k, share
        # Looking up what a system can do takes longer than many answers do.
        self._sources = system.sources if isinstance(system, Telling) else ()
        self._tell = system.tell if isinstance(system, Telling) else None
        self._score = system.score if isinstance(system, Scoring) else None
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
        listed = self._listed(ask)
        news: Sequence[int] = walk.news(step.visit) if step.visit >= 0 else (step.article,)
        since = len(news) if step.visit >= 0 else 0
        target = GONE_BACK if step.article in opened else step.article
        home = step.trail[-1] if step.trail else step.article
        self._asked.append(
            _Question(
                *(listed, target, step.visit, home, step.visitor, step.at, len(step.trail)),
                relevant=news,
                since=since,
            )
        )

    def ask_of(self, shown: Shown, walk: Walk) -> None:
        """Ask for the order of a slate's cards."""
        if not self._drawn(shown.at):
            return
        visit = walk.visit(shown.session, shown.visitor, shown.at)
        trail = walk.trail(visit)
        opened = walk.opened(shown.visitor, trail)
        ask = Ask(shown.visitor, shown.at, tuple(trail), opened, walk.context(visit))
        listed = self._ordered(ask, shown.cards)
        clicks = shown.cards[shown.clicked].tolist()
        home = trail[-1] if trail else int(shown.cards[0])
        target = clicks[0] if clicks else NOT_CLICKED
        self._asked.append(
            _Question(
                *(listed, target, visit, home, shown.visitor, shown.at, len(trail)),
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
            sources=self._sources,
            of=self._of,
        )

    def _listed(self, ask: Ask) -> Listed:
        """Return the first ``k`` articles of the system that are up at this moment."""
        wanted = self._k
        while True:
            if self._tell is not None:
                listed = self._tell(ask, wanted)
            else:
                listed = Listed.bare(self._system.recommend(ask, wanted))
            up = np.flatnonzero(self._up(listed.rows))
            if len(up) >= self._k or len(listed.rows) < wanted:
                return listed[up[: self._k]]
            wanted *= 2  # some have expired: what stands behind them moves up

    def _ordered(self, ask: Ask, rows: Int32) -> Listed:
        """Return just these articles in the system's order, ties by row, with their scores."""
        if self._score is not None:
            scores = self._score(ask, rows)
        else:
            # What it lists stands in its order; it cannot tell the rest apart.
            ranked = self._system.recommend(ask, DEEP).tolist()
            place = {row: n for n, row in enumerate(ranked)}
            scores = np.array([-float(place.get(row, DEEP)) for row in rows.tolist()])
        order = np.lexsort((rows, -scores))
        return Listed(rows[order], np.empty(0, np.int8), scores[order].astype(np.float32))

    def _drawn(self, now: int) -> bool:
        """Count a question, and refresh the system where it is to be asked."""
        self._of += 1
        if self._draw.random() >= self._share:
            return False
        if now - self._refreshed >= REFRESH:
            self._system.refresh(now)
            self._refreshed = now
        return True


DEEP = 1000
"""Length of the list that is asked of a system which cannot score."""
