"""Says how much a card attracts a reader: what the simulation draws from and the truth reports."""

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int32

BASE, LIKING, RELATION = -2.1, 0.9, 0.8
"""Log odds of a click on an examined card: alone, and for each unit of liking and of relation."""


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """What ties A articles to each other; equal codes mean the same subject, place or story."""

    unit: Float32
    """f32[A, K]: mixtures of topics, of unit length."""
    subject: Int32
    place: np.ndarray
    """int[A]"""
    story: Int32
    original: Int32
    """Row of the article that this one copies; its own row where it is none."""

    def relation(self, page: Int32, offer: Int32) -> Float64:
        """Return f64[m, c]: how well ``offer`` int32[m, c] follows on what was read, int32[m]."""
        now = page[:, None]
        alike = np.einsum("mk,mck->mc", self.unit[page], self.unit[offer]).astype(np.float64)
        return (
            1.0 * alike
            + 1.0 * (self.subject[offer] == self.subject[now])
            + 0.5 * (self.place[offer] == self.place[now])
            + 0.8 * (self.story[offer] == self.story[now])
            - 4.0 * (self.original[offer] == self.original[now])
        )


def unit(topics: Float32) -> Float32:
    """Return f32[A, K]: the mixtures at unit length."""
    return topics / np.linalg.norm(topics, axis=1, keepdims=True)


def liking(affinity: Float32) -> Float64:
    """Return the log of the true affinity, 0 at one of 0.12."""
    return np.log((affinity.astype(np.float64) + 0.015) / 0.135)


def attraction(liking: Float64, relation: Float64) -> Float64:
    """Return the probability that a reader who examines a card clicks it, whatever its slot."""
    value = BASE + LIKING * liking + RELATION * relation
    return 1.0 / (1.0 + np.exp(-value))
