"""Gives a few cards to articles that nobody could judge yet, and says with what probability."""

import random
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int16, Int32
from recsys.quotas import Quotas
from recsys.trials import Trials


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """A slate after its turn at chance."""

    rows: Int32
    """int32[n]"""
    propensity: tuple[float, ...]
    """Probability of just this card in this slot, given the cards above and those it may keep."""
    tried: frozenset[int]
    """Slots that were given to a trial."""


def chances(share: float, n: int) -> list[float]:
    """Return the chance of each of ``n`` slots to be given away, ``share`` of all on average.

    Only the lower half takes part: the first cards are what a reader came for.
    """
    kept = n // 2
    return [0.0] * kept + [min(1.0, share * n / (n - kept))] * (n - kept)


def explore(
    rows: Int32,
    trials: Trials,
    eligible: Bool,
    *,
    site: Int16,
    section: Int16,
    story: Int32,
    quotas: Quotas,
    keep: Collection[int] = (),
    share: float,
    seed: int,
) -> Explored:
    """Give slots of a slate ``rows`` int32[n] to trials, by chance.

    ``eligible`` bool[t] says which trials may be shown at all; ``site`` and ``section`` int16[A]
    and ``story`` int32[A] are the catalogue's. Slots to ``keep`` stay as they are. A trial never
    breaks a quota and never repeats a story. In a slot whose turn it is, one of the stored draws
    is taken, each with the same probability, and the trial with the highest rate in it wins; so
    its probability is the share of draws that it wins, exactly. The same seed gives the same slate.
    """
    chosen = rows.copy()
    propensity = [1.0] * len(rows)
    tried: set[int] = set()
    if share <= 0.0 or not eligible.any():
        return Explored(chosen, tuple(propensity), frozenset())
    draw = random.Random(seed)  # noqa: S311 (no secret depends on it)
    for slot, chance in enumerate(chances(share, len(rows))):
        if chance <= 0.0 or slot in keep:
            continue
        others = np.delete(chosen, slot)
        fits = eligible & ~np.isin(story[trials.rows], story[chosen])
        rooms = quotas.room(
            site[trials.rows],
            section[trials.rows],
            np.bincount(site[others], minlength=len(quotas.site_most)),
            np.bincount(section[others], minlength=len(quotas.section_most)),
        )
        fits &= np.logical_and.reduce(list(rooms.values()))
        places = np.flatnonzero(fits)
        if not len(places):
            continue
        if draw.random() >= chance:
            propensity[slot] = 1.0 - chance
            continue
        winners = places[np.argmax(trials.rates[:, places], axis=1)]
        winner = draw.choice(winners.tolist())
        chosen[slot] = trials.rows[winner]
        propensity[slot] = chance * float(np.mean(winners == winner))
        tried.add(slot)
    return Explored(chosen, tuple(propensity), frozenset(tried))
