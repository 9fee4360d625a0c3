"""What kernels share equals naive code: an order with ties, a table of keys, logarithms."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.compiled import dot, logs, order, slot, slots

scores = st.lists(
    st.one_of(st.sampled_from([0.0, 0.5, 0.5 + 1e-12, 1e-300]), st.floats(0, 1e6)), max_size=60
)


@given(scores=scores, data=st.data())
def test_the_best_come_first_and_of_equals_the_lower_row(scores: list, data) -> None:
    rows = data.draw(st.permutations(range(len(scores))))
    found = order(np.array(scores, np.float64), np.array(rows, np.int32))
    wanted = sorted(range(len(scores)), key=lambda place: (-scores[place], rows[place]))
    assert found.tolist() == wanted


@given(st.lists(st.integers(0, 2**31 - 1), max_size=200))
def test_a_table_tells_each_key_by_its_place(keys: list[int]) -> None:
    table, known = slots(len(keys)), np.empty(len(keys), np.int32)
    places: dict[int, int] = {}
    for key in keys:
        at = slot(table, known, key)
        assert table[at] == places.get(key, -1)
        if key not in places:
            table[at], known[len(places)] = len(places), key
            places[key] = len(places)
    assert table[slot(table, known, 2**31 - 1)] == places.get(2**31 - 1, -1)


@given(st.lists(st.floats(2.0**-100, 2.0**100, width=32), max_size=40))
def test_logarithms_are_as_exact_as_the_ranker_needs(numbers: list[float]) -> None:
    line = np.array(numbers, np.float32)
    logs(line)
    assert line.tolist() == pytest.approx([math.log(n) for n in numbers], rel=2e-7, abs=2e-7)


@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), max_size=70))
def test_an_inner_product_is_one(pairs: list) -> None:
    left, right = np.array(pairs, np.float32).reshape(-1, 2).T.copy()
    assert dot(left, right) == pytest.approx(math.fsum(a * b for a, b in pairs), abs=1e-5)


def test_where_nothing_can_be_written_kernels_work_all_the_same(tmp_path: Path) -> None:
    told = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from recsys.compiled import order\n"
        "print(order(np.array([1.0, 2.0]), np.array([0, 1], np.int32)).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "[1, 0]\n"
