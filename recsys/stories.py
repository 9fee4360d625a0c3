"""Groups near-duplicate articles into stories, so that no box shows one story twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.arrays import Bool, Float32, Int16, Int32, Int64
from recsys.embed import LONGEST, tokens

Signatures = NDArray[np.uint32]

WIDTH = 128
"""Hash functions of a signature; the error of an estimated similarity is about 1/√WIDTH."""
SHINGLE = 3
"""Consecutive terms that make a shingle."""
LEAST = 8
"""Shingles below which a text is too short to tell its story."""
SAME = 0.5
"""Estimated Jaccard similarity of shingles from which two articles tell one story."""
BLANK = np.uint32(0xFFFFFFFF)
"""What fills the signature of a text that is too short; it is like nothing, not even itself."""


def signatures(texts: Sequence[str]) -> Signatures:
    """Return uint32[n, WIDTH]: MinHash signatures of the texts' shingles.

    Broder (1997), On the resemblance and containment of documents. Rows of texts that are too
    short are filled with ``BLANK``.
    """
    from datasketch import MinHash  # and with it most of SciPy

    result = np.full((len(texts), WIDTH), BLANK, np.uint32)
    blank = MinHash(WIDTH, seed=1, scheme="affine32", hashfunc=_hash)
    for row, text in enumerate(texts):
        found = _shingles(text)
        if len(found) >= LEAST:
            signature = blank.copy()
            signature.update_batch(found)
            result[row] = signature.hashvalues
    return result


def similarity(signature: Signatures, others: Signatures) -> Float32:
    """Return f32[n]: estimated Jaccard similarity of one signature [w] or n of them to n others."""
    same = np.atleast_2d((signature == others) & (others != BLANK))
    return np.asarray(same.mean(axis=1), np.float32)


def group(signatures: Signatures, related: Int32) -> Int32:
    """Return int32[n]: each article's story, named by the smallest row that tells it.

    ``related`` int32[n, k] holds the rows to compare each article with, -1 for none: near-copies
    are among an article's nearest neighbours by content.
    """
    count = len(signatures)
    left = np.repeat(np.arange(count, dtype=np.int32), related.shape[1])
    right = related.ravel()
    known = right >= 0
    left, right = left[known], right[known]
    same = np.empty(len(left), np.bool_)
    for start in range(0, len(left), 65_536):
        part = slice(start, start + 65_536)
        same[part] = similarity(signatures[left[part]], signatures[right[part]]) >= SAME
    links = sparse.coo_array(
        (np.ones(int(same.sum()), np.int8), (left[same], right[same])), shape=(count, count)
    )
    _, label = sparse.csgraph.connected_components(links, directed=False)
    first = np.full(count, count, np.int32)
    np.minimum.at(first, label, np.arange(count, dtype=np.int32))
    return first[label]


def assign(
    signature: Signatures, candidates: Int32, signatures: Signatures, story: Int32, fresh: int
) -> int:
    """Return the story of one new article: the most similar candidate's, or ``fresh`` for its own.

    ``signature`` uint32[WIDTH]; ``candidates`` int32[k] rows (-1 for none) of ``signatures`` and
    ``story`` int32[n].
    """
    rows = candidates[candidates >= 0]
    if not len(rows):
        return fresh
    alike = similarity(signature, signatures[rows])
    nearest = int(np.argmax(alike))
    return int(story[rows[nearest]]) if alike[nearest] >= SAME else fresh


@dataclass(frozen=True, slots=True, eq=False)
class Tellings:
    """Who tells which story; most are told once, and of the others there is a list."""

    counts: Int32
    """int32[A]: by story, the articles that tell it."""
    told: Int64
    """int64[T], sorted: ``story * SITES + site`` of stories that are told more than once."""

    @classmethod
    def of(cls, story: Int32, site: Int16) -> "Tellings":
        """Return the tellings of articles with ``story`` int32[A] and ``site`` int16[A]."""
        counts = np.bincount(story, minlength=len(story)).astype(np.int32)
        shared = np.flatnonzero(counts[story] > 1)
        return cls(counts, np.unique(story[shared].astype(np.int64) * SITES + site[shared]))

    def extended(self, story: Int32, site: Int16) -> "Tellings":
        """Return the tellings of these articles and further ones: ``of`` all, found sooner.

        ``story`` int32[A'] and ``site`` int16[A'] are of all, those known already first.
        """
        fresh = story[len(self.counts) :]
        counts = np.concatenate([self.counts, np.zeros(len(fresh), np.int32)])
        np.add.at(counts, fresh, 1)
        shared = np.unique(fresh[counts[fresh] > 1])
        if not len(shared):
            return Tellings(counts, self.told)
        rows = np.flatnonzero(np.isin(story, shared))
        return Tellings(
            counts, np.union1d(self.told, story[rows].astype(np.int64) * SITES + site[rows])
        )

    def at(self, story: Int32, site: int) -> Bool:
        """Return bool[k]: whether ``story`` int32[k], told more than once, is told at ``site``."""
        wanted = story.astype(np.int64) * SITES + site
        if not len(self.told):
            return np.zeros(len(story), np.bool_)
        place = np.minimum(np.searchsorted(self.told, wanted), len(self.told) - 1)
        told: Bool = self.told[place] == wanted
        return told


SITES = 2**16


def _shingles(text: str) -> list[bytes]:
    # the title is left out: sites give wire copies titles of their own
    body = text[:LONGEST].partition("\n")[2]
    words = tokens(body)
    found = {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}
    return [shingle.encode() for shingle in found]


def _hash(shingle: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(shingle, digest_size=4).digest(), "little")
