"""Turns what a reader did into how much it counts: the only place where that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.types import Kind

if TYPE_CHECKING:
    from recsys.arrays import Float32, Int64
    from recsys.tables import Interactions

TREND_HALF_LIVES = (300.0, 1800.0, 6 * 3600.0, 7 * 86_400.0)
"""Seconds: minutes tell what breaks, the week tells what a quiet site reads."""
COREAD_HALF_LIVES = (1800.0, 14 * 86_400.0)
"""Seconds: what leads where in this hour's news, and what belongs together for weeks."""
COREAD_WIDTH = 300
"""Successors kept for each article."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of event says of a reader's taste, and how fast that fades."""

    impression: float = 0.0
    """Seeing a card says nothing of taste by itself."""
    click: float = 1.0
    """Opening an article."""
    read: float = 2.0
    """Reading it whole; see ``dwell_full``."""
    comment: float = 4.0
    """Commenting on it."""
    like: float = 4.0
    """Liking it."""
    share: float = 5.0
    """Sharing it."""
    dwell_full: float = 60.0
    """Seconds of reading at which a read counts whole; shorter reads count in proportion."""
    half_life: float = 30 * 86_400.0
    """Seconds after which an event counts half."""

    def by_kind(self) -> Float32:
        """Return f32[6]: the weight of each ``Kind``, in the order of its values."""
        import numpy as np  # which every command would wait for: its settings hold Weights

        return np.array([getattr(self, kind.name.lower()) for kind in Kind], np.float32)


def decay(age: Int64, half_life: float) -> Float32:
    """Return f32[n] ``0.5 ** (age / half_life)``; ages in seconds, a negative age counts as 0."""
    import numpy as np

    return np.exp2(-np.maximum(age, 0) / half_life).astype(np.float32)


def confidence(events: Interactions, weights: Weights, now: int) -> Float32:
    """Return f32[E]: the confidence that each event adds to its (reader, article) cell.

    This is the ``c`` of Hu, Koren and Volinsky (2008), less the 1 that every cell has.
    A read with a known dwell counts in proportion to it, up to ``weights.dwell_full`` seconds.
    """
    import numpy as np

    value = weights.by_kind()[events.kind]
    timed = (events.kind == Kind.READ) & (events.value > 0)
    share = np.minimum(events.value / weights.dwell_full, 1.0)
    value = np.where(timed, value * share, value)
    return (value * decay(now - events.at, weights.half_life)).astype(np.float32)
