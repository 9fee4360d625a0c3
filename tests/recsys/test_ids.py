"""A vocabulary gives each id one row, and grows without changing what was handed out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.ids import Vocabulary

keys = st.lists(st.text(max_size=4), unique=True, max_size=12)


@given(keys=keys, first=st.integers(0, 12), second=st.integers(0, 12))
def test_an_extended_vocabulary_equals_one_made_at_once(
    keys: list[str], first: int, second: int
) -> None:
    first, second = sorted((first, second))
    grown = Vocabulary(keys[:first]).extended(keys[first:second]).extended(keys[second:])
    assert list(grown) == keys
    assert len(grown) == len(keys)
    assert [grown[row] for row in range(len(keys))] == keys
    assert grown.rows(keys).tolist() == list(range(len(keys)))
    assert all(key in grown for key in keys)


def test_an_unknown_id_has_row_minus_one() -> None:
    assert Vocabulary(["a"]).extended(["b"]).rows(["b", "c"]).tolist() == [1, -1]
    assert "c" not in Vocabulary(["a"])


def test_growing_leaves_the_smaller_vocabulary_as_it_was() -> None:
    small = Vocabulary(["a"])
    small.extended(["b"])
    assert list(small) == ["a"]


@pytest.mark.parametrize(
    "grow",
    [
        lambda: Vocabulary(["a", "b", "a"]),
        lambda: Vocabulary(["a"]).extended(["a"]),
        lambda: Vocabulary(["b"]).extended(["c"]).extended(["c"]),
    ],
)
def test_an_id_that_occurs_twice_is_refused_by_name(grow) -> None:
    with pytest.raises(ValueError, match=r"id '[ac]' occurs twice"):
        grow()
