"""Turns the log into questions that a ranker learns from: what a reader could open, and did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int16, Int32, Int64
from recsys.bundle import Bundle
from recsys.features import FEATURES
from recsys.history import History, Step, Walk
from recsys.policy import Policy
from recsys.press import Press
from recsys.replay import REFRESH, Ask
from recsys.served import EngineSystem
from recsys.slates import Shown, Slates
from recsys.tables import Interactions
from recsys.visits import openings
from training.stack import Stack
from training.stages import Report, silent, stage

DAY = 86_400
LONGEST = 7
"""Days before the end of the past from which questions are taken, at most."""
FEWEST = 200
"""Questions below which nothing can be learned."""
MOST_DEVICES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """q questions in time order, each with its candidates, one of which was opened."""

    table: Float32
    """f32[n, F]: ``FEATURES`` of the candidates, one question after another"""
    opened: Bool
    """bool[n]: one of each question"""
    slot: Int16
    """int16[n]: where the candidate stood in the box, from 0; -1 outside of boxes"""
    sizes: Int64
    """int64[q]: how many candidates each question has"""
    devices: tuple[str, ...] = ()
    """Devices that have a code of their own in the table"""

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def boxes(self) -> int:
        """How many of the questions are clicks in boxes."""
        return int(np.count_nonzero(self.slot[self.opened] >= 0))

    def part(self, first: int, last: int) -> "Questions":
        """Return the questions from ``first`` until before ``last``."""
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        rows = slice(int(ends[first]), int(ends[last]))
        return Questions(
            self.table[rows],
            self.opened[rows],
            self.slot[rows],
            self.sizes[first:last],
            self.devices,
        )


def questions(
    history: History,
    now: int,
    wanted: int,
    make: Callable[[History, int], Bundle],
    policy: Policy | None = None,
    *,
    seed: int = 0,
    report: Report = silent,
) -> Questions | None:
    """Return about ``wanted`` questions from before ``now``, None where there are too few.

    A bundle of everything before the window, made by ``make``, is replayed through it, so each
    feature is just what a service would have known at that moment. A click in a box that was seen
    asks which of its cards was clicked: the reader chose among these, and where each one stood is
    known. Any other opening asks which of all candidates was opened next. Clicks are drawn by
    ``seed``.
    """
    known = history.before(now)
    opens, _, place = openings(known.interactions)
    times = opens.at[place > 0]
    start = now - DAY * _days(known.interactions, times, now, wanted)
    past, there = known.before(start), int(np.count_nonzero(times >= start))
    if not len(past.interactions) or there < FEWEST:
        return None
    bundle = make(past, start)
    system = EngineSystem.of("learner", bundle, policy or Policy(), known)
    asker = _Asker(system, known, min(1.0, wanted / there), seed)
    with stage("questions", report) as note:
        _replay(asker, system, known, start, now)
        note(f"{len(asker.sizes)} in the last {(now - start) // DAY} days")
    return asker.questions() if len(asker.sizes) >= FEWEST else None


def _replay(asker: "_Asker", system: EngineSystem, known: History, start: int, end: int) -> None:
    """Feed ``system`` what is known, and ask about every box and opening from ``start`` on."""
    walk, slates = Walk(known, start), Slates(known.interactions, start)
    press = Press(known.articles, system.joined)
    for place, step in walk.steps():
        for shown in slates.until(place, end):
            press.until(shown.at)
            press.these(shown.cards.tolist())
            asker.box(shown, walk)
            press.these(shown.seen.tolist())
            system.saw(shown.seen, shown.seen_at)
        press.until(step.at)
        if step.at >= start:
            asker.opening(step, walk)
        press.these((step.article,))
        system.observe(step)


class _Asker:
    """Describes candidates to whoever learns, at the moment at which a reader saw them."""

    def __init__(self, system: EngineSystem, known: History, share: float, seed: int) -> None:
        self.sizes: list[int] = []
        self._table = Stack(len(FEATURES))
        self._opened: list[Bool] = []
        self._slots: list[Int16] = []
        self._system, self._share = system, share
        self._ids = [str(article.id) for article in known.articles]
        self._devices = _devices(known.contexts)
        self._draw = np.random.default_rng(seed)
        self._refreshed = 0
        self._boxes: set[int] = set()
        """Slates whose clicks were asked about, or were not drawn."""

    def box(self, shown: Shown, walk: Walk) -> None:
        """Ask about each click in a box that was seen, where it left a choice.

        Given that one of two cards was clicked and the other not, nothing matters but these two:
        further clicks in the same box are left out of the choice.
        """
        if shown.slate < 0 or not shown.clicked.any() or shown.clicked.all():
            return
        if (shown.slot < 0).any():
            return
        self._boxes.add(shown.slate)
        if not self._drawn(shown.at):
            return
        trail = walk.trail(shown.session)
        opened = walk.opened(shown.visitor, trail)
        ask = Ask(shown.visitor, shown.at, tuple(trail), opened, walk.context(shown.session))
        rows = self._rows(shown.cards)
        _, table = self._system.engine.describe(self._system.query(ask, 1), self._devices, rows)
        for clicked in np.flatnonzero(shown.clicked):
            choice = ~shown.clicked
            choice[clicked] = True
            self._take(table[choice], rows[choice] == rows[clicked], shown.slot[choice])

    def opening(self, step: Step, walk: Walk) -> None:
        """Ask what comes after the visit so far; ``step`` is what came in truth."""
        if not step.trail or step.slate in self._boxes or not self._drawn(step.at):
            return
        opened = walk.opened(step.visitor, step.trail)
        ask = Ask(step.visitor, step.at, step.trail, opened, walk.context(step.visit))
        rows, table = self._system.engine.describe(self._system.query(ask, 1), self._devices)
        target = self._rows(np.array([step.article]))
        if (rows == target).any():
            self._take(table, rows == target, np.full(len(rows), -1, np.int16))

    def questions(self) -> Questions:
        """Return what was asked, once; there must be something."""
        return Questions(
            self._table.taken(),
            np.concatenate(self._opened),
            np.concatenate(self._slots),
            np.array(self.sizes, np.int64),
            self._devices,
        )

    def _take(self, table: Float32, opened: Bool, slot: Int16) -> None:
        self.sizes.append(len(table))
        self._table.put(table)
        self._opened.append(opened)
        self._slots.append(slot)

    def _rows(self, articles: np.ndarray) -> Int32:
        ids = self._system.engine.live.view.catalogue.ids
        return ids.rows(self._ids[row] for row in articles.tolist())

    def _drawn(self, now: int) -> bool:
        if self._draw.random() >= self._share:
            return False
        if now - self._refreshed >= REFRESH:
            self._system.refresh(now)
            self._refreshed = now
        return True


def _days(known: Interactions, times: Int64, now: int, wanted: int) -> int:
    """Return how many days hold as many of ``times``, sorted, as are wanted: the latest tell most.

    At least half of the past is left to learn a bundle from.
    """
    half = (now - int(known.at[0])) // (2 * DAY) if len(known) else 0
    most = max(1, min(LONGEST, half))
    enough = len(times) - np.searchsorted(times, now - DAY * np.arange(1, most + 1)) >= wanted
    return int(np.argmax(enough)) + 1 if enough.any() else most


def _devices(contexts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    found = {
        part.partition(":")[2] for parts in contexts for part in parts if part[:7] == "device:"
    }
    return tuple(sorted(found)[:MOST_DEVICES])
