"""Counts equal a naive sum of decayed events, whatever the order and times of the events."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.decay import Decayed

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
    counts = Decayed(6, NOW - 60 * 24 * HOUR, CLOCKS)
    rows = np.array([row for row, _ in voices[:split]], np.int32)
    counts.add(rows, np.array([at for _, at in voices[:split]], np.int64))
    for row, at in voices[split:]:
        counts.add_one(row, at)
    for found, half_life in zip(counts.counts(NOW), CLOCKS, strict=True):
        assert found == pytest.approx(naive(voices, half_life), rel=1e-9, abs=1e-12)


def test_counts_survive_years_of_a_short_half_life() -> None:
    counts = Decayed(1, NOW, [600.0])
    for day in range(0, 3 * 365, 5):
        counts.add_one(0, NOW + day * 24 * HOUR)
    assert counts.counts(NOW + day * 24 * HOUR)[0] == pytest.approx([1.0])


def test_arrays_restore_the_same_counts_and_a_copy_lives_alone() -> None:
    counts = Decayed(2, NOW, CLOCKS)
    counts.add_one(1, NOW)
    copy = counts.copy()
    copy.add_one(1, NOW)
    assert counts.counts(NOW).tolist() == [[0, 1], [0, 1]]
    assert copy.counts(NOW).tolist() == [[0, 2], [0, 2]]


def test_a_copy_of_a_mapped_file_leaves_the_file_alone_and_outlives_it(tmp_path: Path) -> None:
    counts = Decayed(3, NOW, CLOCKS)
    counts.add_one(1, NOW)
    arrays = counts.arrays()
    path = tmp_path / "mass.npy"
    np.save(path, arrays["mass"])
    mapped = np.load(path, mmap_mode="r").view(np.ndarray)
    opened = Decayed.of_arrays({**arrays, "mass": mapped})
    content = path.read_bytes()
    copy = opened.copy()
    copy.add_one(1, NOW)
    copy.grow(5)
    copy.add(np.array([0, 4, 4]), np.array([NOW, NOW, NOW]))
    path.unlink()
    late = opened.copy()
    late.add_one(2, NOW)
    assert copy.counts(NOW)[0].tolist() == [1, 2, 0, 0, 2]
    assert late.counts(NOW)[0].tolist() == [0, 1, 1]
    assert opened.counts(NOW)[0].tolist() == [0, 1, 0]
    path.write_bytes(content)
    assert np.load(path).tolist() == arrays["mass"].tolist()
    assert Decayed.of_arrays(copy.arrays()).counts(NOW).tolist() == copy.counts(NOW).tolist()


def test_a_copy_of_a_copy_holds_what_was_counted_since_the_file(tmp_path: Path) -> None:
    arrays = Decayed(3, NOW, CLOCKS).arrays()
    np.save(tmp_path / "mass.npy", arrays["mass"])
    mapped = np.load(tmp_path / "mass.npy", mmap_mode="c").view(np.ndarray)
    copy = Decayed.of_arrays({**arrays, "mass": mapped}).copy()
    copy.add_one(1, NOW)
    again = copy.copy()
    copy.add_one(2, NOW)
    assert again.counts(NOW).tolist() == [[0, 1, 0], [0, 1, 0]]
    assert copy.counts(NOW).tolist() == [[0, 1, 1], [0, 1, 1]]


def test_growing_makes_room_for_articles_that_were_not_counted() -> None:
    counts = Decayed(1, NOW, CLOCKS)
    counts.add_one(0, NOW)
    counts.grow(3)
    counts.add_one(2, NOW)
    assert counts.counts(NOW)[0].tolist() == [1, 0, 1]


def test_a_clock_that_is_set_back_leaves_counts_as_they_are_and_new_ones_count_in_full() -> None:
    counts = Decayed(2, NOW, (300.0, 86_400.0))
    counts.add(np.array([0, 0, 1]), np.array([NOW - 300, NOW, NOW]))
    before = counts.counts(NOW)
    counts.set_back(3600)
    assert np.allclose(counts.counts(NOW - 3600), before)
    counts.add_one(1, NOW - 3600)
    assert np.allclose(counts.counts(NOW - 3600)[:, 1], before[:, 1] + 1)
    faded = np.exp2(-300 / np.array([[300.0], [86_400.0]]))
    assert np.allclose(counts.counts(NOW - 3300), counts.counts(NOW - 3600) * faded)
