"""Makes one slate of what the sources propose: fuse, then pick slot by slot under the quotas."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int16, Int32, Int64
from recsys.candidates import Candidates
from recsys.policy import QUOTAS, Policy
from recsys.quotas import Quotas


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
    rows = np.unique(np.concatenate([np.empty(0, np.int32), *(p.rows for p in proposals)]))
    parts = np.zeros((len(proposals), len(rows)))
    for part, proposal, weight in zip(parts, proposals, weights, strict=True):
        part[np.searchsorted(rows, proposal.rows)] = weight * proposal.scores
    parts /= sum(weights) or 1.0
    scores = parts.sum(axis=0)
    kept = np.flatnonzero(scores > 0)
    order = kept[np.lexsort((rows[kept], -scores[kept]))]
    return Fused(rows[order].astype(np.int32), scores[order], parts[:, order])


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """All candidates in the order that decides, best first, and how they came there."""

    rows: Int32
    """int32[m]"""
    parts: Float64
    """f64[s, m]: what each of the s sources adds to ``fused``."""
    fused: Float64
    """f64[m]: as in ``Fused.scores``."""
    chances: Float64
    """f64[m]: after the ranker, where there is one."""
    factor: Float64
    """f64[m]: of editors."""
    scores: Float64
    """f64[m]: ``chances · factor``."""

    @classmethod
    def of(cls, fused: Fused, chances: Float64, factor: Float32) -> "Ranked":
        """Return what was fused in the order of ``chances`` f64[m] times ``factor`` f32[m]."""
        scores = chances * factor
        order = np.lexsort((fused.rows, -scores))
        return cls(
            fused.rows[order],
            fused.parts[:, order],
            fused.scores[order],
            chances[order],
            factor[order].astype(np.float64),
            scores[order],
        )

    def with_rows(self, rows: Int32) -> "Ranked":
        """Return the same with ``rows`` int32[k] behind, as far as they are not among them."""
        more = np.setdiff1d(rows, self.rows).astype(np.int32)
        if not len(more):
            return self
        none = np.zeros(len(more))
        return Ranked(
            rows=np.concatenate([self.rows, more]),
            parts=np.concatenate([self.parts, np.zeros((len(self.parts), len(more)))], axis=1),
            fused=np.concatenate([self.fused, none]),
            chances=np.concatenate([self.chances, none]),
            factor=np.concatenate([self.factor, none + 1.0]),
            scores=np.concatenate([self.scores, none]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What there is to pick from: m candidates, best first."""

    scores: Float64
    """f64[m]"""
    site: Int16
    """int16[m]"""
    section: Int16
    """int16[m]"""
    story: Int32
    """int32[m]"""
    vectors: Float32
    """f32[m, d]"""
    sponsored: Bool
    """bool[m]"""
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

    ``pins`` (slot from 0, place) come first, whatever the quotas say; then the slots kept for
    sponsored cards. A story is told once, nothing soft stands in one slate with something grave
    where ``policy.tone.slate`` says so, and there are no more sponsored cards than allowed: that
    never relaxes. Where the quotas leave a slot empty, those that bind give way in the order of
    ``QUOTAS``.
    """
    filling = _Filling(choices, quotas, policy)
    for slot, place in pins:
        filling.pin(slot, place)
    for slot in range(quotas.n):
        if filling.slots[slot] < 0:
            filling.fill(slot)
    filled = [slot for slot, place in enumerate(filling.slots) if place >= 0]
    dense = {slot: rank for rank, slot in enumerate(filled)}
    return Pick(
        places=tuple(filling.slots[slot] for slot in filled),
        relaxed=tuple(filling.relaxed),
        moved=tuple((dense[s], place, why) for s, place, why in filling.moved if s in dense),
        pinned=frozenset(dense[slot] for slot in filling.pinned),
    )


class _Filling:
    """A slate while it is filled."""

    def __init__(self, choices: Choices, quotas: Quotas, policy: Policy) -> None:
        self.slots = [-1] * quotas.n
        self.relaxed: list[str] = []
        self.moved: list[tuple[int, int, str]] = []
        self.pinned: set[int] = set()
        self._choices, self._quotas, self._policy = choices, quotas, policy
        self._kept = {slot - 1 for slot in policy.sponsored.slots if slot <= quotas.n}
        self._open: Bool = np.ones(len(choices.scores), np.bool_)
        self._likeness = np.zeros(len(choices.scores), np.float32)
        self._sites = np.zeros(len(quotas.site_most), np.int64)
        self._sections = np.zeros(len(quotas.section_most), np.int64)
        self._sponsored = 0
        self._in_tone: Bool = np.ones(len(choices.scores), np.bool_)

    def pin(self, slot: int, place: int) -> None:
        """Give a slot to one candidate, unless the slot is taken or filters forbid it."""
        if slot >= len(self.slots) or self.slots[slot] >= 0 or not self._open[place]:
            return
        paid = self._choices.sponsored[place] and self._sponsored >= self._policy.sponsored.most
        if paid or not self._in_tone[place]:
            self.moved.append((slot, place, "sponsored" if paid else "tone"))
            return
        self._take(slot, place)
        self.pinned.add(slot)

    def fill(self, slot: int) -> None:
        """Give a slot to the best candidate that may have it; none where there is none."""
        choices = self._choices
        value = choices.scores * (1.0 - self._policy.diversity * self._likeness)
        value[~self._open] = -1.0
        if slot in self._kept and self._sponsored < self._policy.sponsored.most:
            place = _best(value, choices.sponsored & self._in_tone)
            if place >= 0:
                self._take(slot, place)
                self.pinned.add(slot)
                return
        free: Bool = self._open & self._in_tone
        if self._kept or self._sponsored >= self._policy.sponsored.most:
            free = free & ~choices.sponsored
        # What these rules forbid no least share may wait for.
        can = np.flatnonzero(free)
        if not len(can):
            return
        rooms = self._quotas.room(
            choices.site[can], choices.section[can], self._sites, self._sections
        )
        while True:
            held = [room for name, room in rooms.items() if name not in self.relaxed]
            allowed = can[functools.reduce(np.logical_and, held)] if held else can
            if len(allowed):
                break
            held_back = [name for name, room in rooms.items() if not room.all()]
            self.relaxed.append(
                next(name for name in QUOTAS if name in held_back and name not in self.relaxed)
            )
        place = int(allowed[np.argmax(value[allowed])])
        best = int(np.argmax(value))
        if best != place and value[best] > value[place]:
            self.moved.append((slot, best, self._why(best, can, rooms)))
        self._take(slot, place)

    def _why(self, place: int, can: Int64, rooms: dict[str, Bool]) -> str:
        """Return what kept a candidate out."""
        if not self._in_tone[place]:
            return "tone"
        here = int(np.searchsorted(can, place))
        if here == len(can) or can[here] != place:
            return "sponsored"
        return next(n for n, room in rooms.items() if n not in self.relaxed and not room[here])

    def _take(self, slot: int, place: int) -> None:
        choices = self._choices
        self.slots[slot] = place
        self._sites[choices.site[place]] += 1
        self._sections[choices.section[place]] += 1
        self._sponsored += int(choices.sponsored[place])
        if self._policy.tone.slate and choices.grave[place]:
            self._in_tone = self._in_tone & ~choices.soft
        if self._policy.tone.slate and choices.soft[place]:
            self._in_tone = self._in_tone & ~choices.grave
        self._open &= choices.story != choices.story[place]
        if self._policy.diversity > 0:
            near = choices.vectors @ choices.vectors[place]
            self._likeness = np.maximum(self._likeness, near)


def _best(value: Float64, allowed: Bool) -> int:
    """Return the place of the largest value among the allowed, -1 where none is left."""
    chosen = np.where(allowed, value, -1.0)
    place = int(np.argmax(chosen)) if len(chosen) else -1
    return place if place >= 0 and chosen[place] >= 0 else -1
