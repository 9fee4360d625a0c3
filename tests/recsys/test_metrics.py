"""Metrics agree with naive code written from their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys import metrics

lists_and_targets = st.integers(1, 8).flatmap(
    lambda k: st.lists(
        st.tuples(
            st.permutations(range(12)).map(lambda order: order[:k]),
            st.integers(-1, k),
            st.integers(0, 11),
        ),
        min_size=1,
        max_size=20,
    )
)


def padded(rows: list) -> tuple[np.ndarray, np.ndarray]:
    lists = np.array(
        [
            [row if place < keep else -1 for place, row in enumerate(order)]
            for order, keep, _ in rows
        ],
        np.int32,
    )
    return lists, np.array([target for *_, target in rows], np.int32)


@given(rows=lists_and_targets, k=st.integers(1, 10))
def test_ranked_metrics_equal_their_definitions(rows: list, k: int) -> None:
    lists, target = padded(rows)
    rank = metrics.ranks(lists, target)
    for shown, wanted, hit, reciprocal, gain in zip(
        lists,
        target,
        metrics.hits(rank, k),
        metrics.reciprocal_ranks(rank, k),
        metrics.gains(rank, k),
        strict=True,
    ):
        top = [row for row in shown.tolist() if row >= 0][:k]
        place = top.index(wanted) + 1 if wanted in top else None
        assert hit == (place is not None)
        assert reciprocal == pytest.approx(1 / place if place else 0)
        assert gain == pytest.approx(1 / math.log2(1 + place) if place else 0)


def test_padding_is_never_a_hit() -> None:
    assert metrics.ranks(np.array([[-1, -1]], np.int32), np.array([-1], np.int32)).tolist() == [0]


@given(rows=lists_and_targets)
def test_coverage_counts_each_shown_article_once(rows: list) -> None:
    lists, _ = padded(rows)
    shown = {row for line in lists.tolist() for row in line if row >= 0}
    assert metrics.coverage(lists, 12) == pytest.approx(len(shown) / 12)


def test_coverage_of_an_empty_catalogue_is_zero() -> None:
    assert metrics.coverage(np.full((2, 3), -1, np.int32), 0) == 0.0


@given(rows=lists_and_targets, site=hnp.arrays(np.int32, 12, elements=st.integers(0, 2)))
def test_share_elsewhere_counts_cards_of_other_sites(rows: list, site: np.ndarray) -> None:
    lists, target = padded(rows)
    home = site[target]
    cards = [
        site[row] != at
        for line, at in zip(lists.tolist(), home, strict=True)
        for row in line
        if row >= 0
    ]
    wanted = sum(cards) / len(cards) if cards else 0.0
    assert metrics.share_elsewhere(lists, site, home) == pytest.approx(wanted)


@given(rows=lists_and_targets, seed=st.integers(0, 99))
def test_intra_list_diversity_is_the_mean_distance_of_pairs(rows: list, seed: int) -> None:
    lists, _ = padded(rows)
    vectors = np.random.default_rng(seed).normal(size=(12, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0  # an article without text
    per_list = []
    for line in lists.tolist():
        told = [row for row in line if row > 0]
        pairs = [1 - vectors[a] @ vectors[b] for a in told for b in told if a != b]
        if pairs:
            per_list.append(sum(pairs) / len(pairs))
    found = metrics.intra_list_diversity(lists, vectors.astype(np.float32))
    if per_list:
        assert found == pytest.approx(sum(per_list) / len(per_list), abs=1e-5)
    else:
        assert math.isnan(found)
