"""Trends equal a naive sum of decayed voices, whatever the order and times of the events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import trending
from recsys.tables import Interactions
from recsys.types import Kind

HOUR = 3600
NOW = 1_700_000_000
events = st.lists(st.tuples(st.integers(0, 5), st.integers(NOW - 90 * 24 * HOUR, NOW)), max_size=40)


CLOCKS = (600.0, 6.0 * HOUR)


def naive(voices: list[tuple[int, int]], half_life: float) -> np.ndarray:
    counts = np.zeros(6)
    for row, at in voices:
        counts[row] += 0.5 ** ((NOW - at) / half_life)
    return counts


@given(voices=events, split=st.integers(0, 40))
def test_counts_equal_the_naive_sum_on_every_clock(
    voices: list[tuple[int, int]], split: int
) -> None:
    trends = trending.Trends(6, NOW - 60 * 24 * HOUR, CLOCKS)
    rows = np.array([row for row, _ in voices[:split]], np.int32)
    trends.add(rows, np.array([at for _, at in voices[:split]], np.int64))
    for row, at in voices[split:]:
        trends.add_one(row, at)
    for counts, half_life in zip(trends.counts(NOW), CLOCKS, strict=True):
        assert counts == pytest.approx(naive(voices, half_life), rel=1e-9, abs=1e-12)


def test_counts_survive_years_of_a_short_half_life() -> None:
    trends = trending.Trends(1, NOW, [600.0])
    for day in range(0, 3 * 365, 5):
        trends.add_one(0, NOW + day * 24 * HOUR)
    assert trends.counts(NOW + day * 24 * HOUR)[0] == pytest.approx([1.0])


def test_arrays_restore_the_same_counts_and_a_copy_lives_alone() -> None:
    trends = trending.Trends(2, NOW, CLOCKS)
    trends.add_one(1, NOW)
    copy = trends.copy()
    copy.add_one(1, NOW)
    assert trends.counts(NOW).tolist() == [[0, 1], [0, 1]]
    assert copy.counts(NOW).tolist() == [[0, 2], [0, 2]]


def test_growing_makes_room_for_articles_that_nobody_has_opened() -> None:
    trends = trending.Trends(1, NOW, CLOCKS)
    trends.add_one(0, NOW)
    trends.grow(3)
    trends.add_one(2, NOW)
    assert trends.counts(NOW)[0].tolist() == [1, 0, 1]


def opens(rows: list[tuple[int, int, int]]) -> Interactions:
    """Make an event of each (visitor, session, article), a second apart."""
    visitor, session, article = np.array(rows, np.int32).T
    return Interactions(
        visitor=visitor,
        session=session,
        article=article,
        kind=np.full(len(rows), Kind.CLICK, np.int8),
        at=NOW - len(rows) + np.arange(len(rows), dtype=np.int64),
        value=np.zeros(len(rows), np.float32),
        slate=np.full(len(rows), -1, np.int32),
    )


def test_one_reader_is_one_voice() -> None:
    table = opens([(0, 0, 5), (0, 1, 5), (1, 2, 5), (-1, 3, 5), (-1, 3, 5), (-1, -1, 5)])
    assert trending.first_voices(table).tolist() == [0, 2, 3, 5]


def test_landing_on_an_article_says_less_than_going_on_to_it() -> None:
    trends = trending.fit(opens([(0, 0, 1), (0, 0, 2), (1, 1, 1)]), 3, NOW, [1e9])
    landing = trending.LANDING
    assert trends.counts(NOW)[0] == pytest.approx([0, 2 * landing, 1], abs=1e-6)


counted = st.lists(st.integers(0, 50), min_size=4, max_size=4)


@given(fast=counted, middle=counted, slow=counted, patience=st.floats(1, 500))
def test_shares_smooth_each_clock_toward_the_slower_one(
    fast: list[int], middle: list[int], slow: list[int], patience: float
) -> None:
    shares = trending.shares(np.array([fast, middle, slow], float), patience)
    for row in range(4):
        share = slow[row] / sum(slow) if sum(slow) else 0.0
        assert shares[2][row] == pytest.approx(share)
        for clock, counts in ((1, middle), (0, fast)):
            share = (counts[row] + patience * share) / (sum(counts) + patience)
            assert shares[clock][row] == pytest.approx(share)


@given(counts=counted)
def test_shares_are_probabilities(counts: list[int]) -> None:
    shares = trending.shares(np.array([counts, counts], float))
    total = 1.0 if sum(counts) else 0.0
    assert shares.sum(axis=1) == pytest.approx([total, total])


def board(counts: list[float], site: list[int], **changes: float) -> trending.TrendBoard:
    settings = {"per_site": 10, "site_exponent": 0.0} | changes
    return trending.board(np.array([counts]), np.array(site, np.int16), NOW, **settings)


def test_board_ranks_by_volume_or_by_share_of_the_own_site() -> None:
    counts, site = [90, 80, 5, 1], [0, 0, 1, 1]
    assert board(counts, site).rows.tolist() == [0, 1, 2, 3]
    assert board(counts, site, site_exponent=1.0).rows.tolist() == [2, 0, 1, 3]


def test_board_keeps_the_best_of_each_site() -> None:
    assert board([9, 8, 7, 1], [0, 0, 0, 1], per_site=2).rows.tolist() == [0, 1, 3]
    assert board([7, 7, 7, 7], [0, 0, 0, 1], per_site=2).rows.tolist() == [0, 1, 3]


def test_board_is_empty_where_nothing_was_opened() -> None:
    assert len(board([0, 0], [0, 0]).rows) == 0
    assert len(board([], []).rows) == 0


def test_board_scores_sum_to_one_and_ties_break_by_row() -> None:
    found = board([2, 2, 2], [0, 1, 0])
    assert found.rows.tolist() == [0, 1, 2]
    assert found.scores.sum() == pytest.approx(1.0)


def test_a_grown_board_gives_new_articles_no_share() -> None:
    assert board([1, 3], [0, 0]).grown(3).share == pytest.approx([0.25, 0.75, 0.0])
