"""Windows cover the time that is replayed, each second once."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import splits
from recsys.errors import DataError
from recsys.splits import DAY, windows


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(splits) == doctest.TestResults(failed=0, attempted=1)


@given(
    split=st.sampled_from(["one cut", "rolling", "per day"]),
    cut=st.integers(0, 10**6),
    length=st.integers(1, 10**6),
    every=st.integers(10**4, 10**6),
)
def test_windows_follow_each_other_without_gap_or_overlap(split, cut, length, every):
    found = windows(split, cut, cut + length, every)
    assert found[0][0] == cut
    assert found[-1][1] == cut + length
    assert all(start < end for start, end in found)
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    lengths = {end - start for start, end in found[:-1]}
    if split == "one cut":
        assert len(found) == 1
    elif split == "rolling":
        assert lengths <= {every}
        assert found[-1][1] - found[-1][0] <= every
    else:
        assert all(start % DAY == 0 for start, _ in found[1:])
        assert lengths <= {DAY, found[0][1] - cut}
        assert max(end - start for start, end in found) <= DAY


def test_days_begin_at_midnight_utc_but_for_the_first():
    assert windows("per day", DAY + 7, 3 * DAY + 5) == (
        (DAY + 7, 2 * DAY),
        (2 * DAY, 3 * DAY),
        (3 * DAY, 3 * DAY + 5),
    )
    assert windows("per day", DAY, 2 * DAY) == ((DAY, 2 * DAY),)


@pytest.mark.parametrize(
    ("cut", "end", "every", "message"),
    [
        (5, 5, 1, "cut = 5 is not before the end, 5"),
        (6, 5, 1, "cut = 6 is not before the end, 5"),
        (0, 5, 0, "every = 0: expected seconds above 0"),
    ],
)
def test_what_is_no_stretch_of_time_is_refused(cut, end, every, message):
    with pytest.raises(DataError, match=message):
        windows("rolling", cut, end, every)
