"""Taste is learned from reading, carried to new readers in closed form, to new articles by text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.factors import Factors, cold_factors, cold_map, fit
from recsys.top import best

NONE = np.empty(0, np.int32)


def checkerboard(size: int) -> np.ndarray:
    """Reader u reads the articles a of u + a even, but not a = u: the one known answer."""
    board = (np.add.outer(np.arange(size), np.arange(size)) % 2 == 0).astype(np.float32)
    np.fill_diagonal(board, 0)
    return board


def test_each_reader_is_offered_the_one_article_of_taste_that_is_unread():
    board = checkerboard(30)
    factors = fit(sparse.csr_matrix(board), factors=4, regularization=0.01)
    for reader in range(30):
        rows, _ = factors.top(factors.visitors[reader], 1, np.flatnonzero(board[reader]))
        assert rows.tolist() == [reader]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_two_fits_are_equal_to_the_bit_with_any_number_of_threads(threads):
    matrix = sparse.random(200, 80, 0.1, "csr", np.float32, rng=1)
    one = fit(matrix, factors=16, seed=7, threads=1)
    other = fit(matrix, factors=16, seed=7, threads=threads)
    np.testing.assert_array_equal(one.visitors, other.visitors)
    np.testing.assert_array_equal(one.articles, other.articles)
    assert not np.array_equal(one.articles, fit(matrix, factors=16, seed=8).articles)


def test_folding_in_equals_implicits_own_answer():
    matrix = sparse.random(60, 40, 0.2, "csr", np.float32, rng=2)
    learned = fit(matrix, factors=8, alpha=3.0, regularization=0.1)
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(factors=8, regularization=0.1)
    model.item_factors = learned.articles
    model.user_factors = learned.visitors
    confidence = matrix.copy()
    confidence.data = 1 + 3.0 * confidence.data
    expected = model.recalculate_user(np.arange(60), confidence)
    for reader in range(60):
        row = matrix[[reader]]
        folded = learned.fold_in(row.indices, row.data)
        np.testing.assert_allclose(folded, expected[reader], rtol=1e-3, atol=1e-4)


def test_folding_in_nothing_is_no_taste():
    factors = fit(sparse.csr_matrix(checkerboard(6)), factors=3)
    assert factors.fold_in(NONE, np.empty(0, np.float32)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (3, 4)])
def test_without_events_everything_is_zero_and_nothing_is_found(shape):
    factors = fit(sparse.csr_matrix(shape, dtype=np.float32), factors=5)
    assert factors.visitors.shape == (shape[0], 5)
    assert factors.articles.shape == (shape[1], 5)
    taste = factors.fold_in(NONE, np.empty(0, np.float32))
    assert len(factors.top(taste, 10, NONE)[0]) == 0


def test_one_reader_of_one_article():
    factors = fit(sparse.csr_matrix(np.ones((1, 1), np.float32)), factors=8)
    assert factors.visitors[0] @ factors.articles[0] == pytest.approx(1, abs=0.1)


def test_rows_without_events_are_zero():
    board = checkerboard(8)
    board[3] = 0
    board[:, 5] = 0
    factors = fit(sparse.csr_matrix(board), factors=4)
    assert not factors.visitors[3].any()
    assert not factors.articles[5].any()


def test_asked_for_more_than_there_is_no_read_article_and_no_padding_comes_back():
    factors = fit(sparse.csr_matrix(checkerboard(6)), factors=4)
    rows, scores = factors.top(factors.visitors[0], 50, np.array([2, 4], np.int32))
    assert not {2, 4} & set(rows.tolist())
    assert len(set(rows.tolist())) == len(rows) <= 4
    assert (scores > 0).all()


@given(
    hnp.arrays(np.float32, st.integers(0, 40), elements=st.integers(-3, 5).map(float)),
    st.integers(0, 50),
)
def test_best_is_a_stable_sort_of_the_positive_scores(scores, k):
    expected = [int(r) for r in np.argsort(-scores, kind="stable") if scores[r] > 0][:k]
    rows, values = best(scores, k)
    assert rows.tolist() == expected
    assert values.tolist() == scores[expected].tolist()


def test_an_article_nobody_has_read_is_offered_to_those_whose_taste_its_text_matches():
    rng = np.random.default_rng(0)
    articles, readers = 80, 60
    topic = np.arange(articles) % 2
    vectors = np.zeros((articles, 6), np.float32)
    vectors[np.arange(articles), topic] = 1
    vectors += rng.normal(0, 0.1, vectors.shape).astype(np.float32)
    taste = np.arange(readers) % 2
    board = ((taste[:, None] == topic) & (rng.random((readers, articles)) < 0.5)).astype(np.float32)
    cold = np.arange(70, 80)
    board[:, cold] = 0
    support = board.astype(bool).sum(axis=0)
    factors = fit(sparse.csr_matrix(board), factors=8)
    warm = factors.warmed(vectors, cold_map(vectors, factors.articles, support), support)
    scores = warm.visitors @ warm.articles[cold].T
    agree = taste[:, None] == topic[cold]
    assert scores[agree].min() > scores[~agree].max()
    np.testing.assert_array_equal(warm.articles[:70], factors.articles[:70])


def test_the_cold_map_recovers_a_linear_law():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(500, 5)).astype(np.float32)
    law = rng.normal(size=(6, 3)).astype(np.float32)
    targets = cold_factors(vectors, law)
    found = cold_map(vectors, targets, np.full(500, 9), ridge=1e-3)
    np.testing.assert_allclose(found, law, atol=1e-3)


def test_the_cold_map_of_nothing_is_zero():
    empty = np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
    assert cold_map(*empty).tolist() == np.zeros((5, 2)).tolist()
    unread = cold_map(np.ones((3, 4), np.float32), np.ones((3, 2), np.float32), np.zeros(3, int))
    assert not unread.any()


def test_warming_up_leaves_the_gram_of_what_was_read():
    factors = fit(sparse.csr_matrix(checkerboard(6)), factors=4)
    warm = factors.warmed(np.ones((6, 2), np.float32), np.ones((3, 4), np.float32), np.zeros(6))
    assert isinstance(warm, Factors)
    np.testing.assert_array_equal(warm.gram, factors.gram)
