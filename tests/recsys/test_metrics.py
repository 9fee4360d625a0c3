"""Metrics agree with trec_eval and scikit-learn, question by question."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ir_measures import AP, RR, P, R, Success, nDCG
from sklearn.metrics import roc_auc_score

from recsys import metrics
from recsys.errors import DataError

ARTICLES, MOST = 12, 8
NAN = float("nan")


@st.composite
def questions(draw: st.DrawFn, relevant: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Lists int32[q, m] without repetition and what is relevant, both padded with -1."""
    count, length = draw(st.integers(1, 12)), draw(st.integers(1, MOST))
    orders = st.permutations(range(ARTICLES))
    lists = np.full((count, length), -1, np.int32)
    wanted = np.full((count, relevant), -1, np.int32)
    for row in range(count):
        shown, liked = draw(st.integers(0, length)), draw(st.integers(0, relevant))
        lists[row, :shown] = draw(orders)[:shown]
        wanted[row, :liked] = draw(orders)[:liked]
    return lists, wanted


def by_library(lists: np.ndarray, relevant: np.ndarray, measure: ir_measures.Measure) -> np.ndarray:
    """Return f64[q] of ir_measures; NaN where nothing is relevant, of which it says nothing."""
    qrels = {str(q): {str(a): 1 for a in row if a >= 0} for q, row in enumerate(relevant.tolist())}
    # The library ranks by score, and would break ties its own way.
    run = {
        str(q): {str(a): float(MOST - place) for place, a in enumerate(row) if a >= 0}
        for q, row in enumerate(lists.tolist())
    }
    asked = {q: row for q, row in qrels.items() if row}
    values = np.full(len(lists), NAN)
    for told in ir_measures.iter_calc([measure], asked, run) if asked else ():
        values[int(told.query_id)] = told.value
    return values


@given(asked=questions(), k=st.integers(1, MOST + 2))
def test_many_relevant_articles_are_measured_as_trec_eval_does(asked, k):
    lists, relevant = asked
    found, wanted = metrics.found(lists, relevant), metrics.wanted(relevant)
    told = wanted > 0
    for value, measure in (
        (metrics.recalls(found, wanted, k), R @ k),
        (metrics.average_precisions(found, wanted, k), AP @ k),
        (metrics.discounted_gains(found, wanted, k), nDCG @ k),
        (np.where(told, metrics.precisions(found, k), NAN), P @ k),
    ):
        library = by_library(lists, relevant, measure)
        assert value == pytest.approx(library, nan_ok=True), str(measure)
        assert np.array_equal(np.isnan(value), ~told)


@given(asked=questions(relevant=1), k=st.integers(1, MOST + 2))
def test_one_relevant_article_is_measured_as_trec_eval_and_ms_marco_do(asked, k):
    lists, relevant = asked
    rank = metrics.ranks(lists, relevant[:, 0])
    told = relevant[:, 0] >= 0
    for value, measure in (
        (metrics.hits(rank, k), Success @ k),
        (metrics.reciprocal_ranks(rank, k), RR @ k),
        (metrics.gains(rank, k), nDCG @ k),
    ):
        library = by_library(lists, relevant, measure)
        assert value[told] == pytest.approx(library[told]), str(measure)
        assert not value[~told].any()


@given(asked=questions(relevant=1), k=st.integers(1, MOST))
def test_with_one_relevant_article_the_two_ways_of_measuring_agree(asked, k):
    lists, relevant = asked
    found, wanted = metrics.found(lists, relevant), metrics.wanted(relevant)
    rank, told = metrics.ranks(lists, relevant[:, 0]), wanted > 0
    whole = metrics.discounted_gains(found, wanted, k)
    assert metrics.gains(rank, k)[told] == pytest.approx(whole[told])
    assert metrics.hits(rank, k)[told] == pytest.approx(metrics.recalls(found, wanted, k)[told])


@given(asked=questions(), primitive=questions(), k=st.integers(1, MOST))
def test_serendipity_counts_hits_that_a_primitive_list_lacks(asked, primitive, k):
    lists, relevant = asked
    usual = np.resize(primitive[0], (len(lists), primitive[0].shape[1]))
    expected = metrics.found(lists, usual)
    value = metrics.serendipities(metrics.found(lists, relevant), expected, k)
    for shown, liked, plain, share in zip(lists, relevant, usual, value, strict=True):
        top = {row for row in shown[:k].tolist() if row >= 0}
        assert share == pytest.approx(len((top & set(liked.tolist())) - set(plain.tolist())) / k)


def test_padding_is_never_a_hit():
    nothing = np.array([[-1, -1]], np.int32)
    assert metrics.ranks(nothing, np.array([-1], np.int32)).tolist() == [metrics.MISS]
    assert not metrics.found(nothing, nothing).any()


def test_a_worked_example():
    lists = np.array([[4, 7, 2, 9]], np.int32)
    relevant = np.array([[7, 9, 5, -1]], np.int32)
    found, wanted = metrics.found(lists, relevant), metrics.wanted(relevant)
    assert found.tolist() == [[False, True, False, True]]
    assert wanted.tolist() == [3]
    assert metrics.precisions(found, 4).tolist() == [0.5]
    assert metrics.recalls(found, wanted, 4) == pytest.approx(2 / 3)
    assert metrics.average_precisions(found, wanted, 4) == pytest.approx((1 / 2 + 2 / 4) / 3)
    best = 1 + 1 / np.log2(3) + 1 / 2
    gained = 1 / np.log2(3) + 1 / np.log2(5)
    assert metrics.discounted_gains(found, wanted, 4) == pytest.approx(gained / best)


cards = st.integers(0, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float64, n, elements=st.integers(-3, 3)),  # few values, so many ties
        hnp.arrays(np.bool_, n),
        hnp.arrays(np.int64, n, elements=st.integers(0, 5)),
    )
)


@given(shown=cards)
def test_auc_of_each_slate_is_scikit_learns_with_ties_counting_half(shown):
    score, clicked, slate = shown
    value = metrics.aucs(score, clicked, slate, slates=7)
    assert len(value) == 7
    for n, auc in enumerate(value.tolist()):
        part = slate == n
        if 0 < clicked[part].sum() < part.sum():
            assert auc == pytest.approx(roc_auc_score(clicked[part], score[part]))
        else:
            assert np.isnan(auc)  # nothing to tell apart


def test_a_score_that_is_no_number_is_named():
    slate, clicked = np.zeros(3, np.int64), np.array([True, False, False])
    with pytest.raises(DataError, match="score of card 1 is nan; expected a finite number"):
        metrics.aucs(np.array([1.0, NAN, 2.0]), clicked, slate, 1)
