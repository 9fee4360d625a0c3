"""What lists show is measured as naive code written from the definitions measures it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics.pairwise import cosine_distances

from recsys import beyond

ARTICLES = 12
NAN = float("nan")
columns = hnp.arrays(np.int32, ARTICLES, elements=st.integers(0, 2))


@st.composite
def shown(draw: st.DrawFn) -> np.ndarray:
    """Lists int32[q, m] without repetition, padded with -1, some of them empty."""
    count, length = draw(st.integers(0, 12)), draw(st.integers(1, 8))
    lists = np.full((count, length), -1, np.int32)
    for row in lists:
        kept = draw(st.integers(0, length))
        row[:kept] = draw(st.permutations(range(ARTICLES)))[:kept]
    return lists


def cards(line: np.ndarray) -> list[int]:
    return [row for row in line.tolist() if row >= 0]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else NAN


@given(lists=shown())
def test_coverage_counts_each_shown_article_once(lists):
    told = {row for line in lists for row in cards(line)}
    assert beyond.coverage(lists, ARTICLES) == pytest.approx(len(told) / ARTICLES)


def test_coverage_of_an_empty_catalogue_is_zero():
    assert beyond.coverage(np.full((2, 3), -1, np.int32), 0) == 0.0


@given(lists=shown())
def test_gini_is_half_the_relative_mean_difference_of_all_pairs(lists):
    counts = np.bincount(lists[lists >= 0], minlength=ARTICLES)
    found = beyond.gini(lists, ARTICLES)
    if not counts.sum():
        assert math.isnan(found)
        return
    differences = sum(abs(int(a) - int(b)) for a in counts for b in counts)
    assert found == pytest.approx(differences / (2 * ARTICLES**2 * counts.mean()))


def test_gini_is_zero_where_all_are_shown_alike_and_near_one_where_one_alone_is():
    assert beyond.gini(np.arange(6, dtype=np.int32).reshape(2, 3), 6) == pytest.approx(0)
    assert beyond.gini(np.zeros((50, 1), np.int32), 1000) == pytest.approx(0.999)


@given(lists=shown(), opened=hnp.arrays(np.float64, ARTICLES, elements=st.integers(0, 99)))
def test_novelty_is_the_mean_surprise_of_a_lists_articles(lists, opened):
    total = sum(count + 1 for count in opened)
    wanted = [
        mean([-math.log2((opened[row] + 1) / total) for row in cards(line)]) for line in lists
    ]
    assert beyond.novelties(lists, opened) == pytest.approx(wanted, nan_ok=True)


@given(lists=shown(), seed=st.integers(0, 99), held=st.integers(1, 5))
def test_diversity_is_scikit_learns_cosine_distance_over_the_pairs_of_a_list(lists, seed, held):
    vectors = np.random.default_rng(seed).normal(size=(ARTICLES, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:2] = 0  # articles without text
    distance = cosine_distances(vectors)
    wanted = []
    for line in lists:
        told = [row for row in cards(line) if row >= 2]
        wanted.append(mean([distance[a, b] for a in told for b in told if a != b]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beyond, "CHUNK", held)
        found = beyond.diversities(lists, vectors.astype(np.float32))
    assert found == pytest.approx(wanted, abs=1e-5, nan_ok=True)


@given(lists=shown(), site=columns, data=st.data())
def test_share_elsewhere_counts_cards_of_other_sites(lists, site, data):
    home = data.draw(hnp.arrays(np.int32, len(lists), elements=st.integers(0, 2)))
    wanted = [
        mean([float(site[row] != at) for row in cards(line)])
        for line, at in zip(lists, home, strict=True)
    ]
    assert beyond.elsewhere(lists, site, home) == pytest.approx(wanted, nan_ok=True)


@given(lists=shown(), data=st.data())
def test_freshness_counts_cards_younger_than_so_many_seconds(lists, data):
    moments = st.integers(0, 50)
    published = data.draw(hnp.arrays(np.int64, ARTICLES, elements=moments))
    at = data.draw(hnp.arrays(np.int64, len(lists), elements=moments))
    wanted = [
        mean([float(now - published[row] < 10) for row in cards(line)])
        for line, now in zip(lists, at, strict=True)
    ]
    assert beyond.freshness(lists, published, at, 10) == pytest.approx(wanted, nan_ok=True)


@given(lists=shown(), section=columns)
def test_shares_are_of_all_cards_and_sum_to_one(lists, section):
    code = beyond.codes(lists, section)
    told = [int(section[row]) for line in lists for row in cards(line)]
    wanted = [told.count(n) / len(told) if told else NAN for n in range(4)]
    found = beyond.shares(code, 4)
    assert found == pytest.approx(wanted, nan_ok=True)
    assert np.array_equal(code >= 0, lists >= 0)
    if told:
        assert found.sum() == pytest.approx(1)


def test_shares_may_be_those_of_the_cards_that_hit():
    source = np.array([[0, 1, 1], [1, 2, -1]], np.int8)
    hit = np.array([[False, True, False], [True, False, False]])
    assert beyond.shares(np.where(hit, source, -1), 3).tolist() == [0.0, 1.0, 0.0]


def overlap(a: list[int], b: list[int], p: float) -> float:
    """Webber, Moffat and Zobel (2010), equation 32, as it is printed."""
    short, long = sorted((a, b), key=len)
    s, l = len(short), len(long)  # noqa: E741

    def common(depth: int) -> int:
        return len(set(short[:depth]) & set(long[:depth]))

    if not l:
        return NAN
    seen = sum(common(d) / d * p**d for d in range(1, l + 1))
    beyond_short = (
        sum(common(s) * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1)) if s else 0
    )
    rest = (common(l) - common(s)) / l + (common(s) / s if s else 0)
    return (1 - p) / p * (seen + beyond_short) + rest * p**l


@given(a=shown(), b=shown(), p=st.sampled_from([0.5, 0.9, 0.98]))
def test_rank_biased_overlap_is_that_of_its_paper(a, b, p):
    width, count = max(a.shape[1], b.shape[1]), min(len(a), len(b))
    a, b = (
        np.pad(x[:count], ((0, 0), (0, width - x.shape[1])), constant_values=-1) for x in (a, b)
    )
    found = beyond.overlaps(a, b, p)
    wanted = [overlap(cards(x), cards(y), p) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(found, beyond.overlaps(b, a, p))


def test_rank_biased_overlap_is_1_for_equal_lists_and_counts_the_first_cards_most():
    lists = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]], np.int32)
    others = np.array([[1, 2, 3], [4, 5, 6], [1, 2, 4], [4, 2, 3]], np.int32)
    same, none, last, first = beyond.overlaps(lists, others).tolist()
    assert same == pytest.approx(1.0)
    assert none == 0.0
    assert first < last < 1.0
