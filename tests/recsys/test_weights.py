"""Confidence equals a naive loop over events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables import Interactions
from recsys.types import Kind
from recsys.weights import Weights, confidence

DAY = 86_400
NOW = 1_700_000_000
DWELL = st.sampled_from([0, 7, 60, 900])
events = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)), st.integers(0, 90 * DAY), st.sampled_from([0, 7, 60, 900])
    ),
    max_size=20,
)


@given(rows=events)
def test_confidence_is_the_weight_of_the_kind_by_dwell_and_age(rows: list) -> None:
    rows = sorted(rows, key=lambda row: -row[1])
    count = len(rows)
    table = Interactions(
        visitor=np.zeros(count, np.int32),
        session=np.zeros(count, np.int32),
        article=np.zeros(count, np.int32),
        kind=np.array([kind for kind, *_ in rows], np.int8),
        at=np.array([NOW - age for _, age, _ in rows], np.int64),
        value=np.array([dwell for *_, dwell in rows], np.float32),
        slate=np.full(count, -1, np.int32),
    )
    weights = Weights(impression=0.1)
    wanted = []
    for kind, age, dwell in rows:
        value = getattr(weights, kind.name.lower())
        if kind == Kind.READ and dwell:
            value *= min(dwell / weights.dwell_full, 1)
        wanted.append(value * 0.5 ** (age / weights.half_life))
    assert confidence(table, weights, NOW) == pytest.approx(np.array(wanted), rel=1e-5)
