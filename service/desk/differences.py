"""Says in words which click rates differ by more than chance, for whoever looks at many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.performance import Dimension, Rate
from data.ratios import Gap
from recsys.inference import holm

LEVEL = 0.05
"""Chance of calling any difference one where there is none at all, in all comparisons together."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One group whose cards are clicked more, or less, than all other cards."""

    dimension: Dimension
    rate: Rate
    gap: Gap

    @property
    def more(self) -> bool:
        """Whether it is clicked more."""
        return self.gap.by > 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparisons of one page come to."""

    compared: int
    """How many there were."""
    few: int
    """Groups that were too small to compare."""
    differences: tuple[Difference, ...]
    """Those beyond chance, the largest first within each dimension."""


def verdict(tables: Mapping[Dimension, Sequence[Rate]]) -> Verdict:
    """Compare each group of each table with all other cards, and correct for their number (Holm).

    Two groups of a table are each other's other cards, so they are one comparison. Times are
    compared by eye: a day differs from others for a hundred reasons.
    """
    compared: list[Difference] = []
    few = 0
    for dimension, rates in tables.items():
        told = [Difference(dimension, rate, rate.gap) for rate in rates if rate.gap]
        if len(rates) > 1:
            few += len(rates) - len(told)
        compared += [max(told, key=lambda one: one.gap.by)] if len(rates) == 2 and told else told
    p = holm(np.array([one.gap.p for one in compared]))
    beyond = [one for one, chance in zip(compared, p, strict=True) if chance <= LEVEL]
    order = list(tables)
    beyond.sort(key=lambda one: (order.index(one.dimension), -abs(one.gap.by)))
    return Verdict(len(compared), few, tuple(beyond))
