"""Splits what readers opened into visits, the unit in which one article leads to the next."""

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.tables import Interactions

GAP = 30 * 60
"""Seconds without an event after which a reader without session ids starts a new visit."""


def visits(events: Interactions) -> Int64:
    """Return int64[E]: the visit of each event, -1 where neither session nor visitor is known.

    A visit is a session; for a visitor without session ids it ends with ``GAP`` seconds of silence.
    """
    visit = np.where(events.session >= 0, events.session.astype(np.int64), -1)
    loose = np.flatnonzero((events.session < 0) & (events.visitor >= 0))
    if len(loose):
        order = loose[np.argsort(events.visitor[loose], kind="stable")]
        visitor, at = events.visitor[order], events.at[order]
        starts = np.r_[True, (visitor[1:] != visitor[:-1]) | (np.diff(at) > GAP)]
        visit[order] = visit.max(initial=-1) + np.cumsum(starts)
    return visit


def openings(events: Interactions) -> tuple[Interactions, Int64, Int32]:
    """Return the first opening of each article in each visit, with its visit and its place there.

    Reading an article after the click, or going back to it, is no further step of a visit. Rows are
    m events in time order, visits int64[m] (-1 where unknown) and places int32[m] from 0 (0 where
    the visit is unknown).
    """
    opens = events.reads()
    visit = visits(opens)
    width = int(opens.article.max(initial=0)) + 1
    known = np.flatnonzero(visit >= 0)
    _, first = np.unique(visit[known] * width + opens.article[known], return_index=True)
    kept = np.sort(np.concatenate([known[first], np.flatnonzero(visit < 0)]))
    opens, visit = opens[kept], visit[kept]
    order = np.argsort(visit, kind="stable")
    starts = np.r_[True, visit[order][1:] != visit[order][:-1]][: len(order)]
    place = np.arange(len(order)) - np.maximum.accumulate(
        np.where(starts, np.arange(len(order)), 0)
    )
    places = np.empty(len(order), np.int32)
    places[order] = place
    places[visit < 0] = 0
    return opens, visit, places
