"""Counts what readers in one circumstance open now: the same hour reads differently by region."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.compiled import kernel, slot, slots

HALF_LIFE = 1800.0
"""Seconds after which an opening counts half."""
PRIOR = 30.0
"""Openings in a circumstance that weigh as much as what everybody opens."""
STRENGTH = 0.25
"""Exponent of a lift, a root of a root: circumstances overlap, so none gets its whole say."""
MOST = 500
"""Circumstances kept; the least recently seen goes first, since browsers may invent them."""
FAINT = 0.01
"""Decayed openings below which an article is forgotten in a circumstance."""


class Heard(NamedTuple):
    """What was opened in one circumstance; replaced as a whole where it becomes too small."""

    table: Int32
    """Of ``slots``."""
    rows: Int32
    openings: Float64
    as_of: Int64
    total: Float64
    """f64[2]: openings of everything, and when that was, UTC seconds."""
    size: Int64
    """int64[1]: rows that are in use."""


class Segments:
    """Decayed openings per circumstance (``name:value``) and article.

    They live only for hours, so they start empty with each service and are no part of a bundle.
    """

    def __init__(self) -> None:
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        self._unswept: list[str] = []

    def __len__(self) -> int:
        return len(self._heard)

    def add(self, segment: str, row: int, at: int) -> None:
        """Count one opening of an article; events may come in any order."""
        heard = self._heard.get(segment)
        if heard is None:
            heard = _room(ROOM)
        elif heard.size[0] == len(heard.rows):
            heard = _moved(heard, _room(2 * len(heard.rows)), 0.0, at)
        self._heard[segment] = heard
        self._heard.move_to_end(segment)
        _add(heard, row, at)
        if len(self._heard) > MOST:
            self._heard.popitem(last=False)

    def rows(self, segment: str) -> set[int]:
        """Return the rows that are remembered in a circumstance."""
        heard = self._heard.get(segment)
        return set(heard.rows[: heard.size[0]].tolist()) if heard else set()

    def forget(self, now: int, most: int = MOST) -> None:
        """Drop what has faded away, in the ``most`` circumstances that were not looked at longest.

        Few at a time: in one go it would keep answers waiting.
        """
        self._unswept = self._unswept or list(self._heard)
        for segment in self._unswept[:most]:
            heard = self._heard.get(segment)
            if heard is None:
                continue
            kept = _moved(heard, _room(len(heard.rows)), FAINT, now)
            if kept.size[0]:
                self._heard[segment] = kept
            else:
                del self._heard[segment]
        del self._unswept[:most]

    def lift(self, segments: tuple[str, ...], rows: Int32, share: Float32, now: int) -> Float32:
        """Return f32[k]: how much likelier readers in these circumstances open ``rows`` int32[k].

        ``share`` f32[A] is each article's share of all openings, on a clock of like speed: else
        what rises now would look unpopular in every circumstance. For each of them the smoothed
        ratio ``(n_j + b·p_j) / ((N + b) p_j)`` counts to the power of ``STRENGTH``.
        """
        lift = np.ones(len(rows), np.float32)
        for segment in segments:
            heard = self._heard.get(segment)
            if heard is not None:
                _lifted(lift, heard, rows, share, now)
        return lift


ROOM = 16
"""Articles that a new circumstance has room for."""


def _room(most: int) -> Heard:
    return Heard(
        slots(most),
        np.empty(most, np.int32),
        np.zeros(most),
        np.zeros(most, np.int64),
        np.zeros(2),
        np.zeros(1, np.int64),
    )


@kernel
def _fading(age):  # type: ignore[no-untyped-def]
    return 2.0 ** (-max(age, 0) / HALF_LIFE)


@kernel
def _add(heard, row, at):  # type: ignore[no-untyped-def]
    place = slot(heard.table, heard.rows, row)
    own = heard.table[place]
    if own < 0:
        own = heard.size[0]
        heard.rows[own], heard.openings[own], heard.as_of[own] = row, 0.0, at
        heard.table[place] = own
        heard.size[0] += 1
    newest = max(at, heard.as_of[own])
    heard.openings[own] *= _fading(newest - heard.as_of[own])
    heard.openings[own] += _fading(newest - at)
    heard.as_of[own] = newest
    newest = max(at, np.int64(heard.total[1]))
    heard.total[0] = heard.total[0] * _fading(newest - heard.total[1]) + _fading(newest - at)
    heard.total[1] = newest


@kernel
def _moved(heard, room, least, now):  # type: ignore[no-untyped-def]
    """Move what has not faded below ``least`` into ``room``, and return that."""
    for own in range(heard.size[0]):
        if heard.openings[own] * _fading(now - heard.as_of[own]) > least:
            other = room.size[0]
            room.rows[other], room.openings[other] = heard.rows[own], heard.openings[own]
            room.as_of[other] = heard.as_of[own]
            room.table[slot(room.table, room.rows, heard.rows[own])] = other
            room.size[0] += 1
    room.total[:] = heard.total
    return room


@kernel
def _lifted(lift, heard, rows, share, now):  # type: ignore[no-untyped-def]
    """Multiply a lift f32[k] by what one circumstance tells."""
    table, known, openings, as_of = heard.table, heard.rows, heard.openings, heard.as_of
    everything = heard.total[0] * _fading(now - heard.total[1]) + PRIOR
    for place in range(len(rows)):
        own = table[slot(table, known, rows[place])]
        times = openings[own] * _fading(now - as_of[own]) if own >= 0 else 0.0
        usual = max(np.float64(share[rows[place]]), 1e-7)
        lift[place] *= np.sqrt(np.sqrt((times + PRIOR * usual) / (everything * usual)))
