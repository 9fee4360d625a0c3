"""Makes one slate of what the sources propose: fuse, then pick slot by slot under the quotas."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int16, Int32, Int64
from recsys.candidates import NO_ROWS, NO_SCORES, Candidates
from recsys.compiled import dot, kernel, order, slot, slots
from recsys.policy import QUOTAS, Policy
from recsys.quotas import Quotas, short


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The union of all proposals, best first."""

    rows: Int32
    """int32[m]"""
    scores: Float64
    """f64[m]: the sum of ``parts``, or what a ranker made of them."""
    parts: Float64
    """f64[s, m]: what each of the s sources adds to each fused score."""


def fuse(proposals: Sequence[Candidates], weights: Sequence[float]) -> Fused:
    """Average the sources' probabilities with their weights; ties by row.

    The linear opinion pool (Stone, 1961). Every source states probabilities, so what it is sure of
    counts more than what it merely lists; reciprocal rank fusion forgets that difference.
    """
    shares = np.array(weights, np.float64) / (sum(weights) or 1.0)
    return Fused(
        *_fused(
            np.concatenate([NO_ROWS, *(p.rows for p in proposals)]),
            np.concatenate([NO_SCORES, *(p.scores for p in proposals)]),
            np.array([0, *(len(p.rows) for p in proposals)]),
            shares,
        )
    )


@kernel
def _fused(listed, scores, sizes, shares):  # type: ignore[no-untyped-def]
    """Return what ``Fused`` holds; ``sizes`` of the lists have a 0 before them."""
    table, rows, many = slots(len(listed)), np.empty(len(listed), np.int32), 0
    own = np.empty(len(listed), np.int64)
    for place in range(len(listed)):
        at = slot(table, rows, listed[place])
        if table[at] < 0:
            table[at], rows[many] = many, listed[place]
            many += 1
        own[place] = table[at]
    rows, sums = rows[:many], np.zeros(many)
    parts, place = np.zeros((len(shares), many)), 0
    for source in range(len(shares)):
        for _ in range(sizes[source + 1]):
            parts[source, own[place]] = shares[source] * scores[place]
            place += 1
        sums += parts[source]
    ranked = order(sums, rows)
    last = many
    while last > 0 and sums[ranked[last - 1]] <= 0:
        last -= 1
    ranked = ranked[:last]
    return rows[ranked], sums[ranked], _columns(parts, ranked)


@kernel
def _columns(table, chosen):  # type: ignore[no-untyped-def]
    taken = np.empty((len(table), len(chosen)))
    for line in range(len(table)):
        for place in range(len(chosen)):
            taken[line, place] = table[line, chosen[place]]
    return taken


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """All candidates in the order that decides, best first, and how they came there."""

    rows: Int32
    """int32[m]"""
    scores: Float64
    """f64[m]: ``chances · factor``."""
    place: Int64
    """int64[m]: where each was in ``union``, -1 for what no source proposed."""
    union: Fused
    learned: Float64
    """f64[u]: chances in the order of ``union``."""
    factors: Float32
    """f32[A]: of editors, by row."""

    @classmethod
    def of(cls, fused: Fused, chances: Float64, factor: Float32) -> "Ranked":
        """Return what was fused in the order of ``chances`` f64[m] times ``factor`` f32[A]."""
        rows, scores, place = _reranked(fused.rows, chances, factor)
        return cls(rows, scores, place, fused, chances, factor)

    def with_rows(self, rows: Int32) -> "Ranked":
        """Return the same with ``rows`` int32[k] behind, as far as they are not among them."""
        more = np.setdiff1d(rows, self.rows).astype(np.int32)
        return dataclasses.replace(
            self,
            rows=np.concatenate([self.rows, more]),
            scores=np.concatenate([self.scores, np.zeros(len(more))]),
            place=np.concatenate([self.place, np.full(len(more), -1)]),
        )

    @property
    def parts(self) -> Float64:
        """f64[s, m]: what each of the s sources adds to ``fused``."""
        return self._told(self.union.parts)

    @property
    def fused(self) -> Float64:
        """f64[m]: as in ``Fused.scores``."""
        return self._told(self.union.scores)

    @property
    def chances(self) -> Float64:
        """f64[m]: after the ranker, where there is one."""
        return self._told(self.learned)

    @property
    def factor(self) -> Float64:
        """f64[m]: of editors; 1 for what no source proposed."""
        factor = self.factors[self.rows].astype(np.float64)
        return np.where(self.place >= 0, factor, 1.0)

    def most(self, places: Int64) -> list[int]:
        """Return for each of some places the source that adds most to its score."""
        most: list[int] = _most(self.union.parts, self.place, places).tolist()
        return most

    def _told(self, told: Float64) -> Float64:
        return np.where(self.place >= 0, told[..., self.place], 0.0)


@kernel
def _most(parts, union, places):  # type: ignore[no-untyped-def]
    most = np.zeros(len(places), np.int64)
    for at in range(len(places)):
        place = union[places[at]]
        if place >= 0:
            most[at] = parts[:, place].argmax()
    return most


@kernel
def _reranked(rows, chances, factor):  # type: ignore[no-untyped-def]
    scores = np.empty(len(rows))
    for place in range(len(rows)):
        scores[place] = chances[place] * factor[rows[place]]
    ranked = order(scores, rows)
    return rows[ranked], scores[ranked], ranked


class Choices(NamedTuple):
    """What there is to pick from: m candidates, best first."""

    rows: Int32
    """int32[m]: of the tables below"""
    scores: Float64
    """f64[m]"""
    site: Int16
    """int16[A]"""
    section: Int16
    """int16[A]"""
    story: Int32
    """int32[A]"""
    vectors: Float32
    """f32[B, d]: of rows up to B"""
    fresh: Float32
    """f32[A - B, d]: of the rows after them"""
    sponsored: Bool
    """bool[A]"""
    grave: Bool
    """bool[m]: must not stand beside what is soft."""
    soft: Bool
    """bool[m]: light or paid for."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Which candidates got the slots, and what came of the rules."""

    places: tuple[int, ...]
    """Of the candidates picked, in the order of slots."""
    relaxed: tuple[str, ...]
    """Quotas that gave way."""
    moved: tuple[tuple[int, int, str], ...]
    """Slot (from 0), place, and what kept this better candidate out of it."""
    pinned: frozenset[int] = frozenset()
    """Slots (from 0) that chance and quotas leave alone: of pins and of sponsored cards."""


def pick(
    choices: Choices,
    quotas: Quotas,
    *,
    policy: Policy,
    pins: Sequence[tuple[int, int]] = (),
) -> Pick:
    """Pick up to ``quotas.n`` of m candidates, slot by slot, by marginal relevance.

    Each slot takes the candidate with the largest ``score·(1 - θ·likeness)``, where θ is
    ``policy.diversity`` and likeness the largest cosine with what is picked already, among those
    that quotas have room for; ties by place. It is maximal marginal relevance (Carbonell and
    Goldstein, 1998) with a product for the difference, since probabilities differ by factors.
    Candidates come best first, so that whoever cannot win any more is never compared.

    ``pins`` (slot from 0, place) come first, whatever the quotas say; then the slots kept for
    sponsored cards. A story is told once, nothing soft stands in one slate with something grave
    where ``policy.tone.slate`` says so, and there are no more sponsored cards than allowed: that
    never relaxes. Where the quotas leave a slot empty, those that bind give way in the order of
    ``QUOTAS``.
    """
    kept = np.zeros(quotas.n, np.bool_)
    for number in policy.sponsored.slots:
        if number <= quotas.n:
            kept[number - 1] = True
    slots_of, relaxed, moved, pinned = _picked(
        choices,
        quotas,
        np.array(pins, np.int64).reshape(-1, 2),
        kept,
        policy.sponsored.most,
        policy.tone.slate,
        float(policy.diversity),
    )
    all_slots = slots_of.tolist()
    taken = [at for at, place in enumerate(all_slots) if place >= 0]
    dense = {at: rank for rank, at in enumerate(taken)}
    return Pick(
        places=tuple([all_slots[at] for at in taken]),
        relaxed=tuple([REASONS[code] for code in relaxed.tolist()]),
        moved=tuple([(dense[s], p, REASONS[why]) for s, p, why in moved.tolist() if s in dense]),
        pinned=frozenset([dense[at] for at in taken if pinned[at]]),
    )


REASONS = (*QUOTAS, "tone", "sponsored")
TONE, SPONSORED = 4, 5
"""Codes of what keeps a candidate out, besides those of ``QUOTAS``."""


@kernel
def _picked(  # type: ignore[no-untyped-def]
    choices, quotas, pins, kept, most_sponsored, by_tone, diversity
):
    """Return the place of each of ``n`` slots (-1: empty), what gave way in its order, moves
    (slot, place, why) and which slots are pinned."""
    rows, scores, site, section, story, vectors, fresh, sponsored, grave, soft = choices
    n, home, from_home, site_most, site_least, section_most, section_least, plain = quotas
    many = len(rows)
    filled, taken, count = np.full(n, -1, np.int64), np.empty(n, np.int64), 0
    pinned = np.zeros(n, np.bool_)
    given_way, relaxed, gave = np.zeros(4, np.bool_), np.empty(4, np.int64), 0
    moved, moves = np.empty((n + len(pins), 3), np.int64), 0
    sites, sections = np.zeros(len(site_most), np.int64), np.zeros(len(section_most), np.int64)
    paid = 0
    told, out_of_tone = np.zeros(many, np.bool_), np.zeros(many, np.bool_)
    likeness = np.zeros(many, np.float32)
    compared = np.zeros(many, np.int64)
    there_site = np.zeros(len(site_most), np.bool_)
    there_section = np.zeros(len(section_most), np.bool_)
    any_kept = kept.any()
    for turn in range(len(pins) + n):
        pin = turn < len(pins)
        at = pins[turn, 0] if pin else turn - len(pins)
        if at >= n or filled[at] >= 0:
            continue
        chosen, fixed, chosen_value = -1, False, -1.0
        if pin:
            place = pins[turn, 1]
            if told[place]:
                continue
            over = sponsored[rows[place]] and paid >= most_sponsored
            if over or out_of_tone[place]:
                moved[moves, 0], moved[moves, 1] = at, place
                moved[moves, 2] = SPONSORED if over else TONE
                moves += 1
                continue
            chosen, fixed = place, True
        if not fixed and kept[at] and paid < most_sponsored:
            for place in range(many):
                if scores[place] <= chosen_value:
                    break
                if not sponsored[rows[place]] or told[place] or out_of_tone[place]:
                    continue
                value = _value(
                    rows, scores, vectors, fresh, taken, count, likeness, compared, place, diversity
                )
                if value > chosen_value:
                    chosen, chosen_value, fixed = place, value, True
        if not fixed:
            unpaid = any_kept or paid >= most_sponsored
            left = n - count
            needed_sites = needed_sections = False
            if not plain:
                # Whatever no candidate could fill is not waited for.
                there_site[:], there_section[:] = False, False
                for place in range(many):
                    row = rows[place]
                    if (
                        not (unpaid and sponsored[row])
                        and not out_of_tone[place]
                        and not told[place]
                    ):
                        there_site[site[row]], there_section[section[row]] = True, True
                needed_sites = short(site_least, sites, there_site) >= left
                needed_sections = short(section_least, sections, there_section) >= left
            while True:
                free, held = False, np.zeros(4, np.bool_)
                chosen, chosen_value = -1, -1.0
                best, best_value, best_why = -1, -1.0, -1
                for place in range(many):
                    if scores[place] <= chosen_value:
                        break
                    row = rows[place]
                    if told[place]:
                        continue
                    why = -1
                    if out_of_tone[place]:
                        why = TONE
                    elif unpaid and sponsored[row]:
                        why = SPONSORED
                    else:
                        free = True
                        if not plain:
                            code = section[row]
                            full = sections[code] >= section_most[code]
                            wanted = section_least[code] > sections[code]
                            if full or (needed_sections and not wanted):
                                held[0] = True
                                if not given_way[0]:
                                    why = 0
                            wanted = site_least[site[row]] > sites[site[row]]
                            if needed_sites and not wanted:
                                held[1] = True
                                if why < 0 and not given_way[1]:
                                    why = 1
                        if sites[site[row]] >= site_most[site[row]]:
                            held[2] = True
                            if why < 0 and not given_way[2]:
                                why = 2
                        if home >= 0 and site[row] == home and sites[home] >= from_home:
                            held[3] = True
                            if why < 0 and not given_way[3]:
                                why = 3
                    value = _value(
                        rows,
                        scores,
                        vectors,
                        fresh,
                        taken,
                        count,
                        likeness,
                        compared,
                        place,
                        diversity,
                    )
                    if value > best_value:
                        best, best_value, best_why = place, value, why
                    if why < 0 and value > chosen_value:
                        chosen, chosen_value = place, value
                if chosen >= 0 or not free:
                    break
                for quota in range(4):
                    if held[quota] and not given_way[quota]:
                        given_way[quota] = True
                        relaxed[gave] = quota
                        gave += 1
                        break
            if chosen < 0:
                continue
            if best != chosen and best_value > chosen_value:
                moved[moves, 0], moved[moves, 1], moved[moves, 2] = at, best, best_why
                moves += 1
        row = rows[chosen]
        filled[at], pinned[at] = chosen, fixed
        taken[count] = chosen
        count += 1
        sites[site[row]] += 1
        sections[section[row]] += 1
        paid += sponsored[row]
        for place in range(many):
            told[place] |= story[rows[place]] == story[row]
            if by_tone:
                out_of_tone[place] |= (grave[chosen] and soft[place]) or (
                    soft[chosen] and grave[place]
                )
    return filled, relaxed[:gave], moved[:moves], pinned


@kernel
def _value(  # type: ignore[no-untyped-def]
    rows, scores, vectors, fresh, taken, count, likeness, compared, place, diversity
):
    """Return what a candidate is worth beside the ``count`` cards that are there."""
    if diversity > 0:
        bundled = len(vectors)
        row = rows[place]
        own = vectors[row] if row < bundled else fresh[row - bundled]
        for step in range(compared[place], count):
            other = rows[taken[step]]
            its = vectors[other] if other < bundled else fresh[other - bundled]
            likeness[place] = max(likeness[place], dot(own, its))
        compared[place] = count
    return scores[place] * (np.float32(1.0) - np.float32(diversity) * likeness[place])
