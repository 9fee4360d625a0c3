"""A column grows and changes like a list, and what was read of it stays as it was."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.growing import Growing

numbers = st.lists(st.integers(0, 9), max_size=4)
steps = st.lists(st.tuples(st.booleans(), numbers, st.integers(0, 99)), max_size=12)


@given(first=numbers, steps=steps)
def test_a_column_grows_and_changes_like_a_list(first: list, steps: list) -> None:
    mapped = np.array(first, np.int64)
    mapped.flags.writeable = False
    column, naive = Growing(mapped), list(first)
    read = [(column.now, list(naive))]
    for grows, values, place in steps:
        if grows:
            naive += values
            found = column.append(values)
        elif naive:
            naive[place % len(naive)] = place
            found = column.put(np.array([place % len(naive)]), [place])
        else:
            continue
        assert found is column.now
        read.append((found, list(naive)))
        for before, then in read:
            assert before.tolist() == then


def test_a_column_is_copied_neither_for_what_it_holds_already_nor_for_each_article() -> None:
    first = np.arange(1000)
    column = Growing(first)
    assert column.put(np.array([3, 4]), [3, 4]) is first
    grown = column.append([7])
    assert np.shares_memory(column.append([8]), grown)
