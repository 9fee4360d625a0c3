"""What systems answered to the questions of a replay, in columns that every measure reads."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Int8, Int32, Int64

NOT_CLICKED = -1
"""The target of an impression in which nothing was clicked."""
GONE_BACK = -2
"""The target where a reader opens again what they had opened before: a miss for every system."""
MOST_RELEVANT = 20
"""Articles of the rest of a visit that are kept as relevant."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one system showed for q questions, in the order in which they were asked."""

    lists: Int32
    """int32[q, k], padded with -1; of an impression all its cards, however many"""
    target: Int32
    """int32[q]: what was opened in truth, or ``GONE_BACK``; of an impression the first of the cards
    that were clicked, or ``NOT_CLICKED``"""
    visit: Int64
    """int64[q]: the visit that each question belongs to; -1 for an impression of which nobody knows
    it, which belongs with no other"""
    home: Int32
    """int32[q]: row of the page's article, or of the target where there is no page"""
    visitor: Int32
    """int32[q]: the reader, -1 where unknown"""
    at: Int64
    """int64[q]: when it was asked, UTC seconds"""
    trail: Int32
    """int32[q]: articles opened in the visit before"""
    relevant: Int32
    """int32[q, ``MOST_RELEVANT``], padded with -1: what the reader opened in the rest of the visit
    and never before, the target first; of an impression, the cards that were clicked"""
    source: Int8
    """int8[q, k]: which of ``sources`` speaks most for each card, -1 where nobody says"""
    chance: Float32
    """f32[q, k]: how probably each card is opened as the system thinks, or its score among the
    cards of an impression; NaN where it does not say"""
    sources: tuple[str, ...] = ()
    of: int = 0
    """Questions there were, of which these were drawn."""


def joined(parts: Sequence[Answers]) -> Answers:
    """Return a system's answers in several windows as one; raises ``ValueError`` for none."""
    if not parts:
        raise ValueError("there are no answers to join")
    width = max(part.lists.shape[1] for part in parts)
    columns = {}
    for field in dataclasses.fields(Answers):
        values = [getattr(part, field.name) for part in parts]
        if field.name in ("lists", "source", "chance"):
            fill = np.nan if field.name == "chance" else -1
            values = [
                np.pad(v, ((0, 0), (0, width - v.shape[1])), constant_values=fill) for v in values
            ]
        if isinstance(values[0], np.ndarray):
            columns[field.name] = np.concatenate(values)
    return Answers(**columns, sources=parts[0].sources, of=sum(part.of for part in parts))
