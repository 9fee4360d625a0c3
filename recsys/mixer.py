"""Makes one slate of what the sources propose: fuse, then pick slot by slot under the quotas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int16, Int32
from recsys.candidates import Candidates
from recsys.policy import Policy


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


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many cards of a slate sites may have."""

    per_site: int
    """At most from any one site."""
    from_home: int
    """At most from the page's own site."""
    home: int
    """Code of the page's site, -1 where there is none."""

    @classmethod
    def of(cls, policy: Policy, home: int, n: int) -> "Quotas":
        """Return the quotas of a slate of ``n`` cards; shares round up to whole cards."""
        from_home = n - math.ceil(policy.other_sites_min * n) if home >= 0 else n
        return cls(max(1, math.ceil(policy.max_per_site * n)), from_home, home)

    def room(self, site: Int16, taken: Int16) -> Bool:
        """Return bool[m]: which of ``site`` int16[m] have room beside the sites ``taken``."""
        counts = np.bincount(taken, minlength=int(site.max(initial=0)) + 1)[site]
        room: Bool = (counts < self.per_site) & ((site != self.home) | (counts < self.from_home))
        return room


@dataclass(frozen=True, slots=True)
class Pick:
    """The places of the candidates picked, in the order of slots, and which quotas gave way."""

    places: tuple[int, ...]
    relaxed: tuple[str, ...]


def pick(
    scores: Float64,
    site: Int16,
    story: Int32,
    vectors: Float32,
    *,
    home: int,
    n: int,
    policy: Policy,
) -> Pick:
    """Pick up to ``n`` of m candidates, slot by slot, by marginal relevance.

    Each slot takes the candidate with the largest ``score·(1 - θ·likeness)``, where θ is
    ``policy.diversity`` and likeness the largest cosine with what is picked already, among those
    whose site has room; ties by place. It is maximal marginal relevance (Carbonell and Goldstein,
    1998) with a product for the difference, since probabilities differ by factors. A story is told
    once; that never relaxes. Where the quotas leave a slot empty, ``max_per_site`` gives way first
    and then ``other_sites_min``.
    """
    quotas = Quotas.of(policy, home, n)
    likeness = np.zeros(len(scores), np.float32)
    open_: Bool = np.ones(len(scores), np.bool_)
    taken = np.zeros(int(site.max(initial=0)) + 1, np.int64)
    places: list[int] = []
    relaxed: list[str] = []
    while len(places) < n and open_.any():
        room = taken[site] < quotas.per_site if "max_per_site" not in relaxed else open_
        if "other_sites_min" not in relaxed and home >= 0:
            room = room & ((site != home) | (taken[home : home + 1].sum() < quotas.from_home))
        allowed = np.flatnonzero(open_ & room)
        if not len(allowed):
            relaxed.append("max_per_site" if "max_per_site" not in relaxed else "other_sites_min")
            continue
        value = scores[allowed] * (1.0 - policy.diversity * likeness[allowed])
        place = int(allowed[np.argmax(value)])
        places.append(place)
        taken[site[place]] += 1
        open_ &= story != story[place]
        if policy.diversity > 0:
            likeness = np.maximum(likeness, vectors @ vectors[place])
    return Pick(tuple(places), tuple(relaxed))
