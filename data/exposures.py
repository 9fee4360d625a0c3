"""Reads from the store what an experiment's readers were shown and what they clicked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select

from data.schema import events
from data.store import Store
from recsys.arrays import Bool, Int8, Int32, Int64
from recsys.types import Kind

FETCHED = 50_000
"""Rows read at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """n cards that slates of an experiment showed, each once however often it was reported.

    A card that was clicked has been seen, even where the page had no time to say so.
    """

    arm: Int8
    """int8[n]: place of the arm among those asked for."""
    reader: Int32
    """int32[n]: the visitor, without consent the session, without either the slate alone."""
    slate: Int32
    """int32[n]"""
    at: Int64
    """int64[n]: when it was first seen or clicked, UTC seconds."""
    clicked: Bool
    """bool[n]"""

    def __len__(self) -> int:
        return len(self.arm)

    def __getitem__(self, cards: np.ndarray) -> "Exposures":
        return Exposures(*(getattr(self, name)[cards] for name in self.__slots__))


def exposures(store: Store, labels: Sequence[str]) -> Exposures:
    """Return what the slates of some arms (``EXPERIMENT/ARM``) showed, in order of arrival.

    The reader of a slate is that of its first card. Raises ``DataError`` where the store fails.
    """
    places = {label: place for place, label in enumerate(labels)}
    slates: dict[str, int] = {}
    readers: dict[str, int] = {}
    arm: list[int] = []
    reader: list[int] = []
    cards: list[tuple[int, int, bool]] = []
    query = (
        select(
            events.c.slate,
            func.max(events.c.arm).label("arm"),
            func.min(events.c.at).label("at"),
            func.max(events.c.kind).label("kind"),
            # Who is known in one event of a card and not in the other is known.
            func.max(events.c.visitor).label("visitor"),
            func.max(events.c.session).label("session"),
        )
        # The index on arms is partial: it serves only who says so.
        .where(events.c.arm != "", events.c.arm.in_(labels), events.c.slate != "")
        .where(events.c.kind.in_([int(Kind.IMPRESSION), int(Kind.CLICK)]))
        .group_by(events.c.slate, events.c.site, events.c.key)
        .order_by(func.min(events.c.seq))
    )
    with store.reading() as connection:
        for row in connection.execution_options(yield_per=FETCHED).execute(query):
            slate = slates.setdefault(row.slate, len(slates))
            if slate == len(arm):
                name = row.visitor or row.session or f"slate {row.slate}"
                arm.append(places[row.arm])
                reader.append(readers.setdefault(name, len(readers)))
            cards.append((slate, row.at, row.kind == Kind.CLICK))
    of, at, clicked = zip(*cards, strict=True) if cards else ((), (), ())
    which = np.array(of, np.int32)
    return Exposures(
        arm=np.array(arm, np.int8)[which],
        reader=np.array(reader, np.int32)[which],
        slate=which,
        at=np.array(at, np.int64),
        clicked=np.array(clicked, np.bool_),
    )
