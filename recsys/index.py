"""Finds the articles whose vectors are nearest, exactly while they are few and by cells beyond."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import faiss
import numpy as np
from faiss import rev_swig_ptr

from recsys.arrays import Float32, Int32, Int64
from recsys.errors import BundleCorrupt
from recsys.top import best

FLAT_LIMIT = 10_000
"""Articles up to which every vector is compared; beyond, cells are worth their building."""
CELLS = 1.6
"""Cells for each square root of the articles, by measurement: ``benchmarks/index.py``."""
TRAINED = 64
"""Articles for each cell that the centres are learned from at most."""
FOUND = 0.995
"""Share of the ``NEAREST`` of ``SAMPLE`` articles that must be found: it decides how many cells are
looked into, for how well vectors fall into cells differs from one network to another."""
NEAREST = 64
SAMPLE = 500


@dataclass(frozen=True, slots=True, eq=False)
class ArticleIndex:
    """Search over vectors f32[A, d] of length 1 (or 0), which it does not copy.

    FAISS takes as many threads as its caller has set (``faiss.omp_set_num_threads``); a service
    must set one in each worker after the fork.
    """

    vectors: Float32
    cells: faiss.Index | None = None
    """An inverted file over the rows (Sivic and Zisserman, 2003; Jégou et al., 2011), in bundles of
    earlier releases a graph (HNSW); None searches exactly."""

    @classmethod
    def build(cls, vectors: Float32, flat_limit: int = FLAT_LIMIT) -> "ArticleIndex":
        """Index vectors f32[A, d], C-ordered, exactly where A ≤ ``flat_limit``.

        The same vectors give the same bits, by however many threads.
        """
        # an article without text is nobody's neighbour, and would only fill a cell
        filled = np.flatnonzero(vectors.any(axis=1)) if len(vectors) > flat_limit else ()
        if len(filled) <= flat_limit:
            return cls(vectors)
        texts = vectors[filled]
        count = min(round(CELLS * sqrt(len(filled))), len(filled))
        centres = faiss.IndexFlatIP(vectors.shape[1])
        cells = faiss.IndexIVFFlat(centres, centres.d, count, faiss.METRIC_INNER_PRODUCT)
        cells.cp.spherical = True
        cells.cp.max_points_per_centroid = TRAINED
        cells.cp.min_points_per_centroid = 1
        cells.train(texts)
        cells.add_with_ids(texts, filled)
        _set_probes(cells, texts)
        return cls(vectors, cells)

    def search(self, queries: Float32, k: int) -> tuple[Int32, Float32]:
        """Return rows int32[q, k] and inner products f32[q, k], best first, ties by row.

        By cells, which of several equals make the cut is not by row, but the same each time.
        Only positive products count as found; the rest is row -1 at score 0, as is everything for a
        query of zeros.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if k == 0 or not len(queries) or not len(self.vectors):
            return np.full((len(queries), k), -1, np.int32), np.zeros((len(queries), k), np.float32)
        if self.cells is not None:
            score, found = self.cells.search(queries, k)
            return _ordered(score, found)
        # one more than wanted shows whether the cut falls among equals
        score, found = faiss.knn(queries, self.vectors, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
        rows, scores = _ordered(score, found)
        for i in np.flatnonzero((scores[:, k - 1] == scores[:, k]) & (scores[:, k] > 0)):
            exact, value = best(self.vectors @ queries[i], k)
            rows[i, : len(exact)], scores[i, : len(exact)] = exact, value
        return rows[:, :k], scores[:, :k]

    def neighbours(self, k: int, batch: int = 1024) -> tuple[Int32, Float32]:
        """Return rows int32[A, k] and scores f32[A, k] of every article's nearest, never itself."""
        count = len(self.vectors)
        rows = np.full((count, k), -1, np.int32)
        scores = np.zeros((count, k), np.float32)
        order = self._by_cell()
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            found, score = self.search(self.vectors[chosen], k + 1)
            own = found == chosen[:, None]
            # among many exact copies an article may not find itself: then its last find goes
            own[~own.any(axis=1), -1] = True
            rows[chosen] = found[~own].reshape(-1, k)
            scores[chosen] = score[~own].reshape(-1, k)
        return rows, scores

    def _by_cell(self) -> Int64:
        """Return rows int64[≤A] so that those in a row look into cells that are in the cache."""
        cells = self.cells.invlists if isinstance(self.cells, faiss.IndexIVF) else None
        if cells is None:
            return np.arange(len(self.vectors))
        sizes = {cell: cells.list_size(cell) for cell in range(cells.nlist)}
        return np.concatenate([rev_swig_ptr(cells.get_ids(c), n) for c, n in sizes.items() if n])

    def save(self, path: Path) -> bool:
        """Write the cells to ``path`` if there are any, and say whether there were."""
        if self.cells is None:
            return False
        faiss.write_index(self.cells, str(path))
        return True

    @classmethod
    def load(cls, vectors: Float32, path: Path) -> "ArticleIndex":
        """Return the index over ``vectors``, with the cells at ``path``, mapped, if there are any.

        Raises ``BundleCorrupt`` where they cannot be read or are of another width.
        """
        if not path.exists():
            return cls(vectors)
        try:
            cells = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise BundleCorrupt(f"the search index {path} cannot be read: {error}") from error
        if cells.d != vectors.shape[1] or cells.ntotal > len(vectors):
            raise BundleCorrupt(
                f"the search index {path} holds {cells.ntotal} vectors of width {cells.d};"
                f" expected at most {len(vectors)} of width {vectors.shape[1]}"
            )
        return cls(vectors, cells)


def _set_probes(cells: faiss.IndexIVF, vectors: Float32) -> None:
    """Set into how many cells to look, so that of vectors f32[A, d] enough are found."""
    sample = vectors[:: -(-len(vectors) // SAMPLE)]
    k = min(NEAREST, len(vectors))
    # the two add up in another order, and so differ in their last bits
    least = faiss.knn(sample, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)[0][:, -1:] - 1e-6
    while (cells.search(sample, k)[0] >= least).mean() < FOUND and cells.nprobe < cells.nlist:
        cells.nprobe = min(cells.nprobe + 1 + cells.nprobe // 4, cells.nlist)


def _ordered(score: Float32, found: Int64) -> tuple[Int32, Float32]:
    """Return rows int32[q, k] and scores f32[q, k] of what FAISS found, best first, ties by row."""
    rows = found.astype(np.int32)
    if (score[:, 1:] == score[:, :-1]).any():
        rows = np.take_along_axis(rows, np.lexsort((rows, -score), axis=1), axis=1)
    if not score[:, -1].min() > 0:
        missing = ~(score > 0)
        rows[missing], score[missing] = -1, 0
    return rows, score
