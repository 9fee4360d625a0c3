"""Invents readers: what they like, where they live on the network, how often they come."""

from dataclasses import dataclass

import numpy as np

from data.sample.genres import GENRES, TOPICS
from data.sample.sites import SITE_IDS
from recsys.arrays import Bool, Float32, Float64, Int8, Int64

CONSENTING = 0.88
READING_JAPANESE = 0.14
TASTE = 0.14
"""Dirichlet concentration of tastes: two to four topics a reader."""
UNREADABLE = 0.05
"""What is left of the affinity to an article in Japanese for those who do not read it."""


@dataclass(frozen=True, slots=True, eq=False)
class Readers:
    """V readers in the order of their first visit."""

    tastes: Float32
    """f32[V, K], summing to 1."""
    home: Int8
    """Code of the site where they usually begin."""
    activity: Float64
    """Sessions relative to the other readers'."""
    since: Int64
    """They come from this time on (UTC seconds)."""
    consent: Bool
    japanese: Bool
    """Whether they read Japanese."""

    def __len__(self) -> int:
        return len(self.home)


def readers(count: int, seed: int, start: int, end: int) -> Readers:
    """Invent ``count`` readers; six in ten are there from ``start``, the others join until end."""
    rng = np.random.default_rng([seed, 2])
    common = np.zeros(len(TOPICS))
    by_site = np.full((len(SITE_IDS), len(TOPICS)), 1e-3)
    for g in GENRES:
        common[TOPICS.index(g.topics[0])] += g.share
        by_site[SITE_IDS.index(g.site), TOPICS.index(g.topics[0])] += g.share
    mass = 0.4 + 0.6 * len(TOPICS) * common / common.sum()
    tastes = rng.standard_gamma(TASTE * mass, (count, len(TOPICS))).astype(np.float32)
    tastes += np.float32(1e-4)
    tastes /= tastes.sum(axis=1, keepdims=True)
    sites = np.einsum("vk,sk->vs", tastes, by_site / by_site.sum(axis=0)) + 0.05
    chosen = np.cumsum(sites, axis=1) / sites.sum(axis=1, keepdims=True)
    home = (chosen < rng.random((count, 1))).sum(axis=1).clip(0, len(SITE_IDS) - 1)
    late = rng.random(count) > 0.6
    since = np.where(late, rng.integers(start, end, count), start)
    return Readers(
        tastes=tastes,
        home=home.astype(np.int8),
        activity=np.clip(rng.pareto(1.25, count) + 0.25, 0.25, 60.0),
        since=np.sort(since),
        consent=rng.random(count) < CONSENTING,
        japanese=rng.random(count) < READING_JAPANESE,
    )


def affinity(tastes: Float32, topics: Float32, foreign: Bool) -> Float32:
    """Return the true affinity: taste · topics, times ``UNREADABLE`` where ``foreign``.

    ``tastes`` f32[..., K] and ``topics`` f32[..., K] broadcast; ``foreign`` says that the article
    is in a language that the reader does not read.
    """
    match = np.einsum("...k,...k->...", tastes, topics)
    return np.where(foreign, np.float32(UNREADABLE) * match, match).astype(np.float32)
