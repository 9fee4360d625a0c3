"""Counts what readers in one circumstance open now: the same hour reads differently by region."""

from collections import OrderedDict

import numpy as np

from recsys.arrays import Float32, Int32

HALF_LIFE = 1800.0
"""Seconds after which an opening counts half."""
PRIOR = 30.0
"""Openings in a circumstance that weigh as much as what everybody opens."""
STRENGTH = 0.25
"""Exponent of a lift: circumstances overlap, so each gets less than its whole say."""
MOST = 500
"""Circumstances kept; the least recently seen goes first, since browsers may invent them."""
FAINT = 0.01
"""Decayed openings below which an article is forgotten in a circumstance."""


class Segments:
    """Decayed openings per circumstance (``name:value``) and article.

    They live only for hours, so they start empty with each service and are no part of a bundle.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[str, dict[int, tuple[float, int]]] = OrderedDict()
        self._unswept: list[str] = []

    def add(self, segment: str, row: int, at: int) -> None:
        """Count one opening of an article; events may come in any order."""
        counts = self._counts.setdefault(segment, {})
        self._counts.move_to_end(segment)
        for key in (row, ALL):
            count, as_of = counts.get(key, (0.0, at))
            newest = max(at, as_of)
            counts[key] = count * _fading(newest - as_of) + _fading(newest - at), newest
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def forget(self, now: int, most: int = MOST) -> None:
        """Drop what has faded away, in the ``most`` circumstances that were not looked at longest.

        Few at a time: in one go it would keep answers waiting.
        """
        self._unswept = self._unswept or list(self._counts)
        for segment in self._unswept[:most]:
            kept = {
                row: (count, as_of)
                for row, (count, as_of) in self._counts.get(segment, {}).items()
                if count * _fading(now - as_of) > FAINT
            }
            if kept:
                self._counts[segment] = kept
            else:
                self._counts.pop(segment, None)
        del self._unswept[:most]

    def lift(self, segments: tuple[str, ...], rows: Int32, share: Float32, now: int) -> Float32:
        """Return f32[k]: how much likelier readers in these circumstances open ``rows`` int32[k].

        ``share`` f32[k] is each article's share of all openings, on a clock of like speed: else
        what rises now would look unpopular in every circumstance. For each of them the smoothed
        ratio ``(n_j + b·p_j) / ((N + b) p_j)`` counts to the power of ``STRENGTH``.
        """
        lift = np.ones(len(rows), np.float32)
        expected = np.maximum(share, np.float32(1e-7))
        for segment in segments:
            counts = self._counts.get(segment)
            if not counts:
                continue
            total = _now(counts, ALL, now)
            heard = np.array([_now(counts, row, now) for row in rows.tolist()], np.float32)
            lift *= ((heard + PRIOR * expected) / ((total + PRIOR) * expected)) ** STRENGTH
        return lift


ALL = -1
"""The key under which a circumstance keeps its total."""


def _now(counts: dict[int, tuple[float, int]], row: int, now: int) -> float:
    found = counts.get(row)
    return found[0] * _fading(now - found[1]) if found else 0.0


def _fading(age: int) -> float:
    return float(2.0 ** (-max(age, 0) / HALF_LIFE))
