"""Reads from the store what an experiment's readers were shown and what they clicked."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import func, select

from data.schema import events
from data.store import Store
from recsys.experiments import Exposures
from recsys.types import Kind

FETCHED = 50_000
"""Rows read at once."""


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


def labels(store: Store) -> list[str]:
    """Return the arms (``EXPERIMENT/ARM``) that the store holds events of, in order of their names.

    Raises ``DataError`` where the store fails.
    """
    found = select(events.c.arm).where(events.c.arm != "").distinct().order_by(events.c.arm)
    with store.reading() as connection:
        return list(connection.scalars(found))
