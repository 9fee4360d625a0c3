"""Nearest articles, exactly and by cells, against plain matrix products."""

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_limits

from recsys.embed import unit
from recsys.errors import BundleCorrupt
from recsys.index import FOUND, ArticleIndex

# eighths: sums of products are exact, so ties are ties whatever the order of additions
VECTORS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 30), st.just(3)),
    elements=st.integers(-8, 8).map(lambda n: n / 8),
)


def naive(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.full((len(queries), k), -1)
    scores = np.zeros((len(queries), k))
    for i, query in enumerate(queries):
        product = vectors @ query
        found = [r for r in np.argsort(-product, kind="stable") if product[r] > 0][:k]
        rows[i, : len(found)] = found
        scores[i, : len(found)] = product[found]
    return rows, scores


def clustered(n: int, d: int = 16, seed: int = 0, spread: float = 0.5) -> np.ndarray:
    centres = np.random.default_rng(0).normal(size=(20, d))
    rng = np.random.default_rng(seed)
    near = centres[rng.integers(0, 20, n)]
    return unit((near + rng.normal(0, spread, (n, d))).astype(np.float32))


@given(VECTORS, st.integers(1, 40))
def test_exact_search_is_the_sorted_product(vectors, k):
    rows, scores = ArticleIndex.build(vectors).search(vectors, k)
    expected_rows, expected_scores = naive(vectors, vectors, k)
    np.testing.assert_array_equal(scores, expected_scores.astype(np.float32))
    np.testing.assert_array_equal(rows, expected_rows)


@given(VECTORS, st.integers(1, 40))
def test_neighbours_are_the_nearest_others(vectors, k):
    rows, scores = ArticleIndex.build(vectors).neighbours(k, batch=7)
    assert rows.shape == scores.shape == (len(vectors), k)
    for row, found in enumerate(rows):
        product = vectors @ vectors[row]
        wanted = [r for r in np.argsort(-product, kind="stable") if product[r] > 0 and r != row][:k]
        assert found[: len(wanted)].tolist() == wanted
        assert (found[len(wanted) :] == -1).all()
        assert scores[row, : len(wanted)].tolist() == product[wanted].tolist()


@given(VECTORS, st.integers(1, 40))
def test_search_by_cells_names_each_once_by_its_product_in_order(vectors, k):
    rows, scores = ArticleIndex.build(vectors, flat_limit=0).search(vectors, k)
    assert rows.shape == scores.shape == (len(vectors), k)
    for query, found, score in zip(vectors, rows, scores, strict=True):
        some = found[found >= 0]
        assert len(np.unique(some)) == len(some)
        assert score.tolist() == [*(vectors[some] @ query), *[0] * (k - len(some))]
        assert (score[: len(some)] > 0).all()
        assert np.lexsort((some, -score[: len(some)])).tolist() == list(range(len(some)))


@given(VECTORS, st.integers(1, 40))
def test_so_few_that_none_may_be_missed_are_all_found_by_cells(vectors, k):
    vectors = vectors[: int((1 - FOUND) ** -0.5)]
    index = ArticleIndex.build(vectors, flat_limit=0)
    np.testing.assert_array_equal(index.search(vectors, k)[1], naive(vectors, vectors, k)[1])


@pytest.mark.parametrize("spread", [0.1, 0.5, 5.0])
def test_the_cells_find_what_the_exact_search_finds_however_close_vectors_are(spread):
    vectors = clustered(3000, spread=spread)
    asked = clustered(200, seed=1, spread=spread)
    cells = ArticleIndex.build(vectors, flat_limit=100)
    exact = ArticleIndex.build(vectors)
    assert cells.cells is not None
    assert exact.cells is None
    for k in (10, 64):
        least = exact.search(asked, k)[1][:, -1:]
        assert (cells.search(asked, k)[1] >= least - 1e-6).mean() > 0.985


@pytest.mark.parametrize("flat_limit", [0, 10_000])
def test_zero_vectors_find_nothing_and_are_not_found(flat_limit):
    vectors = clustered(200)
    vectors[::3] = 0
    rows, _ = ArticleIndex.build(vectors, flat_limit).search(vectors, 200)
    assert (rows[::3] == -1).all()
    assert (rows[rows >= 0] % 3 != 0).all()
    assert (ArticleIndex.build(vectors, flat_limit).neighbours(5)[0][::3] == -1).all()


@pytest.mark.parametrize("flat_limit", [0, 10_000])
def test_among_many_copies_an_article_is_not_its_own_neighbour(flat_limit):
    vectors = np.ones((50, 4), np.float32) / 2
    rows, scores = ArticleIndex.build(vectors, flat_limit).neighbours(5)
    assert (scores == 1).all()
    assert not (rows == np.arange(50)[:, None]).any()


def test_however_many_threads_build_and_search_not_a_bit_differs(tmp_path):
    vectors = clustered(2000)
    nearest = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            index = ArticleIndex.build(vectors, flat_limit=100)
            nearest.append(index.neighbours(20))
        index.save(tmp_path / f"{len(nearest)}")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    for rows, scores in nearest[1:]:
        np.testing.assert_array_equal(rows, nearest[0][0])
        np.testing.assert_array_equal(scores, nearest[0][1])


def test_a_saved_index_answers_alike(tmp_path):
    vectors = clustered(500)
    built = ArticleIndex.build(vectors, flat_limit=100)
    assert built.save(tmp_path / "cells")
    again = ArticleIndex.load(vectors, tmp_path / "cells")
    for one, other in zip(built.search(vectors, 7), again.search(vectors, 7), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_graph_of_an_earlier_release_still_answers(tmp_path):
    vectors = clustered(2000)
    graph = faiss.IndexIDMap(faiss.IndexHNSWFlat(16, 32, faiss.METRIC_INNER_PRODUCT))
    graph.add_with_ids(vectors, np.arange(len(vectors)))
    faiss.write_index(graph, str(tmp_path / "graph"))
    again = ArticleIndex.load(vectors, tmp_path / "graph")
    assert again.search(vectors[:50], 3)[0][:, 0].tolist() == list(range(50))


def test_an_exact_index_needs_no_file(tmp_path):
    vectors = clustered(50)
    assert not ArticleIndex.build(vectors).save(tmp_path / "cells")
    assert ArticleIndex.load(vectors, tmp_path / "cells").cells is None


def test_an_index_of_other_vectors_is_refused(tmp_path):
    ArticleIndex.build(clustered(500), flat_limit=100).save(tmp_path / "cells")
    with pytest.raises(BundleCorrupt, match="width 16"):
        ArticleIndex.load(clustered(500, d=8), tmp_path / "cells")
    (tmp_path / "cells").write_bytes(b"no index")
    with pytest.raises(BundleCorrupt, match="cannot be read"):
        ArticleIndex.load(clustered(500), tmp_path / "cells")


def test_memory_mapped_vectors_are_searched_in_place(tmp_path):
    np.save(tmp_path / "v.npy", clustered(100))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r").view(np.ndarray)
    assert ArticleIndex.build(vectors).search(vectors[:3], 1)[0].ravel().tolist() == [0, 1, 2]
