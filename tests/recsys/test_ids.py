"""A vocabulary gives each id one row, and grows without changing what was handed out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.ids import Hashed, Packed, Vocabulary

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


def test_of_two_that_grew_from_one_each_holds_its_own() -> None:
    small = Vocabulary(["a"]).extended(["b"])
    one, other = small.extended(["c"]), small.extended(["d", "e"])
    assert (list(small), list(one), list(other)) == (["a", "b"], ["a", "b", "c"], [*"abde"])
    assert [small.row(key) for key in "abcd"] == [0, 1, -1, -1]
    assert [one.row(key) for key in "abcd"] == [0, 1, 2, -1]
    assert [other.row(key) for key in "abcde"] == [0, 1, -1, 2, 3]
    with pytest.raises(IndexError):
        small[2]


any_text = st.text(st.characters(), max_size=4)  # half of a surrogate pair, too: JSON lets it in


@given(keys=st.lists(any_text, unique=True, max_size=12), asked=st.lists(any_text, max_size=5))
def test_a_packed_vocabulary_is_the_same_vocabulary(keys: list[str], asked: list[str]) -> None:
    whole = Vocabulary(keys)
    packed = Vocabulary(base=Packed(**whole.arrays()))
    assert list(packed) == keys
    assert [packed[row] for row in range(len(keys))] == keys
    assert packed.rows([*keys, *asked]).tolist() == whole.rows([*keys, *asked]).tolist()
    fresh = [key for key in dict.fromkeys(asked) if key not in whole]
    assert list(packed.extended(fresh)) == [*keys, *fresh]
    assert packed.extended(fresh).rows(fresh).tolist() == whole.extended(fresh).rows(fresh).tolist()
    for name, array in packed.arrays().items():
        assert array.tolist() == whole.arrays()[name].tolist()


def test_keys_of_one_hash_are_told_apart_and_the_first_of_equals_is_found() -> None:
    keys = ["x", "y", "x"]
    found = Hashed.of(keys)
    assert found.find("x", lambda row: keys[row] == "x") == 0
    hashes = np.zeros(3, np.uint64) + found.arrays()["hash"][0]
    alike = Hashed(hashes, np.arange(3, dtype=np.int32))
    wanted = keys[int(found.arrays()["row"][0])]
    assert alike.find(wanted, lambda row: keys[row] == "y") == 1
    assert alike.find(wanted, lambda row: False) == -1
