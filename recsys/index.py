"""Finds the articles whose vectors are nearest, exactly while that is fast and by graph beyond."""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from recsys.arrays import Float32, Int32
from recsys.errors import BundleCorrupt
from recsys.top import best

FLAT_LIMIT = 50_000
"""Articles up to which every vector is compared; beyond, a graph (HNSW) is worth its building."""
LINKS = 32
EF_CONSTRUCTION = 80
EF_SEARCH = 64
_LAST = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class ArticleIndex:
    """Search over vectors f32[A, d] of length 1 (or 0), which it does not copy.

    FAISS takes as many threads as its caller has set (``faiss.omp_set_num_threads``); a service
    must set one in each worker after the fork.
    """

    vectors: Float32
    graph: faiss.Index | None = None
    """HNSW over the rows (Malkov and Yashunin, 2018); None searches exactly."""

    @classmethod
    def build(cls, vectors: Float32, flat_limit: int = FLAT_LIMIT) -> "ArticleIndex":
        """Index vectors f32[A, d], C-ordered, exactly where A ≤ ``flat_limit``."""
        if len(vectors) <= flat_limit:
            return cls(vectors)
        graph = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = EF_CONSTRUCTION
        graph.hnsw.efSearch = EF_SEARCH
        # an article without text is nobody's neighbour, and would only clutter the graph
        filled = np.flatnonzero(vectors.any(axis=1))
        labelled = faiss.IndexIDMap(graph)
        labelled.add_with_ids(vectors[filled], filled.astype(np.int64))
        labelled.own_fields = True
        graph.this.disown()  # type: ignore[attr-defined]
        return cls(vectors, labelled)

    def search(self, queries: Float32, k: int) -> tuple[Int32, Float32]:
        """Return rows int32[q, k] and inner products f32[q, k], best first, ties by row.

        By graph, which of several equals make the cut is not by row, but the same each time.
        Only positive products count as found; the rest is row -1 at score 0, as is everything for a
        query of zeros.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        rows = np.full((len(queries), k), -1, np.int32)
        scores = np.zeros((len(queries), k), np.float32)
        # one more than wanted shows whether the cut falls among equals
        ask = min(k + 1, len(self.vectors))
        if k == 0 or ask == 0 or not len(queries):
            return rows, scores
        if self.graph is None:
            score, found = faiss.knn(queries, self.vectors, ask, metric=faiss.METRIC_INNER_PRODUCT)
        else:
            score, found = self.graph.search(queries, ask)
        missing = (found < 0) | ~(score > 0)
        score[missing], found[missing] = 0, _LAST
        order = np.lexsort((found, -score), axis=1)[:, :k]
        kept = order.shape[1]
        rows[:, :kept] = np.take_along_axis(found, order, axis=1)
        scores[:, :kept] = np.take_along_axis(score, order, axis=1)
        rows[rows == _LAST] = -1
        if self.graph is None and ask > k:
            for i in np.flatnonzero((score[:, k - 1] == score[:, k]) & (score[:, k] > 0)):
                exact, value = best(self.vectors @ queries[i], k)
                rows[i, : len(exact)], scores[i, : len(exact)] = exact, value
        return rows, scores

    def neighbours(self, k: int, batch: int = 1024) -> tuple[Int32, Float32]:
        """Return rows int32[A, k] and scores f32[A, k] of every article's nearest, never itself."""
        count = len(self.vectors)
        rows = np.full((count, k), -1, np.int32)
        scores = np.zeros((count, k), np.float32)
        for start in range(0, count, batch):
            chosen = slice(start, start + batch)
            found, score = self.search(self.vectors[chosen], k + 1)
            own = found == np.arange(start, start + len(found), dtype=np.int32)[:, None]
            # among many exact copies an article may not find itself: then its last find goes
            own[~own.any(axis=1), -1] = True
            rows[chosen] = found[~own].reshape(-1, k)
            scores[chosen] = score[~own].reshape(-1, k)
        return rows, scores

    def save(self, path: Path) -> bool:
        """Write the graph to ``path`` if there is one, and say whether there was."""
        if self.graph is None:
            return False
        faiss.write_index(self.graph, str(path))
        return True

    @classmethod
    def load(cls, vectors: Float32, path: Path) -> "ArticleIndex":
        """Return the index over ``vectors``, with the graph at ``path`` if there is one.

        Raises ``BundleCorrupt`` where the graph cannot be read or is of another width.
        """
        if not path.exists():
            return cls(vectors)
        try:
            graph = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise BundleCorrupt(f"the search graph {path} cannot be read: {error}") from error
        if graph.d != vectors.shape[1] or graph.ntotal > len(vectors):
            raise BundleCorrupt(
                f"the search graph {path} holds {graph.ntotal} vectors of width {graph.d};"
                f" expected at most {len(vectors)} of width {vectors.shape[1]}"
            )
        return cls(vectors, graph)
