"""Gives a few cards to articles that nobody could judge yet, and says with what probability."""

import random
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int16, Int32
from recsys.compiled import kernel
from recsys.quotas import Quotas, short
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
    fits = None
    for slot, chance in enumerate(chances(share, len(rows))):
        if chance <= 0.0 or slot in keep:
            continue
        if fits is None:  # else no card has changed since
            fits = _fitting(chosen, trials.rows, eligible, site, section, story, quotas)
        if not fits[slot].any():
            continue
        if draw.random() >= chance:
            propensity[slot] = 1.0 - chance
            continue
        winners = _winners(trials.rates, fits[slot])
        winner = winners[draw.choice(range(len(winners)))]
        chosen[slot] = trials.rows[winner]
        propensity[slot] = chance * float(np.mean(winners == winner))
        tried.add(slot)
        fits = None
    return Explored(chosen, tuple(propensity), frozenset(tried))


@kernel
def _winners(rates, fits):  # type: ignore[no-untyped-def]
    """Return int64[DRAWS]: the trial with the highest rate in each draw, of those that fit."""
    winners = np.full(len(rates), -1, np.int64)
    for draw in range(len(rates)):
        for place in range(len(fits)):
            if fits[place] and (
                winners[draw] < 0 or rates[draw, place] > rates[draw, winners[draw]]
            ):
                winners[draw] = place
    return winners


@kernel
def _fitting(chosen, trials, eligible, site, section, story, quotas):  # type: ignore[no-untyped-def]
    """Return bool[k, t]: which slots trials may have, the other cards being as they are."""
    n, home, from_home, site_most, site_least, section_most, section_least, plain = quotas
    sites, sections = np.zeros(len(site_most), np.int64), np.zeros(len(section_most), np.int64)
    there_site, there_section = sites > 0, sections > 0
    for card in chosen:
        sites[site[card]] += 1
        sections[section[card]] += 1
    fits = np.zeros((len(chosen), len(trials)), np.bool_)
    new = np.empty(len(trials), np.bool_)
    for place in range(len(trials)):
        row = trials[place]
        there_site[site[row]] = there_section[section[row]] = True
        new[place] = eligible[place]
        for card in chosen:
            new[place] &= story[card] != story[row]
    for slot in range(len(chosen)):
        own, its = site[chosen[slot]], section[chosen[slot]]
        sites[own] -= 1
        sections[its] -= 1
        left = n - len(chosen) + 1
        needed_sites = not plain and short(site_least, sites, there_site) >= left
        needed_sections = not plain and short(section_least, sections, there_section) >= left
        for place in range(len(trials)):
            at, of = site[trials[place]], section[trials[place]]
            fits[slot, place] = (
                new[place]
                and sites[at] < site_most[at]
                and (home < 0 or at != home or sites[home] < from_home)
                and sections[of] < section_most[of]
                and not (needed_sites and site_least[at] <= sites[at])
                and not (needed_sections and section_least[of] <= sections[of])
            )
        sites[own] += 1
        sections[its] += 1
    return fits
