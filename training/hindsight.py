"""Plays a log through systems, so that each says of each slate what it would have shown then."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from recsys.arrays import Float64, Int32, Int64
from recsys.history import History, Step
from recsys.replay import DEEP, Ask, Scoring, System, Telling, Watching, replay
from recsys.tables import Interactions
from recsys.types import Kind
from training.offpolicy import LoggedSlate, Target, filled, logged_slates, reranked

Fill = Literal["order", "slate"]
"""What a system may decide: the order of the cards that were shown, or which cards are shown."""
EVEN = 1e-4
"""How far propensities may be from those of a shuffled slate; they are kept as 32 bits."""


def seen(events: Interactions, cut: int, end: int) -> tuple[LoggedSlate, ...]:
    """Return the slates that were first seen in [``cut``, ``end``), in the order of a replay.

    What was clicked later counts. Slates that were clicked but never seen are left out, as a replay
    cannot tell when to ask about them. Raises ``DataError`` for a card without a position.
    """
    shown = np.flatnonzero((events.kind == Kind.IMPRESSION) & (events.slate >= 0))
    codes, first = np.unique(events.slate[shown], return_index=True)
    order = np.argsort(first)
    codes, at = codes[order], events.at[shown[first[order]]]
    codes = codes[(at >= cut) & (at < end)]
    logged = logged_slates(events[np.isin(events.slate, codes)])
    by_code = {slate.slate: slate for slate in logged}
    return tuple(by_code[code] for code in codes.tolist())


def even(slate: LoggedSlate) -> bool:
    """Return whether any order of the cards was as likely as any other, as the log has it.

    It is not where some cards of a shuffled slate are missing.
    """
    return bool(np.all(np.abs(slate.propensity * len(slate.rows) - 1.0) < EVEN))


def hindsight(
    system: System,
    history: History,
    slates: Sequence[LoggedSlate],
    *,
    cut: int,
    end: int,
    fill: Fill,
    tick: Callable[[], None] = lambda: None,
) -> Target:
    """Return the policy of a system that knew, at each slate, only what had happened until then.

    The history is replayed to it, with what was clicked in these very slates once it was. It
    speaks of ``slates``, some or all of those ``seen`` in [``cut``, ``end``). With ``fill`` "order"
    it puts the cards that were shown in an order of its own; with "slate" it fills a box of as many
    slots as the log has, by its own rules, of which those slots count that were seen. ``tick`` is
    called for every opening from ``cut`` on.
    """
    asked = _Asked(system, history, seen(history.interactions, cut, end), slates, fill)
    replay(asked, history, cut=cut, end=end, task="click in an impression", tick=tick)
    if fill == "order":
        return reranked(lambda slate: asked.scores[slate.slate])
    return filled(lambda slate: asked.boxes[slate.slate][slate.slots])


class _Asked:
    """A system that notes what it answers of each slate."""

    def __init__(
        self,
        system: System,
        history: History,
        every: Sequence[LoggedSlate],
        wanted: Sequence[LoggedSlate],
        fill: Fill,
    ) -> None:
        self.name = system.name
        self.scores: dict[int, Float64] = {}
        self.boxes: dict[int, Int32] = {}
        """Articles of all slots of a box, -1 where it remains empty."""
        self._system = system
        self._fill = fill
        # Looking up what a system can do takes longer than many answers do.
        self._saw = system.saw if isinstance(system, Watching) else None
        self._score = system.score if isinstance(system, Scoring) else None
        self._telling = isinstance(system, Telling)
        self._ends = np.array([article.expires for article in history.articles], np.int64)
        self._next = iter(every)
        self._wanted = {slate.slate for slate in wanted}
        self._size = max((int(slate.slots.max()) + 1 for slate in every), default=0)

    def joined(self, row: int) -> None:
        """Pass it on."""
        self._system.joined(row)

    def observe(self, step: Step) -> None:
        """Pass it on."""
        self._system.observe(step)

    def refresh(self, now: int) -> None:
        """Pass it on."""
        self._system.refresh(now)

    def saw(self, rows: Int32, at: Int64) -> None:
        """Pass it on to a system that watches."""
        if self._saw is not None:
            self._saw(rows, at)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Pass it on."""
        return self._system.recommend(ask, k)

    def score(self, ask: Ask, rows: Int32) -> Float64:
        """Note what the system says of the next slate, whose articles are ``rows``."""
        slate = next(self._next)
        assert np.array_equal(slate.rows, rows)  # the replay asks about one slate after another
        if slate.slate in self._wanted:
            if self._fill == "order":
                self.scores[slate.slate] = self._scores(ask, rows)
            else:
                self.boxes[slate.slate] = self._box(ask)
        return np.zeros(len(rows))

    def _scores(self, ask: Ask, rows: Int32) -> Float64:
        if self._score is not None:
            return self._score(ask, rows)
        place = {row: n for n, row in enumerate(self._system.recommend(ask, DEEP).tolist())}
        return np.array([-float(place.get(row, DEEP)) for row in rows.tolist()])

    def _box(self, ask: Ask) -> Int32:
        # Some of a plain list may have expired; what stands behind them moves up.
        deep = self._size if self._telling else DEEP
        rows = self._system.recommend(ask, deep)
        rows = rows[self._ends[rows] > ask.now][: self._size]
        box = np.full(self._size, -1, np.int32)
        box[: len(rows)] = rows
        return box
