"""Tables come out as they were put in, whatever blocks they were kept in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.stack import Stack


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 5))
def test_tables_come_out_one_after_another_and_once(sizes, block):
    rng = np.random.default_rng(0)
    tables = [rng.random((size, 3), np.float32) for size in sizes]
    stack = Stack(3, block)
    for _ in range(2):  # it can be filled again
        for table in tables:
            stack.put(table)
        whole = np.concatenate([np.empty((0, 3), np.float32), *tables])
        assert np.array_equal(stack.taken(), whole)
    assert stack.taken().shape == (0, 3)
