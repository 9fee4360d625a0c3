"""Walks through what boxes have shown, slate by slate in the order in which they were seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int16, Int32, Int64
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
    slot: Int16
    """int16[m]: where each of them stood, from 0; -1 where the log does not say"""
    seen: Int32
    """int32[n]: cards of any slate that were seen from now until the next slate is"""
    seen_at: Int64
    """int64[n]: when"""


class Slates:
    """The slates of a log, each once.

    Those first seen before ``since`` (UTC seconds) are told apart by nobody: their cards are only
    seen, outside of any slate.
    """

    def __init__(self, events: Interactions, since: int = 0) -> None:
        self._events = events
        self._places = np.flatnonzero(events.kind == Kind.IMPRESSION)
        self._at = events.at[self._places]
        self._next = 0
        slate = events.slate[self._places]
        code, first = np.unique(slate, return_index=True)
        asked = (code >= 0) & (self._at[first] >= since)
        code, first = code[asked], first[asked]
        order = np.argsort(first)
        self._code, self._first = code[order], first[order]
        self._slate = 0
        box = np.flatnonzero(np.isin(events.slate, code) & (events.kind <= Kind.CLICK))
        width = int(events.article.max(initial=0)) + 1
        pair = events.slate[box].astype(np.int64) * width + events.article[box]
        pair, index = np.unique(pair, return_inverse=True)
        of, self._cards = pair // width, (pair % width).astype(np.int32)
        self._clicked = np.bincount(index, events.kind[box] == Kind.CLICK, len(of)) > 0
        self._slot = np.full(len(of), -1, np.int16)
        np.maximum.at(self._slot, index, events.position[box])
        self._from = np.searchsorted(of, self._code)
        self._to = np.searchsorted(of, self._code, side="right")

    def until(self, place: int, end: int) -> Iterator[Shown]:
        """Yield what was shown by events before ``place`` and before ``end`` (UTC seconds)."""
        events, places = self._events, self._places
        if self._next == len(places) or places[self._next] >= place:
            return
        stop = int(min(places.searchsorted(place), self._at.searchsorted(end)))
        while self._next < stop:
            i, begun = self._next, self._slate
            begins = begun < len(self._first) and self._first[begun] == i
            self._slate = later = begun + begins
            j = min(stop, int(self._first[later])) if later < len(self._first) else stop
            self._next = j
            seen, event = places[i:j], places[i]
            cards = slice(self._from[begun], self._to[begun]) if begins else slice(0, 0)
            yield Shown(
                slate=int(self._code[begun]) if begins else -1,
                visitor=int(events.visitor[event]),
                session=int(events.session[event]),
                at=int(self._at[i]),
                cards=self._cards[cards],
                clicked=self._clicked[cards],
                slot=self._slot[cards],
                seen=events.article[seen],
                seen_at=self._at[i:j],
            )
