"""Walks through what boxes have shown, slate by slate in the order in which they were seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int32, Int64
from recsys.tables import Interactions
from recsys.types import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A slate at the moment at which it was first seen, and what was seen from then on."""

    slate: int
    """Its code, -1 for cards outside of any slate."""
    visitor: int
    session: int
    at: int
    cards: Int32
    """int32[m]: its articles that were seen or clicked, ever"""
    clicked: Bool
    """bool[m]: which of them were clicked, ever: nothing that a system may know"""
    seen: Int32
    """int32[n]: cards of any slate that were seen from now until the next slate is"""
    seen_at: Int64
    """int64[n]: when"""


class Slates:
    """The slates of a log, each once."""

    def __init__(self, events: Interactions) -> None:
        places = np.flatnonzero(events.kind == Kind.IMPRESSION)
        self._events, self._places = events, places
        self._next = 0
        slate = events.slate[places]
        _, first = np.unique(slate, return_index=True)
        first = first[slate[first] >= 0] if len(first) else first
        self._starts = np.unique(np.append(first, 0)) if len(places) else first
        box = np.flatnonzero((events.slate >= 0) & (events.kind <= Kind.CLICK))
        self._box = box[np.argsort(events.slate[box], kind="stable")]
        self._box_slate = events.slate[self._box]

    def until(self, place: int, end: int) -> Iterator[Shown]:
        """Yield what was shown by events before ``place`` and before ``end`` (UTC seconds)."""
        events, places = self._events, self._places
        stop = int(np.searchsorted(places, place))
        while self._next < stop and events.at[places[self._next]] < end:
            i = self._next
            later = int(np.searchsorted(self._starts, i, side="right"))
            j = stop if later == len(self._starts) else min(stop, int(self._starts[later]))
            self._next = j
            seen, event = places[i:j], places[i]
            begins = later > 0 and self._starts[later - 1] == i
            slate = int(events.slate[event]) if begins else -1
            cards, clicked = self._cards(slate)
            yield Shown(
                slate=slate,
                visitor=int(events.visitor[event]),
                session=int(events.session[event]),
                at=int(events.at[event]),
                cards=cards,
                clicked=clicked,
                seen=events.article[seen],
                seen_at=events.at[seen],
            )

    def _cards(self, slate: int) -> tuple[Int32, Bool]:
        first, last = np.searchsorted(self._box_slate, [slate, slate + 1])
        of = self._box[first:last] if slate >= 0 else self._box[:0]
        cards, index = np.unique(self._events.article[of], return_inverse=True)
        clicked = np.bincount(index, self._events.kind[of] == Kind.CLICK, len(cards)) > 0
        return cards, clicked
