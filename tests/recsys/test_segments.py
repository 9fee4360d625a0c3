"""Circumstances lift what their readers open, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import segments
from recsys.segments import Segments

NOW = 1_700_000_000
ROWS = np.arange(4, dtype=np.int32)
opened = st.lists(
    st.tuples(st.sampled_from(["os:1", "os:2"]), st.integers(0, 3), st.integers(0, 7200)),
    max_size=30,
)


@given(openings=opened, asked=st.lists(st.sampled_from(["os:1", "os:2", "os:3"]), unique=True))
def test_a_lift_equals_the_naive_smoothed_ratio(openings: list, asked: list[str]) -> None:
    counts = Segments()
    for segment, row, age in openings:
        counts.add(segment, row, NOW - age)
    share = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    wanted = np.ones(4)
    for segment in asked:
        heard = np.zeros(4)
        for name, row, age in openings:
            if name == segment:
                heard[row] += 0.5 ** (age / segments.HALF_LIFE)
        if heard.any():
            ratio = (heard + segments.PRIOR * share) / ((heard.sum() + segments.PRIOR) * share)
            wanted *= ratio**segments.STRENGTH
    assert counts.lift(tuple(asked), ROWS, share, NOW) == pytest.approx(wanted, rel=1e-4)


def test_what_has_faded_is_forgotten_without_being_missed() -> None:
    counts = Segments()
    counts.add("os:1", 0, NOW - 100 * 3600)
    counts.add("os:1", 1, NOW)
    share = np.full(4, 0.25, np.float32)
    before = counts.lift(("os:1",), ROWS, share, NOW)
    counts.forget(NOW)
    assert counts.lift(("os:1",), ROWS, share, NOW) == pytest.approx(before, rel=1e-3)
    assert counts.rows("os:1") == {1}
    counts.forget(NOW + 100 * 3600)
    assert not len(counts)


def test_a_few_circumstances_at_a_time_are_all_looked_at_in_turn() -> None:
    counts = Segments()
    for number in range(5):
        counts.add(f"os:{number}", 0, NOW - 100 * 3600)
    left = []
    for _ in range(3):
        counts.forget(NOW, 2)
        left.append(len(counts))
    assert left == [3, 1, 0]


def test_a_circumstance_has_room_for_all_that_is_opened_in_it() -> None:
    counts = Segments()
    for row in range(1000):
        counts.add("os:1", row % 700, NOW)
    rows = np.arange(701, dtype=np.int32)
    share = np.full(701, 1 / 700, np.float32)
    lift = counts.lift(("os:1",), rows, share, NOW)
    heard = np.repeat([2.0, 1.0, 0.0], [300, 400, 1])
    wanted = ((heard + segments.PRIOR / 700) / ((1000 + segments.PRIOR) / 700)) ** 0.25
    assert lift == pytest.approx(wanted, rel=1e-4)


def test_invented_circumstances_push_out_only_the_least_recent() -> None:
    counts = Segments()
    for n in range(segments.MOST + 50):
        counts.add(f"made-up:{n}", 0, NOW)
    assert len(counts) == segments.MOST
    assert not counts.rows("made-up:49")
    assert counts.rows("made-up:50") == {0}
