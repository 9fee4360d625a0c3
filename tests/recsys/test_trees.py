"""Trees add up to the very sums of LightGBM, whatever they are told and however they were grown."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.trees import Trees

COLUMNS = 6


def grown(seed: int, leaves: int, unknown: float, **settings: object) -> lightgbm.Booster:
    rng = np.random.default_rng(seed)
    table = rng.integers(-3, 4, (1500, COLUMNS)).astype(np.float32) / 3
    wanted = table @ rng.normal(size=COLUMNS) + rng.normal(size=len(table))
    table[rng.random(table.shape) < unknown] = np.nan
    chosen = {"objective": "regression", "num_leaves": leaves, "min_data_in_leaf": 3}
    quiet = {"verbosity": -1, "num_threads": 1, "seed": seed}
    data = lightgbm.Dataset(table, wanted, params=quiet)
    return lightgbm.train(chosen | quiet | settings, data, 12)


BOOSTERS = [
    grown(seed, leaves, unknown)
    for seed, (leaves, unknown) in enumerate([(2, 0.0), (16, 0.2), (31, 0.0), (100, 0.3)])
]
values = st.one_of(
    st.sampled_from([np.nan, 0.0, -0.0, 1e-36, 1 / 3, -1 / 3, np.inf, -np.inf]),
    st.floats(-2, 2, width=32),
)


@settings(max_examples=60)
@given(
    booster=st.sampled_from(BOOSTERS),
    rows=st.lists(st.tuples(*[values] * COLUMNS), min_size=1, max_size=40),
)
def test_sums_are_those_of_lightgbm(booster: lightgbm.Booster, rows: list) -> None:
    table = np.array(rows, np.float32)
    wanted = booster.predict(table, raw_score=True, num_threads=1)
    assert Trees.parse(booster.model_to_string()).sums(table.T).tolist() == wanted.tolist()


def test_a_threshold_itself_goes_left_and_what_follows_it_right() -> None:
    for booster in BOOSTERS:
        trees = Trees.parse(booster.model_to_string())
        edges = np.concatenate(
            [trees.threshold, np.nextafter(trees.threshold, np.float32(np.inf), dtype=np.float32)]
        )
        table = np.repeat(edges[:, None], COLUMNS, axis=1)
        wanted = booster.predict(table, raw_score=True, num_threads=1)
        assert trees.sums(table.T).tolist() == wanted.tolist()


def test_trees_without_a_single_split_say_the_same_of_everything() -> None:
    booster = grown(0, 2, 0.0, min_data_in_leaf=2000)
    table = np.zeros((3, COLUMNS), np.float32)
    wanted = booster.predict(table, raw_score=True)
    assert Trees.parse(booster.model_to_string()).sums(table.T).tolist() == wanted.tolist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("num_cat=0", "num_cat=1"),
        lambda text: text.replace("num_class=1", "num_class=2"),
        lambda text: text[: text.rindex("Tree=")],
        lambda _: "",
    ],
)
def test_what_is_no_sum_of_such_trees_is_refused(damage) -> None:
    with pytest.raises((ValueError, KeyError)):
        Trees.parse(damage(BOOSTERS[1].model_to_string()))
