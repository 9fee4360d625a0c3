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


def naive(voices: list[tuple[int, int]], half_life: float, now: int) -> np.ndarray:
    counts = np.zeros(6)
    for row, at in voices:
        counts[row] += 0.5 ** ((now - at) / half_life)
    return counts


@given(voices=events, half_life=st.sampled_from([600.0, HOUR, 24 * HOUR]), split=st.integers(0, 40))
def test_counts_equal_the_naive_sum(
    voices: list[tuple[int, int]], half_life: float, split: int
) -> None:
    trends = trending.Trends(6, half_life, landmark=NOW - 60 * 24 * HOUR)
    rows = np.array([row for row, _ in voices[:split]], np.int32)
    trends.add(rows, np.array([at for _, at in voices[:split]], np.int64))
    for row, at in voices[split:]:
        trends.add_one(row, at)
    assert trends.counts(NOW) == pytest.approx(naive(voices, half_life, NOW), rel=1e-9, abs=1e-12)


def test_counts_survive_years_of_a_short_half_life() -> None:
    trends = trending.Trends(1, 600.0, landmark=NOW)
    for day in range(0, 3 * 365, 5):
        trends.add_one(0, NOW + day * 24 * HOUR)
    assert trends.counts(NOW + day * 24 * HOUR) == pytest.approx([1.0])


def test_arrays_restore_the_same_counts_and_a_copy_lives_alone() -> None:
    trends = trending.Trends(2, HOUR, landmark=NOW)
    trends.add_one(1, NOW)
    copy = trends.copy()
    copy.add_one(1, NOW)
    assert trends.counts(NOW).tolist() == [0, 1]
    assert copy.counts(NOW).tolist() == [0, 2]


def test_one_reader_is_one_voice() -> None:
    opens = Interactions(
        visitor=np.array([0, 0, 1, -1, -1, -1], np.int32),
        session=np.array([0, 1, 2, 3, 3, -1], np.int32),
        article=np.array([5, 5, 5, 5, 5, 5], np.int32),
        kind=np.full(6, Kind.CLICK, np.int8),
        at=np.arange(6, dtype=np.int64),
        value=np.zeros(6, np.float32),
    )
    assert trending.first_voices(opens).at.tolist() == [0, 2, 3, 5]


def board(counts: list[float], site: list[int], **changes: float) -> trending.TrendBoard:
    settings = {"per_site": 10, "site_exponent": 0.0, "floor": 0.0} | changes
    return trending.board(np.array(counts), np.array(site, np.int16), NOW, **settings)


def test_board_ranks_by_volume_or_by_share_of_the_own_site() -> None:
    counts, site = [90, 80, 5, 1], [0, 0, 1, 1]
    assert board(counts, site).rows.tolist() == [0, 1, 2, 3]
    assert board(counts, site, site_exponent=1.0).rows.tolist() == [2, 0, 1, 3]


def test_board_keeps_the_best_of_each_site_and_drops_noise() -> None:
    assert board([9, 8, 7, 1], [0, 0, 0, 1], per_site=2).rows.tolist() == [0, 1, 3]
    assert board([9, 8, 7, 1], [0, 0, 0, 1], floor=2.0).rows.tolist() == [0, 1, 2]
    assert len(board([0, 0], [0, 0]).rows) == 0


def test_board_breaks_ties_by_row() -> None:
    assert board([2, 2, 2], [0, 1, 0]).rows.tolist() == [0, 1, 2]
